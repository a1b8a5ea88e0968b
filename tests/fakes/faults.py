"""Calls of the outside world that end the engine, fail, or are given up, by name and count.

The daemon's own `Tapped` stands around a part of the outside world.  Once the engine is dead nothing of it reaches
that world any more, as after SIGKILL: what it would still undo stays as it is.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from fairlead.model.errors import Failed, StepFailed

READING = ("observe", "everything", "alive", "last_exit", "resolve", "list", "root", "load")


class Killed(BaseException):
    """The engine has been killed; whatever catches this cannot do anything any more."""


class Way(StrEnum):
    """What happens at a fault point."""

    KILL = "kill"  # before the call
    KILL_HALFWAY = "kill halfway"  # with half of its steps done
    KILL_AFTER = "kill after"  # with the call done and its answer unheard
    FAIL = "fail"
    FAIL_HALFWAY = "fail halfway"
    CANCEL = "cancel"  # the client is gone


@dataclass(slots=True)
class Faults:
    """What one engine passes, and what is to happen where."""

    name: str = ""  # PART.METHOD, "" = nothing happens
    count: int = 1  # the so many'th call of that name
    way: Way = Way.KILL
    why: str = "Input/output error"
    dead: bool = False
    hit: bool = False
    acting: "asyncio.Task[Any] | None" = None  # what serves the client that goes away
    died: asyncio.Event = field(default_factory=asyncio.Event)
    trace: list[str] = field(default_factory=list)
    _passed: Counter[str] = field(default_factory=Counter)

    def arm(self, name: str, count: int, way: Way) -> None:
        """Let it happen at the `count`th call of that name from now on."""
        self.name, self.count, self.way, self.hit = name, count, way, False
        self._passed.clear()
        self.trace.clear()

    def disarm(self) -> None:
        """Let nothing happen any more."""
        self.arm("", 0, Way.KILL)

    def at(self, name: str) -> None:
        """A point between two steps."""
        if self.dead:
            raise Killed

    async def call(self, name: str, method: Any, *arguments: Any, **named: Any) -> Any:
        """One call, with what is to happen to it."""
        if self.dead:
            raise Killed
        self._passed[name] += 1
        self.trace.append(name)
        if name != self.name or self._passed[name] != self.count:
            return await self._alive(method(*arguments, **named))
        self.hit = True
        steps = arguments[0] if name.endswith(".perform") else ()
        done = len(steps) // 2 if name == "links.perform" else 0
        if self.way in (Way.KILL_HALFWAY, Way.FAIL_HALFWAY) and done:
            await method(steps[:done])
        if self.way is Way.KILL_AFTER:
            await method(*arguments, **named)
        if self.way in (Way.KILL, Way.KILL_HALFWAY, Way.KILL_AFTER):
            self.dead = True
            self.died.set()
            raise Killed
        if self.way is Way.CANCEL:
            if self.acting is not None:
                self.acting.cancel()
            return await self._alive(method(*arguments, **named))
        if name.endswith(".perform"):
            raise StepFailed(f"cannot do it: {self.why}", done if self.way is Way.FAIL_HALFWAY else 0)
        raise Failed(f"cannot do it: {self.why}")

    async def _alive(self, call: Any) -> Any:
        answer = await call
        if self.dead:
            raise Killed
        return answer
