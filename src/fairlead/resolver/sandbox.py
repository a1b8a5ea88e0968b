"""The resolver of one sandbox: its sockets, born in the sandbox, and what it answers there."""

import asyncio
import contextlib
import errno
import logging
import random
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from fairlead.dns import wire
from fairlead.dns.answer import answer
from fairlead.dns.wire import Malformed, Query
from fairlead.dns.zone import Zone, view_of
from fairlead.libnftables import Libnftables
from fairlead.model.host import Resolver
from fairlead.resolver import redirect
from fairlead.resolver.batch import ROOM, Batch
from fairlead.resolver.conversation import Conversation
from fairlead.resolver.inside import Identity, Namespaces
from fairlead.resolver.upstream import Outside, Question

log = logging.getLogger(__name__)

AT_ONCE = 64  # connections accepted before others have their turn
WAITING = 1 << 19  # bytes of queries that may wait for us: more than a thousand
SO_RCVBUFFORCE = 33  # socket(7); Python's socket module does not name it
BACKLOG = 128
MOST_CONVERSATIONS = 256  # of one sandbox; the most idle makes room
IDLE = 5.0  # seconds until a silent connection is closed
MOST_KEPT = 256  # answers that are kept as bytes, to the queries asked last
BATCH = Batch()  # one for all sandboxes, each in its turn
SCARCE = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
SCARCITY = 0.5  # seconds until accepting is tried again


@dataclass(slots=True)
class Tally:
    """How many queries all sandboxes have had: answered from names that are known here, and malformed."""

    here: int = 0
    malformed: int = 0


@dataclass(frozen=True, slots=True)
class Opened:
    """The sockets of a resolver, the namespace they were born in, and what leads port 53 to them."""

    udp: socket.socket
    tcp: socket.socket
    identity: Identity | None
    shown: str


class SandboxResolver:
    """Answers on 127.0.0.11:53, UDP and TCP, in the namespace of that name."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        namespaces: Namespaces,
        name: str,
        value: Resolver,
        zone: Zone,
        outside: Outside,
        tally: Tally,
        opened: Opened | None = None,
    ):
        """Open the sockets, if a predecessor has not.  Raises NotFound, Unsupported, Failed, OSError."""
        self._loop = loop
        self._namespaces = namespaces
        self.name = name
        self._zone = zone
        self._outside = outside
        self._tally = tally
        self._conversations: dict[Conversation, asyncio.Task[Any]] = {}
        # Answers by their query, both without the id, for as long as no name changes.
        self._kept: dict[bytes, bytes] = {}
        # Queries that are asked outside, by the same, for as long.
        self._outward: dict[bytes, Query] = {}
        self._kept_of = -1  # the zone's version
        self.set(value)
        self.opened = opened or _open(namespaces, name)
        self._udp, self._tcp = self.opened.udp, self.opened.tcp
        self._identity, self._shown = self.opened.identity, self.opened.shown
        self.listen()

    def listen(self) -> None:
        """Answer, from now on or again."""
        self._loop.add_reader(self._udp.fileno(), self._read)
        self._loop.add_reader(self._tcp.fileno(), self._accept)

    def pause(self) -> Opened:
        """Read no more: what comes waits in the sockets, which somebody else may read."""
        for each in (self._udp, self._tcp):
            self._loop.remove_reader(each.fileno())
        return self.opened

    @property
    def talking(self) -> bool:
        """Whether clients hold connections."""
        return bool(self._conversations)

    def set(self, value: Resolver) -> None:
        """From now on this is what it knows."""
        self.value = value
        self._view = view_of(value, self.name)
        self._kept_of = -1

    def alive(self) -> bool:
        """Whether the namespace that it answers in is still the one that is pinned under the name."""
        return self._namespaces.identity(self.name) == self._identity

    def reachable(self) -> bool:
        """Whether port 53 leads to it."""
        if not self.alive():
            return False
        with nftables_inside(self._namespaces, self.name) as library:
            return redirect.shown(library) == self._shown

    def close_idle(self) -> None:
        """End the connections that have been silent for too long."""
        oldest = self._loop.time() - IDLE
        for each in [each for each in self._conversations if each.active < oldest]:
            each.close()

    def close(self) -> None:
        """Close every socket, so that nothing of ours keeps the namespace.

        The redirection stays, for `tidy_up`: mostly it goes with its namespace.
        """
        for each in (self._udp, self._tcp):
            self._loop.remove_reader(each.fileno())
            each.close()
        for conversation in list(self._conversations):
            conversation.close()
        self._outside.leave(self.name)

    def tidy_up(self) -> Callable[[], None]:
        """Take the redirection of a closed resolver away, if its namespace is still there.

        What is returned ends it: it waits for tens of milliseconds until all that was deleted is
        gone, and is not for the event loop's thread.
        """
        if not self.alive():
            return _nothing
        with self._namespaces.inside(self.name):
            library = Libnftables()
            redirect.withdraw(library)
            return library.close

    # -- answering -------------------------------------------------------------------------------

    def _read(self) -> None:
        kept = self._kept
        if self._kept_of != self._zone.version:
            kept.clear()
            self._outward.clear()
            self._kept_of = self._zone.version
        for client, message in BATCH.exchange(self._udp.fileno(), kept):
            self._answer(False, message, partial(self._send, client))

    def _send(self, client: tuple[str, int], message: bytes) -> None:
        # Where the client has gone, or its buffer is full: it asks again if it wants to know.
        try:
            self._udp.sendto(message, client)
        except OSError:
            return

    def _answer(self, by_tcp: bool, message: bytes, deliver: Callable[[bytes], None]) -> None:
        before = None if by_tcp else self._outward.get(message[2:])
        if before is not None:
            self._ask(Query(message, *before[1:]), by_tcp, deliver)
            return
        try:
            query = wire.parse(message)
        except Malformed:
            self._tally.malformed += 1
            refused = wire.refusal(message)
            if refused or by_tcp:
                deliver(refused or b"")
            return
        limit = wire.LONGEST if by_tcp else query.limit
        found = answer(query, self._zone, self._view, random.getrandbits(16), limit)
        if not by_tcp:
            self._keep(query, found)
        if found is None:
            self._ask(query, by_tcp, deliver)
        else:
            self._tally.here += 1
            deliver(found)

    def _ask(self, query: Query, by_tcp: bool, deliver: Callable[[bytes], None]) -> None:
        self._outside.ask(Question(query, self.name, by_tcp, deliver), self._view.upstreams)

    def _keep(self, query: Query, found: bytes | None) -> None:
        """Remember what a query by UDP was answered, or that it is asked outside."""
        for kept in (self._kept, self._outward):
            if len(kept) >= MOST_KEPT:
                kept.clear()
        if found is None:
            self._outward[query.message[2:]] = query
        elif wire.answer_count(found) < 2 and len(found) <= ROOM:
            # Where there are several addresses, they take turns.
            self._kept[query.message[2:]] = found[2:]

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                client, _ = self._tcp.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in SCARCE:
                    log.warning("cannot accept connections in %s: %s", self.name, error.strerror)
                    self._loop.remove_reader(self._tcp.fileno())
                    self._loop.call_later(SCARCITY, self._accept_again)
                    return
                continue
            client.setblocking(False)
            self._converse(client)

    def _accept_again(self) -> None:
        if self._tcp.fileno() >= 0:
            self._loop.add_reader(self._tcp.fileno(), self._accept)

    def _converse(self, client: socket.socket) -> None:
        while len(self._conversations) >= MOST_CONVERSATIONS:
            idle = min(self._conversations, key=lambda each: each.active)
            del self._conversations[idle]
            idle.close()
        made = Conversation(self._loop, partial(self._answer, True), self._forget)
        beginning = self._loop.connect_accepted_socket(lambda: made, client)
        self._conversations[made] = self._loop.create_task(beginning)

    def _forget(self, conversation: Conversation) -> None:
        self._conversations.pop(conversation, None)


def _nothing() -> None:
    """End what never began."""


def _open(namespaces: Namespaces, name: str) -> Opened:
    """Bind the sockets where an earlier process had them, or else anywhere, and redirect to them."""
    identity = namespaces.identity(name)
    with contextlib.ExitStack() as undo, nftables_inside(namespaces, name) as library:
        before = redirect.shown(library)
        earlier = redirect.leads_to(before)
        udp_port, tcp_port = earlier or (0, 0)
        udp = _bound(socket.SOCK_DGRAM, udp_port)
        undo.callback(udp.close)
        tcp = _bound(socket.SOCK_STREAM, tcp_port)
        undo.callback(tcp.close)
        ports = udp.getsockname()[1], tcp.getsockname()[1]
        shown = before if ports == earlier else redirect.redirect(library, before, *ports)
        undo.pop_all()
    return Opened(udp, tcp, identity, shown)


@contextlib.contextmanager
def nftables_inside(namespaces: Namespaces, name: str) -> Iterator[Libnftables]:
    """The calling thread in a namespace, with its nftables."""
    with namespaces.inside(name), contextlib.closing(Libnftables()) as library:
        yield library


def _bound(kind: socket.SocketKind, port: int) -> socket.socket:
    """A socket on that port, or on any where that one is taken."""
    made = socket.socket(socket.AF_INET, kind)
    try:
        made.setblocking(False)
        if kind == socket.SOCK_STREAM:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            try:
                made.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, WAITING)
            except OSError:  # without CAP_NET_ADMIN: as much as others may have
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WAITING)
        try:
            made.bind((redirect.ADDRESS, port))
        except OSError:
            made.bind((redirect.ADDRESS, 0))
        if kind == socket.SOCK_STREAM:
            made.listen(BACKLOG)
    except OSError:
        made.close()
        raise
    return made
