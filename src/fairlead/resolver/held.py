"""The host ports that are held: bound sockets, listening where the protocol has that.

Nothing is remembered beside the sockets: a port is held if, and only if, its socket is open here.
"""

import contextlib
import errno
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from fairlead.model.host import HeldPortKey, Target
from fairlead.resolver.datagrams import Datagrams, tell_destinations
from fairlead.resolver.lookout import Lookout
from fairlead.resolver.streams import Streams

BACKLOG = 128  # connections that wait to be accepted


class NotHeld(Exception):
    """A port could not be bound; `label` names the container of ours that holds it, if one does."""

    def __init__(self, key: HeldPortKey, port: int, reason: OSError, label: str):
        super().__init__(f"{key.protocol} {key.address} {port}: {reason}")
        self.key = key
        self.port = port
        self.errno = reason.errno or errno.EIO
        self.label = label


@dataclass(slots=True)
class _Run:
    target: Target
    sockets: list[socket.socket]


class HeldPorts:
    """Runs of held ports, by key."""

    def __init__(self, lookout: Lookout, streams: Streams, datagrams: Datagrams):
        self._lookout = lookout
        self._streams = streams
        self._datagrams = datagrams
        self._runs: dict[HeldPortKey, _Run] = {}

    def target(self, key: HeldPortKey) -> Target | None:
        """Where the run of exactly this key leads, None if it is not held."""
        run = self._runs.get(key)
        return run.target if run else None

    def everything(self) -> Iterator[tuple[HeldPortKey, Target]]:
        """All that is held."""
        for key, run in self._runs.items():
            yield key, run.target

    def sockets(self, key: HeldPortKey) -> list[socket.socket]:
        """The sockets of a run, none if it is not held."""
        run = self._runs.get(key)
        return run.sockets if run else []

    def take_over(self, key: HeldPortKey, target: Target, sockets: list[socket.socket]) -> None:
        """Hold a run with the sockets of a predecessor."""
        run = self._runs[key] = _Run(target, sockets)
        self._watch(key, run)

    def change(self, key: HeldPortKey, target: Target | None) -> None:
        """Hold the run for that target, lead it elsewhere, or (None) release it.

        Raises NotHeld when a port cannot be bound; none of the run is held then.
        """
        run = self._runs.get(key)
        if run is None:
            if target is not None:
                self._hold(key, target)
            return
        if run.target == target:
            return
        self._drop_traffic(key, run)
        if target is None:
            del self._runs[key]
            for each in run.sockets:
                self._lookout.forget(each)
                each.close()
        else:
            run.target = target
            self._watch(key, run)

    def _hold(self, key: HeldPortKey, target: Target) -> None:
        run = _Run(target, [])
        for port in range(key.port, key.port + key.count):
            try:
                run.sockets.append(_bound(key.protocol, str(key.address), port))
            except OSError as reason:
                for each in run.sockets:
                    each.close()
                raise NotHeld(key, port, reason, self._label(key, port, reason)) from reason
        self._runs[key] = run
        self._watch(key, run)

    def _watch(self, key: HeldPortKey, run: _Run) -> None:
        address = str(run.target.address)
        for offset, each in enumerate(run.sockets):
            place = (address, run.target.port + offset)
            ready: Callable[[], None]
            if key.protocol == "udp":
                ready = partial(self._datagrams.receive, each, place)
            else:
                ready = partial(self._streams.accept, each, key, place)
            self._lookout.watch(each, ready)

    def _drop_traffic(self, key: HeldPortKey, run: _Run) -> None:
        if key.protocol == "udp":
            self._datagrams.drop(run.sockets)
        else:
            self._streams.drop(key)

    def _label(self, key: HeldPortKey, port: int, reason: OSError) -> str:
        if reason.errno != errno.EADDRINUSE:
            return ""
        for other, run in self._runs.items():
            same_kind = (other.protocol, other.address.version) == (key.protocol, key.address.version)
            same_address = (
                other.address == key.address or other.address.is_unspecified or key.address.is_unspecified
            )
            if same_kind and same_address and other.port <= port < other.port + other.count:
                return run.target.label or run.target.owner
        return ""


def _bound(protocol: str, address: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if protocol == "udp":
        made = socket.socket(family, socket.SOCK_DGRAM)
    else:
        number = socket.IPPROTO_TCP if protocol == "tcp" else socket.IPPROTO_SCTP
        made = socket.socket(family, socket.SOCK_STREAM, number)
    with contextlib.ExitStack() as undo:
        undo.callback(made.close)
        made.setblocking(False)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if protocol == "udp":
            tell_destinations(made)
            made.bind((address, port))
        else:
            # Past connections of the port, still waiting for strays, do not keep it from us.  Among
            # listening sockets it shares nothing.
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((address, port))
            made.listen(BACKLOG)
        undo.pop_all()
    return made
