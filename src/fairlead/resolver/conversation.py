"""A client's TCP connection to the resolver: any number of queries, answered as their answers come.

A client that says nothing whole for a while, or does not read, costs its connection and no more.
"""

import asyncio
from collections.abc import Callable

from fairlead.dns import wire

MOST_UNANSWERED = 32  # queries of one connection; then it is not read from
MOST_UNREAD = 64 << 10  # bytes of answers

Ask = Callable[[bytes, Callable[[bytes], None]], None]
"""Have a message answered: later, at once, or never."""


class Conversation(asyncio.Protocol):
    """One connection; `active` is when it last said something whole, in the loop's time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ask: Ask, ended: Callable[["Conversation"], None]):
        self._loop = loop
        self._ask = ask
        self._ended = ended
        self._received = bytearray()
        self._unanswered = 0
        self._writable = True
        self._finished = False
        self._closed = False
        self._transport: asyncio.Transport | None = None
        self.active = loop.time()

    def close(self) -> None:
        """End it at once, or as soon as it begins."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=MOST_UNREAD)
        if self._closed:
            transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """End."""
        self._ended(self)

    def data_received(self, received: bytes) -> None:
        """Take whole messages out of what has come."""
        self._received += received
        while len(self._received) >= 2:
            end = 2 + int.from_bytes(self._received[:2], "big")
            if len(self._received) < end:
                break
            message = bytes(self._received[2:end])
            del self._received[:end]
            self.active = self._loop.time()
            self._unanswered += 1
            self._ask(message, self._answer)
        self._read_or_wait()

    def eof_received(self) -> bool:
        """The client asks no more; what it has asked is still answered."""
        self._finished = True
        self._close_when_done()
        return True

    def pause_writing(self) -> None:
        """The client does not read: neither do we."""
        self._writable = False
        self._read_or_wait()

    def resume_writing(self) -> None:
        """It reads again."""
        self._writable = True
        self._read_or_wait()

    def _answer(self, answer: bytes) -> None:
        self._unanswered -= 1
        if self._transport is None or self._transport.is_closing():
            return
        if not answer:
            self._transport.abort()  # what it said was no query
            return
        self._transport.write(len(answer).to_bytes(2, "big") + answer[: wire.LONGEST])
        self._close_when_done()
        self._read_or_wait()

    def _close_when_done(self) -> None:
        if self._finished and not self._unanswered and self._transport is not None:
            self._transport.close()

    def _read_or_wait(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self._writable and self._unanswered < MOST_UNANSWERED:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()
