"""Datagrams that arrive at a held port are carried to where it leads.

A client is answered from the address that it asked.  A session is a client and the address of the
host that it sent to; it has a connected socket of its own and ends when nothing was carried for a
while.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fairlead.resolver.lookout import Lookout

log = logging.getLogger(__name__)

LONGEST = 65535  # bytes
AT_ONCE = 32  # datagrams read from one socket before others have their turn
IDLE = 90.0  # seconds; Docker's proxy waits as long
SWEEP = 15.0  # seconds

IP_PKTINFO = 8  # ip(7); Python's socket module does not name it
ANCILLARY = socket.CMSG_SPACE(struct.calcsize("=16sI"))

Place = tuple[str, int]
Client = tuple[Any, ...]
Source = list[tuple[int, int, bytes]]  # ancillary content: the address that answers come from


def tell_destinations(held: socket.socket) -> None:
    """Let every datagram that arrives at the socket tell which address it was sent to."""
    if held.family == socket.AF_INET6:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        held.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)


@dataclass(slots=True)
class Session:
    """A client, and the connected socket that speaks for it; `used` is in the loop's time."""

    held: socket.socket
    client: Client
    source: Source
    backend: socket.socket
    used: float = 0.0


class Datagrams:
    """Carries the datagrams of held sockets, for at most `limit` sessions: the most idle one makes room."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lookout: Lookout, limit: int):
        self._loop = loop
        self._lookout = lookout
        self._limit = limit
        # The longest unused first.
        self._sessions: dict[Any, Session] = {}
        self._sweeping: asyncio.TimerHandle | None = None

    def receive(self, held: socket.socket, target: Place) -> None:
        """Take in the datagrams that wait, and carry them to the target."""
        for _ in range(AT_ONCE):
            try:
                content, ancillary, _, client = held.recvmsg(LONGEST, ANCILLARY)
            except OSError:  # nothing waits; or an ICMP error about an answer, which nobody can be told
                return
            source = _answering_from(ancillary)
            name = _name(held, client, source)
            session = self._sessions.pop(name, None) or self._open(held, client, source, target)
            if session is None:
                continue
            self._sessions[name] = session
            session.used = self._loop.time()
            _send(session.backend, content)

    def sessions(self) -> list[Session]:
        """All there are, the longest unused first."""
        return list(self._sessions.values())

    def take_over(self, session: Session) -> None:
        """Carry on with a session that a predecessor began."""
        session.used = self._loop.time()
        self._sessions[_name(session.held, session.client, session.source)] = self._begin(session)

    def drop(self, held: Iterable[socket.socket]) -> None:
        """End the sessions of held sockets; to be called before those are closed."""
        ending = set(held)
        for name, session in list(self._sessions.items()):
            if session.held in ending:
                self._end(name)

    def _open(self, held: socket.socket, client: Client, source: Source, target: Place) -> Session | None:
        while len(self._sessions) >= self._limit:
            self._end(next(iter(self._sessions)))
        family = socket.AF_INET6 if ":" in target[0] else socket.AF_INET
        try:
            backend = socket.socket(family, socket.SOCK_DGRAM)
        except OSError as error:
            log.warning("cannot carry a datagram: %s", error.strerror)
            return None
        try:
            backend.setblocking(False)
            backend.connect(target)
        except OSError:  # no way to the target now: as if the datagram had been lost
            backend.close()
            return None
        return self._begin(Session(held, client, source, backend, self._loop.time()))

    def _begin(self, session: Session) -> Session:
        self._lookout.watch(session.backend, partial(self._answer, session))
        if self._sweeping is None:
            self._sweeping = self._loop.call_later(SWEEP, self._sweep)
        return session

    def _answer(self, session: Session) -> None:
        session.used = self._loop.time()
        for _ in range(AT_ONCE):
            try:
                content = session.backend.recv(LONGEST)
            except BlockingIOError:
                return
            except OSError:
                continue  # the target refused an earlier one; Linux tells each refusal once
            try:
                session.held.sendmsg([content], session.source, 0, session.client)
            except OSError:
                return

    def _sweep(self) -> None:
        oldest = self._loop.time() - IDLE
        for name, session in list(self._sessions.items()):
            if session.used < oldest:
                self._end(name)
        self._sweeping = self._loop.call_later(SWEEP, self._sweep) if self._sessions else None

    def _end(self, name: Any) -> None:
        session = self._sessions.pop(name)
        self._lookout.forget(session.backend)
        session.backend.close()


def _name(held: socket.socket, client: Client, source: Source) -> Any:
    return (held.fileno(), client, *(each[2] for each in source))


def _send(backend: socket.socket, content: bytes) -> None:
    for _ in range(2):
        try:
            backend.send(content)
            return
        except OSError:
            continue  # it told of an earlier refusal; this one has not been sent yet


def _answering_from(ancillary: list[tuple[int, int, bytes]]) -> Source:
    """The ancillary content that sends an answer from the address which the datagram was sent to."""
    for level, kind, content in ancillary:
        if (level, kind) == (socket.IPPROTO_IP, IP_PKTINFO):
            # struct in_pktinfo: interface, address that answers, address in the header.
            return [(level, kind, bytes(4) + content[4:8] + bytes(4))]
        if (level, kind) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO):
            link_local = content[0] == 0xFE and content[1] & 0xC0 == 0x80
            return [(level, kind, content[:16] + (content[16:20] if link_local else bytes(4)))]
    return []
