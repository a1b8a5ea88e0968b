"""What happened: kept for a while, and told to everybody who listens."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from fairlead.boundary import Clock
from fairlead.model.views import Event

KEPT = 256  # events, as Docker keeps
BACKLOG = 10_000  # events that a listener may be behind before it is dropped


@dataclass(slots=True)
class EventLog:
    """The latest events and their listeners."""

    clock: Clock
    _kept: deque[Event] = field(default_factory=lambda: deque(maxlen=KEPT))
    _listeners: set["asyncio.Queue[Event]"] = field(default_factory=set)

    def emit(self, kind: str, action: str, identity: str, attributes: Mapping[str, str]) -> None:
        """Note that something happened now."""
        event = Event(kind, action, identity, dict(attributes), self.clock.now())
        self._kept.append(event)
        for listener in list(self._listeners):
            if listener.qsize() < BACKLOG:
                listener.put_nowait(event)
            else:
                self._listeners.discard(listener)

    async def subscribe(self, since: int = 0, until: int = 0) -> AsyncIterator[Event]:
        """Events as they happen; kept ones from `since` first; ends at `until` (nanoseconds, 0 = never)."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        for event in self._kept if since else ():
            if event.time >= since and (not until or event.time <= until):
                queue.put_nowait(event)
        self._listeners.add(queue)
        try:
            while True:
                left = (until - self.clock.now()) / 1e9 if until else None
                if left is not None and left <= 0 and queue.empty():
                    return
                try:
                    async with asyncio.timeout(left if queue.empty() else None):
                        event = await queue.get()
                except TimeoutError:
                    return
                if until and event.time > until:
                    return
                yield event
        finally:
            self._listeners.discard(queue)
