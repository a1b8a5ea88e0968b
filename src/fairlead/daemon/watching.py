"""When the host is looked at: soon after the kernel says that something has changed, and now and then anyhow.

What is told is a hint; nothing depends on its being told, told once, or told by whom.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field

from fairlead.model.errors import FairleadError
from fairlead.planner.deviation import Part

log = logging.getLogger(__name__)
GATHERING = 0.03  # seconds in which further hints are gathered
REST = 4  # a look is followed by a rest of so many times its length
LONGEST_REST = 1.0  # seconds
CALM = 0.1  # seconds without a request: what a look waits for
LONGEST_CALM = 0.5  # seconds that it waits for that at most
URGENT = {Part.RULES, Part.PORTS, Part.NAMES}  # looked at during a rest, too: it costs little, and matters
BETWEEN = 1.0  # seconds between looks at what nothing tells of
SHARE, LONGEST_BETWEEN = 50, 10.0  # or so many times the processor's time that one takes, up to so long
ANYHOW = 30  # such looks are followed by one at everything that is told of as well
FILES = 5  # such looks are followed by one at containers' files
RETRY = 0.5  # seconds until a process beside the daemon is asked for again

Look = Callable[[Collection[Part]], Awaitable[None]]


@dataclass(slots=True)
class Watching:
    """Calls `look` with the parts that hints are about.  `hint` may be called as often as one likes.

    `beside` are the control sockets of the processes beside the daemon, each with what it holds and
    with what starts it again.  `changes` counts what requests change: they go first.
    """

    look: Look
    beside: Mapping[str, tuple[Part, Callable[[], Awaitable[None]]]]
    changes: Callable[[], int] = lambda: 0
    _counted: tuple[int, float] = (0, 0.0)  # what `changes` said last, and since when
    _waiting: float = 0.0  # since when hints wait
    _cost: float = 0.0
    _hints: set[Part] = field(default_factory=set)
    _hinted: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: "list[asyncio.Task[None]]" = field(default_factory=list)

    def begin(self) -> None:
        """Look from now on, at everything at first."""
        loop = asyncio.get_running_loop()
        self.hint(*Part)
        self._tasks += [loop.create_task(self._work()), loop.create_task(self._now_and_then())]
        for path, (part, revive) in self.beside.items():
            self._tasks.append(loop.create_task(self._attend(path, part, revive)))

    def hint(self, *parts: Part) -> None:
        """Something of these parts may have changed."""
        if not self._hints - URGENT:
            self._waiting = time.monotonic()
        self._hints.update(parts)
        self._hinted.set()

    async def finish(self) -> None:
        """No more looks; one that is under way is given up."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        rested = time.monotonic()
        while True:
            await self._hinted.wait()
            await asyncio.sleep(GATHERING)
            left = max(rested, self._calm()) - time.monotonic()
            if left > 0 and not self._hints & URGENT:
                self._hinted.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._hinted.wait()
                self._hinted.set()
                continue
            took = await self._look(self._hints & URGENT if left > 0 else set(self._hints))
            rested = max(rested, time.monotonic() + min(REST * took, LONGEST_REST))

    def _calm(self) -> float:
        """Until when what is not urgent waits, since requests follow each other just now."""
        changes, since = self.changes(), self._counted[1]
        if changes != self._counted[0]:
            since = time.monotonic()
            self._counted = changes, since
        return min(since + CALM, self._waiting + LONGEST_CALM)

    async def _look(self, parts: set[Part]) -> float:
        """Seconds that it took."""
        self._hints -= parts
        if not self._hints:
            self._hinted.clear()
        began, spent = time.monotonic(), time.process_time()
        try:
            await self.look(parts)
        except Exception as error:
            known = isinstance(error, FairleadError)
            what = ", ".join(sorted(parts))
            log.error("cannot look at the %s of this host: %s", what, error, exc_info=not known)
            asyncio.get_running_loop().call_later(LONGEST_REST, self.hint, *parts)
            return LONGEST_REST
        if parts == {Part.SETTINGS}:
            self._cost = time.process_time() - spent
        return time.monotonic() - began

    async def _now_and_then(self) -> None:
        number = 0
        while True:
            number += 1
            parts = [Part.SETTINGS]
            if number % FILES == 0:
                parts.append(Part.FILES)
            if number % ANYHOW == 0:
                parts += [Part.LINKS, Part.RULES]
            self.hint(*parts)
            await asyncio.sleep(min(max(BETWEEN, SHARE * self._cost), LONGEST_BETWEEN))

    async def _attend(self, path: str, part: Part, revive: Callable[[], Awaitable[None]]) -> None:
        """Keep a connection to a process, to be told by its end that it has ended."""
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    await reader.read()
                finally:
                    writer.close()
            except OSError:
                await asyncio.sleep(RETRY)
            with contextlib.suppress(Exception):
                await revive()
            self.hint(part)
