"""Health checks: a command run inside now and then, and what its exit codes say.

Source: Docker's `health.go`: 0 healthy; after `retries` failures in a row unhealthy; failures
within the start period do not count.
"""

import asyncio
import contextlib
import logging
from dataclasses import replace

from fairlead.boundary import ExecRequest
from fairlead.engine import links
from fairlead.engine.context import Context
from fairlead.engine.creation import Creation
from fairlead.engine.ledger import put
from fairlead.model.container import Container, Health, HealthCheck, HealthResult
from fairlead.model.errors import FairleadError

log = logging.getLogger(__name__)
SECOND = 10**9
INTERVAL = TIMEOUT = 30 * SECOND
RETRIES = 3
KEPT = 5  # results
LONGEST_OUTPUT = 4096  # bytes


def verdict(health: Health, check: HealthCheck, result: HealthResult, age: int) -> Health:
    """The health after one more result; `age` is how long the container runs, in nanoseconds."""
    log_kept = (*health.log, result)[-KEPT:]
    if result.exit_code == 0:
        return Health("healthy", 0, log_kept)
    if health.status == "starting" and age < check.start_period:
        return Health("starting", 0, log_kept)
    streak = health.failing_streak + 1
    failed = streak >= (check.retries or RETRIES)
    return Health("unhealthy" if failed else health.status, streak, log_kept)


class HealthChecks:
    """One task for each running container that has a health check."""

    def __init__(self, context: Context):
        self._context = context
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def watch(self, container: Container) -> None:
        """Begin to check a container that has started."""
        check = container.config.health_check
        if check is None or not check.test or check.test[0] == "NONE":
            return
        self.forget(container.id)
        self._tasks[container.id] = asyncio.get_running_loop().create_task(self._run(container, check))

    def forget(self, container_id: str) -> None:
        """Check it no longer."""
        task = self._tasks.pop(container_id, None)
        if task is not None:
            task.cancel()

    def finish(self) -> None:
        """Check nothing any longer."""
        for container_id in list(self._tasks):
            self.forget(container_id)

    async def _run(self, container: Container, check: HealthCheck) -> None:
        await self._note(container.id, Health())
        while True:
            await self._context.clock.sleep((check.interval or INTERVAL) / SECOND)
            now = self._context.records.containers.get(container.id)
            if now is None or now.state.status not in ("running", "paused"):
                return
            if now.state.status == "paused":
                continue
            result = await self._probe(now, check)
            age = result.end - now.state.started
            await self._note(container.id, verdict(now.state.health or Health(), check, result, age))

    async def _probe(self, container: Container, check: HealthCheck) -> HealthResult:
        clock = self._context.clock
        start = clock.now()
        command = check.test[1:]
        if check.test[0] == "CMD-SHELL":
            command = (*(container.config.shell or ("/bin/sh", "-c")), *command)
        request = ExecRequest(
            command,
            environment=(*links.told(self._context.records, container), *container.config.env),
            user=container.config.user,
            working_dir=container.config.working_dir,
            attach_stdout=True,
            attach_stderr=True,
        )
        seconds = (check.timeout or TIMEOUT) / SECOND
        try:
            async with asyncio.timeout(seconds):
                code, output = await self._execute(container, request)
        except TimeoutError:
            code, output = -1, f"Health check exceeded timeout ({seconds:g}s)"
        except FairleadError as error:
            code, output = -1, error.message
        return HealthResult(start, clock.now(), code, output)

    async def _execute(self, container: Container, request: ExecRequest) -> tuple[int, str]:
        process = await self._context.runtime.exec(container, self._context.new_id(), request)
        output = b""
        try:
            while process.stream is not None and (piece := await process.stream.read()) is not None:
                output = (output + piece[1])[:LONGEST_OUTPUT]
            return await process.wait(), output.decode(errors="replace")
        except asyncio.CancelledError:
            await process.kill()  # late, or the container has gone: probes must not pile up
            raise
        finally:
            if process.stream is not None:
                with contextlib.suppress(FairleadError):
                    await process.stream.close()

    async def _note(self, container_id: str, health: Health) -> None:
        container = self._context.records.containers.get(container_id)
        if container is None or not container.state.running:
            return
        before = container.state.health
        state = replace(container.state, health=health)
        await self._context.ledger.commit(put(replace(container, state=state)))
        if before is not None and before.status != health.status:
            action = f"health_status: {health.status}"
            self._context.events.emit("container", action, container_id, Creation.attributes(container))
