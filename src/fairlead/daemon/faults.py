"""Faults armed from outside, at a point by name: the daemon is killed there, or the call fails.

For tests of what a crash or a failing host leaves; without FAIRLEAD_FAULT nothing of this is wired in.
A point is one of those that the engine passes between two steps (`.at`), or a call of the outside
world: `links.perform 2` is the second that carries out steps on links, counted from the arming.
"""

import asyncio
import contextlib
import errno
import inspect
import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from fairlead.model.errors import Failed, StepFailed

VARIABLE = "FAIRLEAD_FAULT"
PATIENCE = 0.3  # seconds that a call takes which then ends by a time-out
Part = TypeVar("Part")


class Faults(Protocol):
    """What happens at points."""

    def at(self, name: str) -> None:
        """A point between two steps."""
        ...

    def tapped(self, name: str, part: Part) -> Part:
        """A part of the outside world whose every call is a point."""
        ...


def from_environment() -> Faults:
    """As FAIRLEAD_FAULT says: the name of one of the engine's points, or the directory of `ArmedFaults`."""
    said = os.environ.get(VARIABLE, "")
    return ArmedFaults(Path(said)) if said.startswith("/") else OneKill(said)


def die() -> None:
    """SIGKILL, since nothing that a process does at its end may be needed for the next to be well."""
    os.kill(os.getpid(), signal.SIGKILL)


class OneKill:
    """The daemon is killed at one of the engine's points; "" for none."""

    def __init__(self, name: str):
        self._name = name

    def at(self, name: str) -> None:
        """A point between two steps."""
        if self._name and name == self._name:
            die()

    def tapped(self, name: str, part: Part) -> Part:
        """The part itself."""
        return part


@dataclass(frozen=True, slots=True)
class Fault:
    """What is to happen at a point.

    `when` is before, midway or after a call; `error` is what it fails with (EIO, ...), "" for a kill.
    Midway is after `share` of the steps of a call that has steps, else `seconds` after its begin.
    """

    point: str
    when: str = "before"
    error: str = ""
    share: float = 0.5
    seconds: float = 0.0

    @property
    def reason(self) -> str:
        """The error in the system's words."""
        return os.strerror(getattr(errno, self.error))


class ArmedFaults:
    """Faults that come and go while the daemon runs, by the files of a directory.

    The line of JSON in `armed` is a `Fault`, and a new line begins a new count; a line is added to
    `passed` for each point: its name, how many steps it had, how many seconds it took.
    """

    def __init__(self, directory: Path):
        self._armed = directory / "armed"
        self._passed = directory / "passed"
        self._text = ""
        self._fault = Fault("")
        self._counts: Counter[str] = Counter()

    def at(self, name: str) -> None:
        """A point between two steps."""
        point = self._next(name)
        self._note(point, 0, 0.0)
        if point == self._fault.point and not self._fault.error:
            die()

    def tapped(self, name: str, part: Part) -> Part:
        """A part of the outside world whose every call is a point."""
        return cast(Part, Tapped(part, name, self.call))

    async def call(self, name: str, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        """One call, with what is to happen to it."""
        point, fault = self._next(name), self._fault
        steps = len(arguments[0]) if name.endswith(".perform") else 0
        begun = time.perf_counter()
        try:
            if point != fault.point:
                return await method(*arguments, **named)
            if fault.error:
                return await self._failing(fault, method, *arguments, steps=steps)
            return await self._dying(fault, method, *arguments, steps=steps, named=named)
        finally:
            self._note(point, steps, time.perf_counter() - begun)

    async def _dying(
        self, fault: Fault, method: Callable[..., Any], *arguments: Any, steps: int, named: dict[str, Any]
    ) -> None:
        if fault.when == "midway" and steps:
            await method(arguments[0][: int(steps * fault.share)])
        elif fault.when == "midway":
            threading.Thread(target=_die_after, args=(fault.seconds,), daemon=True).start()
            await method(*arguments, **named)
        elif fault.when == "after":
            await method(*arguments, **named)
        die()

    async def _failing(self, fault: Fault, method: Callable[..., Any], *arguments: Any, steps: int) -> None:
        if fault.error == "ETIMEDOUT":
            await asyncio.sleep(PATIENCE)
        done = int(steps * fault.share) if fault.when == "midway" else 0
        if done:
            await method(arguments[0][:done])
        message = f"cannot do {fault.point}: {fault.reason}"
        raise StepFailed(message, done) if steps else Failed(message)

    def _next(self, name: str) -> str:
        with contextlib.suppress(OSError):
            text = self._armed.read_text()
            if text != self._text:
                self._text = text
                self._fault = Fault(**json.loads(text)["fault"])
                self._counts.clear()
        self._counts[name] += 1
        return f"{name} {self._counts[name]}"

    def _note(self, point: str, steps: int, seconds: float) -> None:
        with self._passed.open("a") as file:
            file.write(f"{point}\t{steps}\t{seconds:.6f}\n")


class Tapped:
    """A part of the outside world whose calls go through `call`; all else is the part's own.

    `call` is given the name of the call, what would be called, and its arguments.
    """

    def __init__(self, part: Any, name: str, call: Callable[..., Awaitable[Any]]):
        self._part, self._name, self._call = part, name, call

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        if not inspect.iscoroutinefunction(value):
            return value

        async def call(*arguments: Any, **named: Any) -> Any:
            return await self._call(f"{self._name}.{name}", value, *arguments, **named)

        return call


def _die_after(seconds: float) -> None:
    time.sleep(seconds)
    die()
