"""Open sockets on their way from one process to another: SCM_RIGHTS of unix(7)."""

import array
import socket
from collections.abc import Sequence
from typing import Any, Protocol

AT_ONCE = 250  # SCM_MAX_FD of the kernel is 253
CARRIER = b" "  # sockets need a byte to go with; JSON may begin with this one
ROOM = socket.CMSG_SPACE(AT_ONCE * array.array("i").itemsize)


class HasNumber(Protocol):
    """A socket, or what stands for one."""

    def fileno(self) -> int:
        """Its file descriptor."""
        ...


def send(connection: socket.socket, sockets: Sequence[HasNumber]) -> None:
    """Send them, in pieces that the kernel takes, each with one byte.  OSError."""
    numbers = [each.fileno() for each in sockets]
    for start in range(0, len(numbers), AT_ONCE):
        socket.send_fds(connection, [CARRIER], numbers[start : start + AT_ONCE])


def receive(connection: socket.socket, size: int) -> tuple[bytes, list[socket.socket], bool]:
    """At most so many bytes, the sockets that came with them, and whether those are all.  OSError.

    They block nowhere, and no program inherits them, as it would what socket.recv_fds gives.
    """
    piece, ancillary, flags, _ = connection.recvmsg(size, ROOM, socket.MSG_CMSG_CLOEXEC)
    found = [socket.socket(fileno=number) for number in _numbers(ancillary)]
    for each in found:
        each.setblocking(False)
    return piece, found, not flags & socket.MSG_CTRUNC


def _numbers(ancillary: list[tuple[int, int, bytes]]) -> Sequence[int]:
    numbers: array.array[Any] = array.array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    return numbers
