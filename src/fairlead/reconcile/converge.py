"""Observe, compare, perform, look again; what fails midway is undone, newest first.

Creating, repairing, restarting and cleaning up all call `converge` with the state that should be.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field

from fairlead.boundary import Actuator
from fairlead.boundary.meter import Meter, NoMeter
from fairlead.model.errors import Failed, FairleadError, StepFailed
from fairlead.model.host import Key, State, Step, Value
from fairlead.planner.steps import describe, difference, parted

log = logging.getLogger(__name__)
# Whether what is being done was asked for by nobody: the host has changed under us.
REPAIRING: ContextVar[bool] = ContextVar("REPAIRING", default=False)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a convergence did."""

    steps: tuple[Step, ...]

    @property
    def changed(self) -> bool:
        """Whether anything had to be done."""
        return bool(self.steps)


@dataclass(slots=True)
class Reconciler:
    """Brings a host to a desired state through its actuators.

    One convergence at a time: the order of all changes to the host is the order of the calls.
    """

    actuators: Sequence[Actuator]
    meter: Meter = field(default_factory=NoMeter)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def observe(self, keys: Sequence[Key]) -> State:
        """What is there under these keys."""
        groups = self._by_actuator(keys)
        states = await asyncio.gather(*(actuator.observe(group) for actuator, group in groups))
        observed: dict[Key, Value | None] = {}
        for state in states:
            observed.update(state)
        return observed

    async def surplus(self, explained: State, kinds: tuple[type[Key], ...] = ()) -> State:
        """What is there of ours and nothing explains, as a desired state in which it is absent.

        With `kinds` only who handles these is asked.
        """
        asked = [each for each in self.actuators if not kinds or set(kinds) & set(each.handles)]
        found: dict[Key, Value | None] = {}
        for state in await asyncio.gather(*(actuator.everything() for actuator in asked)):
            found.update(state)
        return {key: None for key in found if explained.get(key) is None}

    async def differing(self, desired: State) -> tuple[Step, ...]:
        """What would lead from what is there to `desired`; fleeting entries left out, nothing is changed."""
        lasting, _ = parted(desired)
        return difference(lasting, await self.observe(list(lasting)))

    async def converge(self, desired: State) -> Outcome:
        """Make the host agree with `desired` for exactly its keys, and see that it does.

        Raises what the failing step raised, after everything done before it has been undone.
        """
        async with self._turn:
            return await self._converge(desired)

    async def keep(self, desired: Callable[[], State]) -> Outcome:
        """The same with what is desired when the turn has come: nobody else changes the host meanwhile."""
        async with self._turn:
            return await self._converge(desired())

    async def _converge(self, desired: State) -> Outcome:
        lasting, fleeting = parted(desired)
        before = await self.observe(list(lasting))
        steps = difference(lasting, before)
        try:
            await self._perform(steps)
            await self._verify(steps)
            ends = difference(fleeting, await self.observe(list(fleeting)))
            await self._perform(ends)
        except BaseException:
            await self._restore(before)
            raise
        self._count((*steps, *ends))
        return Outcome((*steps, *ends))

    def _count(self, steps: Sequence[Step]) -> None:
        if not steps or not REPAIRING.get():
            return
        self.meter.count("fairlead_repairs_total")
        for kind, count in Counter(type(step.key).__name__.removesuffix("Key") for step in steps).items():
            self.meter.count("fairlead_repaired_total", count, kind=kind)

    async def _verify(self, steps: Sequence[Step]) -> None:
        """Look again at what was touched.  Failed if it is not as it should be."""
        touched = {step.key: step.after for step in steps}
        left = difference(touched, await self.observe(list(touched)))
        if left:
            raise Failed("cannot bring the host to the wanted state: " + "; ".join(map(describe, left)))

    async def _restore(self, before: State) -> None:
        """Go back to what was there, also to what went along with a link; failures are logged."""
        try:
            await self._undo(difference(before, await self.observe(list(before))))
        except FairleadError as error:
            log.error("cannot undo: %s", error.message)

    async def _perform(self, steps: Sequence[Step]) -> None:
        """Carry them out.  What fails midway is undone, newest first."""
        done: list[Step] = []
        for actuator, batch in self._runs(steps):
            try:
                await actuator.perform(batch)
            except StepFailed as failure:
                await self._take_back([*done, *batch[: failure.done]])
                raise
            except BaseException:
                await self._take_back([*done, *batch])
                raise
            done.extend(batch)

    async def _take_back(self, done: Sequence[Step]) -> None:
        await self._undo([step.inverse() for step in reversed(done)])

    async def _undo(self, steps: Sequence[Step]) -> None:
        """Carry out steps that lead back; a failure there is logged and the rest still tried."""
        for actuator, batch in self._runs(steps):
            while batch:
                try:
                    await actuator.perform(batch)
                    break
                except StepFailed as failure:
                    log.error("cannot undo: %s", failure.message)
                    batch = batch[failure.done + 1 :]
                except FairleadError as error:
                    log.error("cannot undo: %s", error.message)
                    break

    def _actuator(self, key: Key) -> Actuator:
        for actuator in self.actuators:
            if isinstance(key, actuator.handles):
                return actuator
        raise Failed(f"cannot change {key}: nothing on this host handles it")

    def _by_actuator(self, keys: Sequence[Key]) -> list[tuple[Actuator, list[Key]]]:
        groups = [
            (actuator, [key for key in keys if isinstance(key, actuator.handles)])
            for actuator in self.actuators
        ]
        return [(actuator, group) for actuator, group in groups if group]

    def _runs(self, steps: Sequence[Step]) -> list[tuple[Actuator, list[Step]]]:
        """The steps cut where the actuator changes."""
        runs: list[tuple[Actuator, list[Step]]] = []
        for step in steps:
            actuator = self._actuator(step.key)
            if runs and runs[-1][0] is actuator:
                runs[-1][1].append(step)
            else:
                runs.append((actuator, [step]))
        return runs
