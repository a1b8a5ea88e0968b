"""The sockets that the API listens on: unix sockets, TCP, and ones handed over by systemd."""

import contextlib
import grp
import os
import socket
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fairlead.model.errors import Conflict, Failed, InvalidParameter

DEFAULT_GROUP = "docker"
UNIX_MODE = 0o660
BACKLOG = 1024
FIRST_INHERITED = 3  # systemd's protocol: descriptors from 3 on


@dataclass(frozen=True, slots=True)
class Listener:
    """An open socket and what it is called; path and inode of a unix socket that is ours to remove."""

    socket: socket.socket
    host: str
    path: str = ""
    inode: int = 0

    @property
    def remote(self) -> bool:
        """Whether others than this machine's users can reach it."""
        return self.socket.family != socket.AF_UNIX

    def close(self) -> None:
        """Close it; a unix socket's file goes, unless somebody has put another in its place."""
        self.socket.close()
        with contextlib.suppress(OSError):
            if self.path and os.lstat(self.path).st_ino == self.inode:
                os.unlink(self.path)


def open_listeners(
    hosts: Sequence[str], group: str | None, environment: Mapping[str, str]
) -> tuple[Listener, ...]:
    """A listener for every host (`unix:///run/x.sock`, `tcp://127.0.0.1:2375`, `fd://`); all or none.

    `group` owns unix sockets: None means `docker` if there is such a group.  Raises
    InvalidParameter, Conflict when another daemon answers there, Failed when the host refuses.
    """
    opened: list[Listener] = []
    try:
        for host in hosts:
            opened += _open(host, group, environment)
    except BaseException:
        for listener in opened:
            listener.close()
        raise
    return tuple(opened)


def _open(host: str, group: str | None, environment: Mapping[str, str]) -> Sequence[Listener]:
    scheme, separator, rest = host.partition("://")
    if scheme == "unix" and separator and rest.startswith("/"):
        return (_open_unix(rest, group),)
    if scheme == "tcp" and separator:
        return _open_tcp(host)
    if scheme == "fd" and separator:
        return _inherited(host, rest, environment)
    raise InvalidParameter(f"cannot listen on {host}: it must be unix:///PATH, tcp://ADDRESS:PORT or fd://")


def _open_unix(path: str, group: str | None) -> Listener:
    _clear_stale(path)
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        listening.bind(path)
        # Nobody can connect before it listens, so there is no moment of wrong permissions.
        os.chown(path, -1, _group_id(group))
        os.chmod(path, UNIX_MODE)
        listening.listen(BACKLOG)
        inode = os.lstat(path).st_ino
    except OSError as error:
        listening.close()
        raise Failed(f"cannot listen on unix://{path}: {error.strerror}") from error
    return Listener(listening, f"unix://{path}", path, inode)


def _clear_stale(path: str) -> None:
    """Remove a socket that nobody answers on; refuse one that is in use, and anything else."""
    try:
        kind = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise Failed(f"cannot listen on unix://{path}: {error.strerror}") from error
    if not stat.S_ISSOCK(kind):
        raise Failed(f"cannot listen on unix://{path}: a file that is no socket is in its place")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
        except OSError:
            pass  # somebody is there, only slow to accept
    raise Conflict(f"cannot listen on unix://{path}: another daemon answers there")


def _group_id(group: str | None) -> int:
    """The id of the group that may use the socket; -1 leaves it as it is."""
    name = DEFAULT_GROUP if group is None else group
    if not name:
        return -1
    if name.isdigit():
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        if group is None:
            return -1
        raise InvalidParameter(f"cannot give the socket to group {name}: there is no such group") from error


def _open_tcp(host: str) -> Sequence[Listener]:
    try:
        parts = urlsplit(host)
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise InvalidParameter(f"cannot listen on {host}: {error}") from error
    if port is None or parts.path not in ("", "/"):
        raise InvalidParameter(f"cannot listen on {host}: it must name an address and a port")
    try:
        found = socket.getaddrinfo(
            name or "127.0.0.1", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise Failed(f"cannot listen on {host}: {error.strerror}") from error
    opened: list[Listener] = []
    try:
        for family, _, _, _, address in dict.fromkeys(found):
            listening = socket.socket(family, socket.SOCK_STREAM)
            opened.append(Listener(listening, host))
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listening.bind(address)
            listening.listen(BACKLOG)
    except OSError as error:
        for listener in opened:
            listener.close()
        raise Failed(f"cannot listen on {host}: {error.strerror}") from error
    return opened


def _inherited(host: str, chosen: str, environment: Mapping[str, str]) -> Sequence[Listener]:
    """The sockets that systemd opened for this process; `fd://N` takes one of them.

    Source of the protocol: sd_listen_fds(3).
    """
    count = environment.get("LISTEN_FDS", "")
    if environment.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit() or not int(count):
        raise Failed(f"cannot listen on {host}: no sockets found via socket activation")
    numbers = range(FIRST_INHERITED, FIRST_INHERITED + int(count))
    if chosen not in ("", "*"):
        if not chosen.isdigit() or int(chosen) not in numbers:
            raise InvalidParameter(
                f"cannot listen on {host}: systemd handed over {numbers[0]}..{numbers[-1]}"
            )
        numbers = range(int(chosen), int(chosen) + 1)
    try:
        return [Listener(socket.socket(fileno=number), host) for number in numbers]
    except OSError as error:
        raise Failed(f"cannot listen on {host}: {error.strerror}") from error
