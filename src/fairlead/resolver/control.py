"""The control socket of a process beside the daemon: a line of JSON asks, a line of JSON answers.

One process answers a socket; requests are carried out one after the other, each to its end.
"""

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import socket
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.model.errors import Conflict, Failed, FairleadError
from fairlead.resolver import descriptors
from fairlead.resolver.descriptors import HasNumber

log = logging.getLogger(__name__)

Request = Mapping[str, Any]
Reply = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WithSockets:
    """A reply with which copies of open sockets go."""

    reply: Reply
    sockets: Sequence[HasNumber]


Answer = Callable[[Request], Reply | WithSockets]

LONGEST_LINE = 64 << 20  # bytes
# What is asked and answered; a process with another number is replaced by one of this release.
PROTOCOL = 3


def claim(path: str) -> socket.socket:
    """The listening control socket, for its owner only; one that nobody answers any more is replaced.

    Raises Conflict while another process answers it, Failed when it cannot be made.
    """
    directory, name = os.path.split(os.path.abspath(path))
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise Failed(f"cannot make the control socket {path}: {error.strerror}") from error
    try:
        # Two that start at once must not both find the socket stale and replace each other's.
        fcntl.flock(lock, fcntl.LOCK_EX)
        _remove_stale(path)
        return _listening(path)
    except OSError as error:
        raise Failed(f"cannot make the control socket {path}: {error.strerror or error}") from error
    finally:
        os.close(lock)


def _remove_stale(path: str) -> None:
    try:
        found = os.stat(path, follow_symlinks=False)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise Failed(f"cannot make the control socket {path}: another file has that name")
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            return
    raise Conflict(f"cannot take the control socket {path}: another process answers it")


def _listening(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        listener.bind(path)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    finally:
        os.umask(before)
    listener.setblocking(False)
    return listener


async def serve(listener: socket.socket, answer: Answer) -> asyncio.Server:
    """Answer requests on the control socket until the server is closed."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # ValueError: a line longer than any that the daemon sends.
        with contextlib.suppress(ConnectionError, ValueError, asyncio.CancelledError):
            while line := await reader.readline():
                reply = _reply(line, answer)
                if isinstance(reply, WithSockets):
                    _send_sockets(writer, reply.sockets)
                    reply = reply.reply
                writer.write(json.dumps(reply).encode() + b"\n")
                await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(converse, sock=listener, limit=LONGEST_LINE)


def _send_sockets(writer: asyncio.StreamWriter, sockets: Sequence[HasNumber]) -> None:
    """Before the reply, unless an earlier one is still on its way; who asked sees how many have come."""
    if writer.transport.get_write_buffer_size():
        return
    with socket.socket(fileno=os.dup(writer.get_extra_info("socket").fileno())) as own:
        try:
            descriptors.send(own, sockets)
        except OSError as error:
            log.warning("cannot send copies of sockets: %s", error)


def _reply(line: bytes, answer: Answer) -> Reply | WithSockets:
    try:
        request = json.loads(line)
        if not isinstance(request, dict):
            raise ValueError("it is not a JSON object")
    except (ValueError, RecursionError) as error:
        return {"error": f"cannot read the request: {error}"}
    try:
        return answer(request)
    except FairleadError as error:
        return {"error": error.message}
    except (ValueError, TypeError, LookupError) as error:
        return {"error": f"cannot read the request: {error!r}"}
    except Exception as error:
        log.exception("cannot carry out a request")
        return {"error": f"cannot carry out the request: {error!r}"}
