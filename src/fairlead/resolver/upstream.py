"""Questions for others: asked from the host's network namespace, or from a sandbox's, answered by id.

Over UDP each upstream has a few connected sockets at a time, which are replaced all the time, so that
who wants to forge an answer must guess the port, the id and the question.
"""

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any

from fairlead.dns import wire
from fairlead.dns.forward import PATIENCE, Flight, Forwarding, Server, Verdict
from fairlead.dns.wire import Query
from fairlead.model.errors import FairleadError
from fairlead.resolver.inside import Namespaces

log = logging.getLogger(__name__)

PORT = 53
POOL = 2  # sockets of one upstream at a time; with more, fewer answers are read at once
RENEWAL = PATIENCE + 1.0  # seconds until they are replaced; those before are kept as long for late answers
MOST_FLIGHTS, MOST_OF_ONE = 8192, 1024  # questions under way: of all sandboxes, of one
AT_ONCE = 64
CHANCES = 1024  # drawn from the kernel at once

Deliver = Callable[[bytes], None]


@dataclass(slots=True, eq=False)
class Question:
    """A query of a sandbox that is to be asked outside."""

    query: Query
    owner: Hashable  # the sandbox, for its share
    by_tcp: bool
    deliver: Deliver  # called at most once, with the answer


@dataclass(slots=True, eq=False)
class _Channel:
    """A connected socket and the questions asked through it, by id."""

    upstream: Server
    socket: socket.socket
    asked: dict[bytes, Flight[Question]] = field(default_factory=dict)


class Outside:
    """Asks upstreams on behalf of sandboxes."""

    def __init__(self, loop: asyncio.AbstractEventLoop, namespaces: Namespaces, port: int = PORT):
        self._loop = loop
        self._namespaces = namespaces
        self._port = port
        self._forwarding: Forwarding[Question] = Forwarding()
        self._shares: dict[Hashable, int] = {}
        self._flying = 0
        self._timer: asyncio.TimerHandle | None = None
        self._renewal: asyncio.TimerHandle | None = None
        self._channels: dict[tuple[Server, int], _Channel] = {}
        self._before: list[_Channel] = []
        self._tasks: dict[asyncio.Task[None], Server] = {}
        self._buffer = memoryview(bytearray(wire.LONGEST))
        self._chances: Iterator[tuple[int, bytes]] = iter(())
        # Ever: questions asked outside, and those of them that nobody there answered.
        self.asked, self.unanswered = 0, 0

    def ask(self, question: Question, upstreams: tuple[Server, ...]) -> None:
        """Ask the upstreams until one helps; delivers SERVFAIL where none does."""
        self.asked += 1
        share = self._shares.get(question.owner, 0)
        if self._flying >= MOST_FLIGHTS or share >= MOST_OF_ONE:
            self.unanswered += 1
            question.deliver(wire.empty(question.query, wire.SERVFAIL))
            return
        self._flying += 1
        self._shares[question.owner] = share + 1
        flight, ask = self._forwarding.begin(question, upstreams, self._loop.time())
        if self._timer is None:
            self._set_timer()
        self._ask_each(flight, ask)

    @property
    def busy(self) -> bool:
        """Whether answers are still to come."""
        return self._flying > 0

    def leave(self, namespace: str) -> None:
        """Let go of a sandbox, so that nothing of ours keeps it; what is asked there stays unanswered."""
        for task, upstream in self._tasks.items():
            if upstream.namespace == namespace:
                task.cancel()
        for place in [place for place in self._channels if place[0].namespace == namespace]:
            self._close(self._channels.pop(place))
        for channel in [each for each in self._before if each.upstream.namespace == namespace]:
            self._before.remove(channel)
            self._close(channel)

    def close(self) -> None:
        """Let everything go; what is under way stays unanswered."""
        for timer in (self._timer, self._renewal):
            if timer is not None:
                timer.cancel()
        for task in self._tasks:
            task.cancel()
        for channel in (*self._before, *self._channels.values()):
            self._close(channel)

    # -- the state machine's wishes ----------------------------------------------------------------

    def _ask_each(self, flight: Flight[Question], upstreams: tuple[Server, ...]) -> None:
        for upstream in upstreams:
            if flight.work.by_tcp:
                self._begin_tcp(flight, upstream)
            elif not self._send(flight, upstream):
                self._failed(flight, upstream)

    def _heard(self, flight: Flight[Question], upstream: Server, answer: bytes) -> None:
        verdict, ask = self._forwarding.heard(flight, upstream, wire.code_of(answer))
        if verdict is Verdict.WAIT:
            self._ask_each(flight, ask)
        else:  # also when nobody helps: the last one's own words
            query = flight.work.query
            if len(answer) > query.limit and not flight.work.by_tcp:
                answer = wire.truncated(query, answer)
            self._land(flight, query.message[:2] + answer[2:])

    def _failed(self, flight: Flight[Question], upstream: Server) -> None:
        verdict, ask = self._forwarding.failed(flight, upstream, self._loop.time())
        if verdict is Verdict.GIVE_UP:
            self._give_up(flight)
        else:
            self._ask_each(flight, ask)

    def _give_up(self, flight: Flight[Question]) -> None:
        self.unanswered += 1
        self._land(flight, wire.empty(flight.work.query, wire.SERVFAIL))

    def _land(self, flight: Flight[Question], answer: bytes) -> None:
        owner = flight.work.owner
        self._flying -= 1
        share = self._shares.pop(owner) - 1
        if share:
            self._shares[owner] = share
        flight.work.deliver(answer)

    def _look_at_the_clock(self) -> None:
        for due in self._forwarding.due(self._loop.time()):
            if due.ask:
                self._ask_each(due.flight, due.ask)
            else:
                self._give_up(due.flight)
        self._set_timer()

    def _set_timer(self) -> None:
        due = self._forwarding.next_due()
        self._timer = None if due is None else self._loop.call_at(due, self._look_at_the_clock)

    # -- UDP -----------------------------------------------------------------------------------------

    def _send(self, flight: Flight[Question], upstream: Server) -> bool:
        number, chosen = self._chance()
        channel = self._channels.get((upstream, number)) or self._open(upstream, number)
        if channel is None:
            return False
        while chosen in channel.asked:
            _, chosen = self._chance()
        channel.asked[chosen] = flight
        message = chosen + flight.work.query.message[2:]
        for _ in range(2):
            try:
                channel.socket.send(message)
                return True
            except BlockingIOError:
                return True  # as if it had been lost on the way
            except OSError:
                continue  # perhaps the host told of an earlier refusal; this one has not been sent yet
        del channel.asked[chosen]
        return False

    def _chance(self) -> tuple[int, bytes]:
        """The number of a channel and an id, which nobody can guess."""
        for number, chosen in self._chances:
            return number % POOL, chosen
        self._chances = struct.iter_unpack("B2s", os.urandom(3 * CHANCES))
        return self._chance()

    def _open(self, upstream: Server, number: int) -> _Channel | None:
        made = self._connected(upstream)
        if made is None:
            return None
        channel = self._channels[upstream, number] = _Channel(upstream, made)
        self._loop.add_reader(made.fileno(), self._read, channel)
        if self._renewal is None:
            self._renewal = self._loop.call_later(RENEWAL, self._renew)
        return channel

    def _read(self, channel: _Channel) -> None:
        buffer, asked = self._buffer, channel.asked
        for _ in range(AT_ONCE):
            try:
                size = channel.socket.recv_into(buffer)
            except BlockingIOError:
                return
            except OSError:
                self._refused(channel)
                return
            answer = bytes(buffer[:size])
            flight = asked.get(answer[:2])
            if flight is None or not wire.answers(answer, flight.work.query):
                continue  # forged, or too late
            del asked[answer[:2]]
            if wire.is_truncated(answer) and flight.work.query.limit > wire.OUR_LIMIT and not flight.landed:
                # It may be that the upstream sends less by UDP than the client would take.
                self._begin_tcp(flight, channel.upstream, answer)
            else:
                self._heard(flight, channel.upstream, answer)

    def _refused(self, channel: _Channel) -> None:
        """The upstream's host says that nobody listens there, without saying to which question."""
        flights = list(channel.asked.values())
        channel.asked.clear()
        for flight in flights:
            self._failed(flight, channel.upstream)

    def _renew(self) -> None:
        for channel in self._before:
            self._close(channel)
        self._before = list(self._channels.values())
        self._channels.clear()
        self._renewal = self._loop.call_later(RENEWAL, self._renew) if self._before else None

    def _close(self, channel: _Channel) -> None:
        self._loop.remove_reader(channel.socket.fileno())
        channel.socket.close()

    # -- TCP -----------------------------------------------------------------------------------------

    def _begin_tcp(self, flight: Flight[Question], upstream: Server, otherwise: bytes = b"") -> None:
        task = self._loop.create_task(self._ask_by_tcp(flight, upstream, otherwise))
        self._tasks[task] = upstream
        task.add_done_callback(self._tasks.pop)

    async def _ask_by_tcp(self, flight: Flight[Question], upstream: Server, otherwise: bytes) -> None:
        message = flight.work.query.message
        _, chosen = self._chance()
        try:
            async with asyncio.timeout(PATIENCE):
                answer = await self._exchange(upstream, chosen + message[2:])
        except (OSError, asyncio.IncompleteReadError, TimeoutError, FairleadError):
            answer = b""
        if answer[:2] == chosen and wire.answers(answer, flight.work.query):
            self._heard(flight, upstream, answer)
        elif otherwise:
            self._heard(flight, upstream, otherwise)
        else:
            self._failed(flight, upstream)

    async def _exchange(self, upstream: Server, message: bytes) -> bytes:
        with self._socket(upstream, socket.SOCK_STREAM) as made:
            await self._loop.sock_connect(made, self._place(upstream))
            reader, writer = await asyncio.open_connection(sock=made)
            try:
                writer.write(len(message).to_bytes(2, "big") + message)
                size = int.from_bytes(await reader.readexactly(2), "big")
                return await reader.readexactly(size)
            finally:
                writer.close()

    # -- sockets -------------------------------------------------------------------------------------

    def _connected(self, upstream: Server) -> socket.socket | None:
        """A socket that talks to nobody but the upstream; None if there is no way to it."""
        try:
            made = self._socket(upstream, socket.SOCK_DGRAM)
        except (OSError, FairleadError) as error:
            log.warning("cannot ask name server %s: %s", upstream.address, error)
            return None
        try:
            made.connect(self._place(upstream))
        except OSError:
            made.close()
            return None
        return made

    def _place(self, upstream: Server) -> Any:
        """Its address for connect, with the number of the link that a link-local one names."""
        return socket.getaddrinfo(upstream.address, self._port, flags=socket.AI_NUMERICHOST)[0][4]

    def _socket(self, upstream: Server, kind: socket.SocketKind) -> socket.socket:
        """A socket born where the upstream is to be asked from.  Raises OSError, NotFound."""
        family = socket.AF_INET6 if ":" in upstream.address else socket.AF_INET
        inside = (
            self._namespaces.inside(upstream.namespace) if upstream.namespace else contextlib.nullcontext()
        )
        with inside:
            made = socket.socket(family, kind)
        made.setblocking(False)
        return made
