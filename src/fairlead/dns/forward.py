"""Whom to ask outside, when to ask the next one too, and who has been deaf lately.

Upstreams are asked in the order given, since the first may know names that the others do not.  One
that is silent for a moment is overtaken by the next; one that was overtaken repeatedly is asked
last for a while, and then once more beside the one that works, so that nobody waits for the trial.
"""

from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from fairlead.dns.wire import FORMERR, NOTIMP, REFUSED, SERVFAIL

OVERTAKEN_AFTER = 0.25  # seconds of silence before the next upstream is asked as well
AGAIN_AFTER = 1.0  # seconds of silence of all upstreams before they are asked once more
PATIENCE = 4.0  # seconds after which, as soon as nothing else is waited for, the client is told
PATIENT_SILENCES = 3  # silent to so many questions in a row, an upstream is deaf
DEAF_FOR, DEAF_AT_MOST = 5.0, 60.0  # seconds that it is asked last; doubled each time

# Codes by which a server says something about itself, not about the name: another may know.
UNHELPFUL = frozenset((FORMERR, SERVFAIL, NOTIMP, REFUSED))

Work = TypeVar("Work")


class Server(NamedTuple):
    """A name server as it is reached from the host (""), or from the sandbox of that name."""

    address: str
    namespace: str = ""


@dataclass(slots=True)
class _Hearing:
    """What is remembered of an upstream."""

    silences: int = 0
    deaf_until: float = 0.0
    deaf_for: float = DEAF_FOR


class Verdict(Enum):
    """What an upstream's answer means for the question."""

    DELIVER = "deliver"
    WAIT = "wait"  # it did not help, and others have been asked or are to be asked next
    GIVE_UP = "give up"  # it did not help, and nobody is left


@dataclass(slots=True, eq=False)
class Flight(Generic[Work]):
    """A question on its way outside; `work` is what the adapter needs to answer it."""

    work: Work
    upstreams: tuple[Server, ...]  # in the order in which they are asked
    begun: float
    asked: int  # how many upstreams have been asked in this round
    open: list[Server]  # asked, and not heard of yet
    silent: tuple[Server, ...] = ()  # counted as silent already
    landed: bool = False


@dataclass(frozen=True, slots=True)
class Due(Generic[Work]):
    """A flight whose time has come: ask these as well, or (none) tell the client that it failed."""

    flight: Flight[Work]
    ask: tuple[Server, ...]


class Forwarding(Generic[Work]):
    """The state of all questions asked outside, and the memory of the upstreams; time in seconds."""

    def __init__(self) -> None:
        self._hearing: dict[Server, _Hearing] = {}
        # What waits equally long is due in the order in which it came.
        self._due: dict[float, deque[tuple[float, Flight[Work]]]] = {
            OVERTAKEN_AFTER: deque(),
            AGAIN_AFTER: deque(),
        }

    def begin(
        self, work: Work, upstreams: tuple[Server, ...], now: float
    ) -> tuple[Flight[Work], tuple[Server, ...]]:
        """A new flight, and whom to ask at once: one upstream, with one that is on trial beside it.

        `now` is never less than it was in an earlier call, here and elsewhere.
        """
        order, ask = self._order(upstreams, now) if self._hearing else (upstreams, upstreams[:1])
        flight = Flight(work, order, now, len(ask), list(ask))
        self._wait(flight, now, OVERTAKEN_AFTER if len(order) > len(ask) else AGAIN_AFTER)
        return flight, ask

    def _order(
        self, upstreams: tuple[Server, ...], now: float
    ) -> tuple[tuple[Server, ...], tuple[Server, ...]]:
        """The upstreams as they are to be asked, and those of them that are asked at once."""
        hearing, deaf, trial = [], [], []
        for each in upstreams:
            memory = self._hearing.get(each)
            if memory is None or not memory.deaf_until:
                hearing.append(each)
            elif now < memory.deaf_until:
                deaf.append(each)
            else:
                trial.append(each)
                memory.deaf_for = min(memory.deaf_for * 2, DEAF_AT_MOST)
                memory.deaf_until = now + memory.deaf_for  # one trial at a time
        first = hearing[:1] or deaf[:1]
        ask = (*first, *trial)
        return (*ask, *(each for each in (*hearing, *deaf) if each not in first)), ask

    def heard(self, flight: Flight[Work], upstream: Server, code: int) -> tuple[Verdict, tuple[Server, ...]]:
        """An upstream has answered with that response code; whom to ask next if it did not help."""
        if upstream in self._hearing:
            del self._hearing[upstream]
        if flight.landed:
            return Verdict.WAIT, ()
        if code not in UNHELPFUL:
            flight.landed = True
            return Verdict.DELIVER, ()
        return self._without(flight, upstream)

    def failed(
        self, flight: Flight[Work], upstream: Server, now: float
    ) -> tuple[Verdict, tuple[Server, ...]]:
        """An upstream could not be asked, or its host says that nobody listens; whom to ask next."""
        self._silent(upstream, now)
        if flight.landed:
            return Verdict.WAIT, ()
        return self._without(flight, upstream)

    def due(self, now: float) -> list[Due[Work]]:
        """The flights whose time has come."""
        found = []
        for queue in self._due.values():
            while queue and queue[0][0] <= now:
                flight = queue.popleft()[1]
                if not flight.landed:
                    found.append(self._overdue(flight, now))
        return found

    def next_due(self) -> float | None:
        """When to call `due` next; None while nothing is under way."""
        for queue in self._due.values():
            while queue and queue[0][1].landed:
                queue.popleft()
        return min((queue[0][0] for queue in self._due.values() if queue), default=None)

    def _overdue(self, flight: Flight[Work], now: float) -> Due[Work]:
        for upstream in flight.open:
            if upstream not in flight.silent:
                flight.silent += (upstream,)
                self._silent(upstream, now)
        if now >= flight.begun + PATIENCE:
            flight.landed = True
            return Due(flight, ())
        if flight.asked < len(flight.upstreams):
            ask = self._next(flight)
        else:
            ask = tuple(flight.open)
        self._wait(flight, now, OVERTAKEN_AFTER if flight.asked < len(flight.upstreams) else AGAIN_AFTER)
        return Due(flight, ask)

    def _without(self, flight: Flight[Work], upstream: Server) -> tuple[Verdict, tuple[Server, ...]]:
        if upstream in flight.open:
            flight.open.remove(upstream)
        if flight.asked < len(flight.upstreams):
            return Verdict.WAIT, self._next(flight)
        if flight.open:
            return Verdict.WAIT, ()
        flight.landed = True
        return Verdict.GIVE_UP, ()

    def _next(self, flight: Flight[Work]) -> tuple[Server, ...]:
        upstream = flight.upstreams[flight.asked]
        flight.asked += 1
        flight.open.append(upstream)
        return (upstream,)

    def _wait(self, flight: Flight[Work], now: float, seconds: float) -> None:
        self._due[seconds].append((now + seconds, flight))

    def _silent(self, upstream: Server, now: float) -> None:
        memory = self._hearing.setdefault(upstream, _Hearing())
        memory.silences += 1
        if memory.silences >= PATIENT_SILENCES and not memory.deaf_until:
            memory.deaf_until = now + memory.deaf_for
