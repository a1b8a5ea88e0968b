"""A console: conmon's attach socket as a stream of pieces of output, and of input."""

import asyncio
import contextlib
import os
import socket

from fairlead.model.errors import NotFound
from fairlead.runtime.acceptance import until_accepted

_OUTPUT_PIECE = 65536  # conmon sends at most 8 KiB and a byte at once
_INPUT_PIECE = 16384  # conmon would cut off what is longer than its buffer of 32 KiB
_FIRST_STREAM = 1  # conmon counts stdin as 1, so its stdout is 2 where ours is 1


async def connect(directory: str) -> "Console":
    """The console of the process that conmon keeps in the directory.  NotFound when it has gone."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
    try:
        # The path of a socket may have 107 bytes; this way the directory's may be longer.
        place = os.open(directory, os.O_PATH | os.O_CLOEXEC)
        try:
            await asyncio.get_running_loop().sock_connect(connection, f"/proc/self/fd/{place}/attach")
        finally:
            os.close(place)
    except OSError as error:
        connection.close()
        raise NotFound(f"cannot attach to {os.path.basename(directory)}: its process has gone") from error
    return Console(connection)


class Console:
    """A connection to a console (boundary.Stream)."""

    def __init__(self, connection: socket.socket):
        self._connection = connection
        self._reading = False
        self._closed = False

    async def accepted(self) -> None:
        """Return when conmon knows this connection.  For an exec that is not before its process runs."""
        await until_accepted(self._connection)

    async def read(self) -> tuple[int, bytes] | None:
        """The next output: (1 stdout or 2 stderr, bytes); None at its end, and after `close`."""
        if self._closed:
            return None
        self._reading = True
        try:
            piece = await asyncio.get_running_loop().sock_recv(self._connection, _OUTPUT_PIECE)
        except ConnectionError:
            return None
        finally:
            self._reading = False
            if self._closed:
                self._connection.close()
        return (piece[0] - _FIRST_STREAM, piece[1:]) if piece else None

    async def write(self, content: bytes) -> None:
        """Send input; quietly nothing when the process has gone."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            for start in range(0, len(content), _INPUT_PIECE):
                await loop.sock_sendall(self._connection, content[start : start + _INPUT_PIECE])

    async def close_input(self) -> None:
        """End of input (half-close)."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """Let go; the process lives on.  Whoever reads is told that the output has ended."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        # A descriptor closed under a waiting reader would never wake it; that one closes it then.
        if not self._reading:
            self._connection.close()
