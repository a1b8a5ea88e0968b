"""Network namespaces are entered in this module only: to open something there, and leave.

A namespace is pinned where `ip netns` looks for it and is ours if, and only if, a symbolic link
of its engine's own directory (its alias) leads to the pin.  The alias is made first and taken away last, so
that an interrupted change leaves something that can be recognised.  All methods belong in one
thread, since a thread is what enters a namespace.
"""

import contextlib
import ctypes
import errno
import fcntl
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence

from fairlead.model.endpoint import alias_directory
from fairlead.model.errors import Failed, NotFound

PINS = "/run/netns"

CLONE_NEWNET = 0x40000000
MS_BIND, MS_REC, MS_SHARED = 0x1000, 0x4000, 0x100000
MNT_DETACH = 2

_libc = ctypes.CDLL(None, use_errno=True)


def namespace_path(name: str) -> str:
    """Where the namespace of that name is pinned; "" (the host's own) has no pin."""
    return f"{PINS}/{name}" if name else ""


def _checked(result: int, action: str) -> None:
    if result:
        code = ctypes.get_errno()
        raise OSError(code, f"{action}: {os.strerror(code)}")


def _mount(source: str, target: str, flags: int) -> None:
    result = _libc.mount(os.fsencode(source), os.fsencode(target), b"none", ctypes.c_ulong(flags), None)
    _checked(result, f"mount on {target}")


class Namespaces:
    """The pins of one engine and the way into them; "" is the namespace it was made in.

    `inhabitant` tells a process that is surely in the namespace of a name, 0 where there is none.
    """

    def __init__(self, exec_root: str, inhabitant: Callable[[str], int] = lambda name: 0):
        self._inhabitant = inhabitant
        self._aliases = alias_directory(exec_root)
        self._home = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._device = os.fstat(self._home).st_dev
        # Aliases by name: where to look first, never an answer.
        self._index: dict[str, str] | None = None

    def close(self) -> None:
        """Let go of the namespace it was made in; nothing can be entered any more."""
        os.close(self._home)

    def alias(self, name: str) -> str | None:
        """The alias of the pin; "" if the alias is there and the pin is not, None if it is not ours."""
        alias = self._alias_that_leads_to(name)
        if alias is None:
            return None
        return alias if self._is_pin(namespace_path(name)) else ""

    def owned(self) -> Mapping[str, str]:
        """Every namespace of ours by name, with its alias, pinned or not: what a leak audit asks."""
        self._index = self._read_aliases()
        return dict(self._index)

    def pin(self, name: str, alias: str) -> None:
        """Make a namespace, or give ours that alias.  Raises Failed when the name is somebody else's.

        Where a process is in it still and only the pin has gone, the pin is made again.
        """
        cannot = f"cannot create network namespace {name}"
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise Failed(f"{cannot}: that cannot be the name of a file in {PINS}")
        path, present = namespace_path(name), self._alias_that_leads_to(name)
        if present is None and os.path.lexists(path):
            raise Failed(f"{cannot}: {path} belongs to somebody else")
        self._claim(name, alias, present)
        if self._is_pin(path):
            return
        try:
            if present is not None:
                _remove_pin(path)  # the empty file that an interrupted change or a reboot left
            self._make_pin(path, self._inhabitant(name))
        except OSError as error:
            if present is None:
                self._disown(alias)
            holder = f"{path} belongs to somebody else"
            reason = holder if isinstance(error, FileExistsError) else error.strerror
            raise Failed(f"{cannot}: {reason}") from error

    def unpin(self, name: str) -> None:
        """Take away the pin, if it is ours, and its alias.  What still runs inside keeps running."""
        alias = self._alias_that_leads_to(name)
        if alias is None:
            return
        _remove_pin(namespace_path(name))
        self._disown(alias)

    def connect(self, name: str) -> socket.socket:
        """A route netlink socket born in the namespace.  Raises NotFound if it is not ours."""
        with self._inside(name):
            return socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)

    def packets(self, name: str) -> socket.socket:
        """A socket for whole frames, born in the namespace, that receives none.  Raises NotFound."""
        with self._inside(name):
            return socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)

    def echo(self, name: str) -> socket.socket:
        """A socket for ICMP echo requests and replies, born in the namespace.  Raises NotFound, OSError."""
        with self._inside(name):
            return socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, socket.IPPROTO_ICMP)

    def open_file(self, name: str, path: str, flags: int) -> int:
        """Open a file of /proc/sys as seen in the namespace.  Raises NotFound, OSError."""
        with self._inside(name):
            # Which network's settings /proc/sys/net shows depends on the thread that opens them.
            return os.open(path, flags | os.O_CLOEXEC)

    def read_files(self, name: str, paths: Sequence[str], longest: int) -> list[bytes | None]:
        """What is in files of /proc/sys as seen in the namespace; None for what cannot be read.

        Raises NotFound, OSError.
        """
        found: list[bytes | None] = []
        with self._inside(name):
            for path in paths:
                try:
                    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
                except OSError:
                    found.append(None)
                    continue
                try:
                    found.append(os.read(descriptor, longest))
                except OSError:
                    found.append(None)
                finally:
                    os.close(descriptor)
        return found

    @contextlib.contextmanager
    def handle(self, name: str) -> Iterator[int]:
        """A file descriptor that stands for the namespace.  Raises NotFound if it is not ours."""
        if not name:
            yield self._home
            return
        if not self.alias(name):
            raise NotFound(f"there is no network namespace {name} of ours")
        descriptor = os.open(namespace_path(name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _inside(self, name: str) -> Iterator[None]:
        with self.handle(name) as target:
            _checked(_libc.setns(target, CLONE_NEWNET), "enter a network namespace")
            try:
                yield
            finally:
                _checked(_libc.setns(self._home, CLONE_NEWNET), "leave a network namespace")

    def _is_pin(self, path: str) -> bool:
        """Whether a namespace is mounted there: all of them live on one kernel-internal device."""
        try:
            return os.stat(path).st_dev == self._device
        except OSError:
            return False

    def _alias_path(self, alias: str) -> str:
        return os.path.join(self._aliases, alias)

    def _alias_that_leads_to(self, name: str) -> str | None:
        path = namespace_path(name)
        if self._index is None or (name not in self._index and os.path.lexists(path)):
            self._index = self._read_aliases()
        alias = self._index.get(name)
        if alias is None:
            return None
        try:
            leads_here = os.readlink(self._alias_path(alias)) == path
        except OSError:
            leads_here = False
        return alias if leads_here else None

    def _read_aliases(self) -> dict[str, str]:
        found = {}
        with contextlib.suppress(FileNotFoundError):
            for alias in os.listdir(self._aliases):
                with contextlib.suppress(OSError):
                    directory, name = os.path.split(os.readlink(self._alias_path(alias)))
                    if directory == PINS:
                        found[name] = alias
        return found

    def _claim(self, name: str, alias: str, present: str | None) -> None:
        """Make the alias, in place of the one that is present, before there is a pin."""
        path, link = namespace_path(name), self._alias_path(alias)
        os.makedirs(self._aliases, mode=0o700, exist_ok=True)
        try:
            os.symlink(path, link)
        except FileExistsError:
            if os.readlink(link) != path:
                message = f"its alias {alias} is that of {os.readlink(link)}"
                raise Failed(f"cannot create network namespace {name}: {message}") from None
        if present not in (None, alias):
            self._disown(str(present))
        if self._index is not None:
            self._index[name] = alias

    def _disown(self, alias: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._alias_path(alias))
        if self._index is not None:
            self._index = {name: each for name, each in self._index.items() if each != alias}

    def _make_pin(self, path: str, inhabitant: int) -> None:
        _share_pins()
        os.close(os.open(path, os.O_RDONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0))
        try:
            if inhabitant:
                self._pin_that_of(inhabitant, path)
                return
            _checked(_libc.unshare(CLONE_NEWNET), "make a network namespace")
            try:
                _mount("/proc/thread-self/ns/net", path, MS_BIND)
            finally:
                _checked(_libc.setns(self._home, CLONE_NEWNET), "leave a network namespace")
        except OSError:
            _remove_pin(path)
            raise

    def _pin_that_of(self, process: int, path: str) -> None:
        descriptor = os.open(f"/proc/{process}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            if os.path.sameopenfile(descriptor, self._home):
                raise OSError(errno.EINVAL, f"process {process} is in the host's own namespace")
            _mount(f"/proc/self/fd/{descriptor}", path, MS_BIND)
        finally:
            os.close(descriptor)


def _share_pins() -> None:
    """Make the directory of the pins a shared mount, as `ip netns add` does.

    Only then are pins seen in mount namespaces that were there before them, in both directions.
    The lock is iproute2's own, against two making the mount at once.
    """
    os.makedirs(PINS, mode=0o755, exist_ok=True)
    directory = os.open(PINS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        try:
            _mount("", PINS, MS_SHARED | MS_REC)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            _mount(PINS, PINS, MS_BIND | MS_REC)  # it was no mount point yet
            _mount("", PINS, MS_SHARED | MS_REC)
    finally:
        os.close(directory)


def _remove_pin(path: str) -> None:
    result = _libc.umount2(os.fsencode(path), MNT_DETACH)
    if result and ctypes.get_errno() not in (errno.EINVAL, errno.ENOENT):
        _checked(result, f"unmount {path}")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
