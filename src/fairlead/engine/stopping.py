"""Stopping, killing and pausing: what users do to running containers."""

import asyncio
import re
import signal as signals
from dataclasses import replace

from fairlead.engine.context import Context
from fairlead.engine.creation import Creation
from fairlead.engine.ledger import put
from fairlead.engine.lifecycle import Lifecycle
from fairlead.engine.references import References
from fairlead.engine.waits import Waits
from fairlead.model.container import Container
from fairlead.model.errors import (
    Conflict,
    Failed,
    FairleadError,
    InvalidParameter,
    NotFound,
    NotModified,
)
from fairlead.model.views import WaitResult

STOP_TIMEOUT = 10  # seconds between the stop signal and SIGKILL, unless told otherwise
KILL_TIMEOUT = 60.0  # seconds for an end after SIGKILL: those of many containers wait for each other


def signal_number(text: str) -> int:
    """A signal by name (TERM, SIGTERM, term, RTMIN+3) or number.  InvalidParameter if there is none such."""
    number = 0
    if re.fullmatch(r"[0-9]{1,2}", text):
        number = int(text)
    elif match := re.fullmatch(r"(?:SIG)?([A-Z0-9]+)([+-][0-9]{1,2})?", text.upper()):
        known = signals.Signals.__members__.get(f"SIG{match[1]}", 0)
        number = int(known) + int(match[2] or 0)
        if match[2] and match[1] not in ("RTMIN", "RTMAX"):
            number = 0
    if not 0 < number < 65:
        raise InvalidParameter(f"Invalid signal: {text}")
    return number


class Stopping:
    """Sends signals and waits for what comes of them."""

    def __init__(self, context: Context, references: References, lifecycle: Lifecycle, waits: Waits):
        self._context = context
        self._references = references
        self._lifecycle = lifecycle
        self._waits = waits

    async def stop(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        """Ask it to end, wait, then kill it.  NotModified if it does not run.

        `timeout` in seconds: None = the container's own, else 10; negative = wait for ever.
        """
        container = self._references.find(reference)
        if not container.state.running:
            raise NotModified(f"container {container.id} is stopped already")
        number = signal_number(signal or container.config.stop_signal or "TERM")
        await self._end(container, number, self._patience(container, timeout))
        self._tell("stop", container)

    def _patience(self, container: Container, timeout: int | None) -> float | None:
        if timeout is None:
            timeout = container.config.stop_timeout
        if timeout is None:
            timeout = STOP_TIMEOUT
        return None if timeout < 0 else float(timeout)

    async def _end(self, container: Container, number: int, patience: float | None) -> None:
        """The signal, then after `patience` seconds SIGKILL; returns when it has ended."""
        await self._mark_stopped(container)
        if container.state.status == "restarting" and await self._give_up_restarting(container):
            return
        ended = self._waits.until(container.id, "ended")
        try:
            if await self._signal(container, number):
                async with asyncio.timeout(patience):
                    await asyncio.shield(ended)
        except TimeoutError:
            if await self._signal(container, signals.SIGKILL):
                await asyncio.shield(ended)

    async def _signal(self, container: Container, number: int) -> bool:
        """Whether there was still a process to get it."""
        if number == signals.SIGKILL and container.state.status == "paused":
            await self._context.runtime.unpause(container.id)
        self._tell("kill", container, signal=str(int(number)))
        try:
            await self._context.runtime.kill(container.id, number)
        except NotFound:
            # It has ended by itself; its end is being dealt with, or has been already.
            now = self._context.records.containers.get(container.id)
            return now is not None and now.state.status in ("running", "paused")
        return True

    async def _mark_stopped(self, container: Container) -> None:
        now = self._context.records.containers[container.id]
        await self._context.ledger.commit(put(replace(now, state=replace(now.state, stopped_by_user=True))))

    async def _give_up_restarting(self, container: Container) -> bool:
        """Whether it does not run; it may have been brought back a moment before."""
        async with self._context.lock(container.id):
            now = self._context.records.containers[container.id]
            if now.state.status == "restarting":
                state = replace(now.state, status="exited")
                await self._context.ledger.commit(put(replace(now, state=state)))
            return self._context.records.containers[container.id].state.status not in ("running", "paused")

    async def kill(self, reference: str, signal: str = "KILL") -> None:
        """Send a signal; with SIGKILL return when it has ended.  Conflict if it does not run."""
        number = signal_number(signal or "KILL")
        try:
            container = self._references.find(reference)
        except NotFound as error:
            raise NotFound(f"Cannot kill container: {reference}: {error.message}") from error
        if container.state.status not in ("running", "paused"):
            raise Conflict(f"Cannot kill container: {reference}: Container {container.id} is not running")
        if number == signals.SIGKILL:
            ended = self._waits.until(container.id, "ended")
            await self._mark_stopped(container)
            if await self._signal(container, number):
                await self._wait(container, ended)
            return
        if number == signal_number(container.config.stop_signal or "TERM"):
            await self._mark_stopped(container)
        await self._signal(container, number)

    async def _wait(self, container: Container, ended: "asyncio.Future[WaitResult]") -> None:
        try:
            async with asyncio.timeout(KILL_TIMEOUT):
                await asyncio.shield(ended)
        except TimeoutError as error:
            raise Failed(
                f"cannot kill container {container.name}: its processes have not ended within "
                f"{KILL_TIMEOUT:g} s"
            ) from error

    async def restart(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        """Stop it if it runs, and start it.  Failed, in Docker's words, where that is impossible."""
        container = self._references.find(reference)
        try:
            await self._restart(container, timeout, signal)
        except InvalidParameter as error:
            raise InvalidParameter(f"Cannot restart container {reference}: {error.message}") from error
        except FairleadError as error:
            raise Failed(f"Cannot restart container {reference}: {error.message}") from error
        self._tell("restart", container)

    async def _restart(self, container: Container, timeout: int | None, signal: str) -> None:
        if container.state.running:
            self._lifecycle.require_way_back(container.id)
            number = signal_number(signal or container.config.stop_signal or "TERM")
            await self._end(container, number, self._patience(container, timeout))
            self._tell("stop", container)
        await self._lifecycle.start(container.id)

    async def pause(self, reference: str) -> None:
        """Freeze its processes.  Conflict if it does not run or is frozen already."""
        container = self._references.find(reference)
        async with self._context.lock(container.id):
            container = self._references.find(container.id)
            if container.state.status == "paused":
                raise Conflict(f"Container {container.id} is already paused")
            if container.state.status != "running":
                raise Conflict(f"Container {container.id} is not running")
            await self._context.runtime.pause(container.id)
            await self._set_status(container, "paused")
        self._tell("pause", container)

    async def unpause(self, reference: str) -> None:
        """Thaw its processes.  Conflict if they are not frozen."""
        container = self._references.find(reference)
        async with self._context.lock(container.id):
            container = self._references.find(container.id)
            if container.state.status != "paused":
                raise Conflict(f"Container {container.id} is not paused")
            await self._context.runtime.unpause(container.id)
            await self._set_status(container, "running")
        self._tell("unpause", container)

    async def stop_all(self, timeout: int) -> None:
        """Stop everything that runs, at once (the daemon ends and live-restore is off)."""
        running = [each for each in self._context.records.containers.values() if each.state.running]
        results = await asyncio.gather(
            *(self._end_for_shutdown(each, timeout) for each in running), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, FairleadError):
                raise result

    async def _end_for_shutdown(self, container: Container, timeout: int) -> None:
        """As `stop`, but not by the user: its restart policy brings it back with the next daemon."""
        ended = self._waits.until(container.id, "ended")
        number = signal_number(container.config.stop_signal or "TERM")
        try:
            if await self._signal(container, number):
                async with asyncio.timeout(self._patience(container, None) or timeout):
                    await asyncio.shield(ended)
        except TimeoutError:
            if await self._signal(container, signals.SIGKILL):
                await asyncio.shield(ended)

    async def _set_status(self, container: Container, status: str) -> None:
        await self._context.ledger.commit(
            put(replace(container, state=replace(container.state, status=status)))
        )

    def _tell(self, action: str, container: Container, **extra: str) -> None:
        attributes = {**Creation.attributes(container), **extra}
        self._context.events.emit("container", action, container.id, attributes)
