"""Connections that arrive at a held port are carried to where it leads, byte for byte.

Each direction ends by itself (half-close); a reset on one side is a reset on the other; a side that
does not read stops the other, so that what waits between them is bounded.
"""

import asyncio
import contextlib
import errno
import logging
import socket
import struct
from collections.abc import Coroutine, Hashable
from dataclasses import dataclass
from typing import Any

from fairlead.resolver.lookout import Lookout

log = logging.getLogger(__name__)

WAITING = 64 << 10  # bytes towards one side before the other is stopped
ACCEPTED_AT_ONCE = 16
SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
SCARCITY = 0.2  # seconds until it is tried again
IDLE_BEFORE_PROBE, BETWEEN_PROBES, PROBES = 60, 15, 4  # seconds, seconds, times: for peers that vanish

Place = tuple[str, int]  # address and port


@dataclass(frozen=True, slots=True)
class Paused:
    """A connection that is not read from: its two ends."""

    owner: Hashable
    near: "_Side"
    far: "_Side"

    def resume(self) -> None:
        """Carry it on here."""
        self.near.read(True)
        self.far.read(True)

    def let_go(self) -> None:
        """A successor carries it on."""
        self.near.let_go()
        self.far.let_go()


class Streams:
    """Carries connections of listening sockets, at most `limit` at a time; each belongs to an owner."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lookout: Lookout, limit: int):
        self._loop = loop
        self._lookout = lookout
        self._limit = limit
        self._carried: dict[asyncio.Task[None], Hashable] = {}
        self._joined: dict[asyncio.Task[None], tuple[_Side, _Side]] = {}

    def accept(self, listener: socket.socket, owner: Hashable, target: Place) -> None:
        """Take in the connections that wait, and carry them to the target."""
        for _ in range(ACCEPTED_AT_ONCE):
            try:
                client, _ = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SCARCE:
                    log.warning("cannot accept connections: %s", error.strerror)
                    self._lookout.pause(SCARCITY)
                    return
                continue  # it was reset while it waited
            if len(self._carried) < self._limit:
                self._begin(client, owner, target)
            else:
                log.warning("cannot carry more than %d connections", self._limit)
                _reset(client)
                client.close()

    def drop(self, owner: Hashable) -> None:
        """Reset the connections of an owner."""
        for task, each in self._carried.items():
            if each == owner:
                task.cancel()

    def pause(self) -> list[Paused]:
        """Stop those in which nothing is under way in this process, so that a successor can carry them on."""
        found = []
        for task, (near, far) in self._joined.items():
            if near.idle and far.idle:
                near.read(False)
                far.read(False)
                found.append(Paused(self._carried[task], near, far))
        return found

    def take_over(self, owner: Hashable, client: socket.socket, backend: socket.socket) -> None:
        """Carry on a connection that a predecessor paused."""
        self._spawn(self._carry_on(client, backend), client, owner)

    async def finish(self) -> None:
        """Wait until the connections that are left have come to their end."""
        while self._carried:
            await asyncio.wait(self._carried)

    def _begin(self, client: socket.socket, owner: Hashable, target: Place) -> None:
        self._spawn(self._carry(client, target), client, owner)

    def _spawn(self, work: Coroutine[Any, Any, None], client: socket.socket, owner: Hashable) -> None:
        task = self._loop.create_task(work)
        self._carried[task] = owner

        def ended(task: asyncio.Task[None]) -> None:
            client.close()
            del self._carried[task]
            if not task.cancelled() and (error := task.exception()):
                log.error("cannot carry a connection: %r", error)

        task.add_done_callback(ended)

    async def _carry(self, client: socket.socket, target: Place) -> None:
        client.setblocking(False)
        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM, client.proto) as backend:
                backend.setblocking(False)
                for each in (client, backend):
                    _probe_when_idle(each)
                await self._loop.sock_connect(backend, target)
                await self._join(client, backend)
        except OSError:
            _reset(client)
        except asyncio.CancelledError:
            _reset(client)
            raise

    async def _carry_on(self, client: socket.socket, backend: socket.socket) -> None:
        with backend:
            try:
                await self._join(client, backend)
            except OSError:
                _reset(client)

    async def _join(self, client: socket.socket, backend: socket.socket) -> None:
        ended: asyncio.Future[None] = self._loop.create_future()
        near, far = _Side(ended), _Side(ended)
        near.other, far.other = far, near
        try:
            await self._loop.create_connection(lambda: far, sock=backend)
            await self._loop.connect_accepted_socket(lambda: near, client)
            task = asyncio.current_task()
            assert task is not None
            self._joined[task] = (near, far)
            try:
                await ended
            finally:
                del self._joined[task]
        finally:
            near.reset()
            far.reset()


class _Side(asyncio.Protocol):
    """One end of a carried connection."""

    other: "_Side"

    def __init__(self, ended: "asyncio.Future[None]"):
        self._ended = ended
        self._transport: asyncio.Transport | None = None
        self._finished = False  # has said all that it has to say
        self._lost = False

    @property
    def idle(self) -> bool:
        """Whether it is there, and all that was said to it has been sent."""
        transport = self._transport
        return transport is not None and not transport.is_closing() and not transport.get_write_buffer_size()

    def fileno(self) -> int:
        """The number of its socket."""
        assert self._transport is not None
        number: int = self._transport.get_extra_info("socket").fileno()
        return number

    def let_go(self) -> None:
        """Close our end of the socket, which somebody else has too: the peer learns nothing."""
        self._lost = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=WAITING)
        # The first of the two says nothing until the second is there to hear it.
        if self.other._transport is None:
            transport.pause_reading()
        else:
            self.other.read(True)

    def data_received(self, data: bytes) -> None:
        self.other.send(data)

    def send(self, content: bytes) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(content)

    def pause_writing(self) -> None:
        self.other.read(False)

    def resume_writing(self) -> None:
        self.other.read(True)

    def read(self, wanted: bool) -> None:
        if self._transport is not None and not self._transport.is_closing():
            (self._transport.resume_reading if wanted else self._transport.pause_reading)()

    def eof_received(self) -> bool:
        self._finished = True
        self.other.end()
        if self.other._finished:
            self.close()
            self.other.close()
        return True

    def end(self) -> None:
        """Tell this side that nothing more comes."""
        if self._transport is not None and not self._transport.is_closing():
            try:
                self._transport.write_eof()
            except OSError:  # it is gone already
                self._transport.abort()

    def close(self) -> None:
        """Close when what waits has been sent."""
        if self._transport is not None:
            self._transport.close()

    def reset(self) -> None:
        """Close at once; the peer learns that it was not an orderly end."""
        if self._transport is not None and not self._lost:
            _reset(self._transport.get_extra_info("socket"))
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._lost = True
        if error is not None or not self._finished:
            self.other.reset()
        if self.other._lost and not self._ended.done():
            self._ended.set_result(None)


def _reset(connection: Any) -> None:
    """Make the next close a reset (RST instead of FIN)."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _probe_when_idle(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if connection.proto in (0, socket.IPPROTO_TCP):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, IDLE_BEFORE_PROBE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, BETWEEN_PROBES)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, PROBES)
