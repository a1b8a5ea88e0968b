"""A connection that HTTP has been taken off: bytes both ways, each side ending its own."""

import asyncio
import contextlib
import fcntl
import select
import socket
import sys
import termios
from collections import deque

HIGH_WATER = 1 << 20  # bytes read ahead before reading pauses
LINGER = 5.0  # seconds that a client gets to see the end of the output
HEAD_LOOKS, HEAD_LOOK = 40, 0.0005  # how often, and after how many seconds, the head's fate is looked at
WATCH = 2.0  # seconds between looks at whether a client that ended its side is still there


class RawConnection(asyncio.Protocol):
    """Takes a transport over from another protocol, which hears of the end."""

    def __init__(self, transport: asyncio.Transport, before: asyncio.BaseProtocol):
        self._transport = transport
        self._before = before
        self._pieces: deque[bytes] = deque()
        self._waiting = 0  # bytes in the pieces
        self._ended = False  # the client sends no more
        self._told_end = False
        self._discards = False
        self._changed = asyncio.Event()
        self._lost = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    async def take_over(self, head: bytes) -> None:
        """Send a head, then be the transport's protocol.

        Some clients (docker-py) read the head through a buffer and the rest past it: what came
        along with the head would be lost to them.  So a client on a unix socket gets a moment to
        read the head by itself.
        """
        self._transport.write(head)
        self._transport.set_protocol(self)
        self._transport.resume_reading()
        peer = self._transport.get_extra_info("socket")
        for _ in range(HEAD_LOOKS):
            if peer is None or self._lost.is_set() or not _unread(peer):
                return
            await asyncio.sleep(HEAD_LOOK)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self._discards:
            return
        self._pieces.append(data)
        self._waiting += len(data)
        if self._waiting > HIGH_WATER:
            self._transport.pause_reading()
        self._changed.set()

    def eof_received(self) -> bool:
        """The client has ended its side; ours stays open."""
        self._ended = True
        self._changed.set()
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """Both sides are gone."""
        self._lost.set()
        self._changed.set()
        self._writable.set()
        self._before.connection_lost(error)

    def pause_writing(self) -> None:
        """The client is slow."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._writable.set()

    async def read(self) -> bytes | None:
        """What the client sent; b"" once when it ends its side, None when it has gone."""
        while True:
            if self._pieces:
                piece = self._pieces.popleft()
                self._waiting -= len(piece)
                if self._waiting <= HIGH_WATER // 2:
                    self._transport.resume_reading()
                return piece
            if self._lost.is_set():
                return None
            if self._ended and not self._told_end:
                self._told_end = True
                return b""
            if self._ended:
                await self._watch()
                continue
            self._changed.clear()
            await self._changed.wait()

    async def _watch(self) -> None:
        """Wait for the loss; a client that has closed altogether is noticed though nothing is written."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._lost.wait(), WATCH)
        if not self._lost.is_set() and _hung_up(self._transport.get_extra_info("socket")):
            self._transport.abort()
            await self._lost.wait()

    async def write(self, content: bytes) -> None:
        """Send; waits while the client is slow.  ConnectionError when it has gone."""
        if self._lost.is_set() or self._transport.is_closing():
            raise ConnectionResetError("the client has gone")
        self._transport.write(content)
        await self._writable.wait()
        if self._lost.is_set():
            raise ConnectionResetError("the client has gone")

    async def finish(self) -> None:
        """End our side, let the client read all of it and go, then close.

        A socket that is closed with input unread resets the connection, and what the client has
        not read yet would be lost: so its input is read and dropped meanwhile.
        """
        self._discards = True
        self._pieces.clear()
        if not self._lost.is_set() and self._transport.can_write_eof():
            with contextlib.suppress(OSError, RuntimeError):
                self._transport.write_eof()
            self._transport.resume_reading()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._gone(), LINGER)
        self._transport.close()

    async def _gone(self) -> None:
        while not (self._lost.is_set() or self._ended):
            self._changed.clear()
            await self._changed.wait()


def _unread(peer: socket.socket) -> bool:
    """Whether the other end of a unix socket has yet to read what was written; False for other sockets."""
    if peer.family != socket.AF_UNIX:
        return False
    with contextlib.suppress(OSError):
        waiting = fcntl.ioctl(peer.fileno(), termios.TIOCOUTQ, b"\0" * 4)
        return int.from_bytes(waiting, sys.byteorder) > 0
    return False


def _hung_up(transport_socket: socket.socket | None) -> bool:
    """Whether the peer has closed both directions, as the kernel sees it."""
    if transport_socket is None:
        return False
    poll = select.poll()
    try:
        poll.register(transport_socket.fileno(), 0)
        return any(flags & (select.POLLHUP | select.POLLERR) for _, flags in poll.poll(0))
    except (OSError, ValueError):
        return True
