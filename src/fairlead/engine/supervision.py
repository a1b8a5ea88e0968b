"""What follows an end: removal, a restart after a while, or nothing; and what follows a daemon's start."""

import asyncio
import logging
from collections.abc import Collection, Coroutine, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fairlead.boundary import Exit
from fairlead.engine.context import Context
from fairlead.engine.health import HealthChecks
from fairlead.engine.ledger import put
from fairlead.engine.lifecycle import Lifecycle
from fairlead.engine.removal import Removal
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.waits import Waits
from fairlead.model.container import Container
from fairlead.model.errors import FairleadError, Unavailable
from fairlead.model.host import Key, State, Value
from fairlead.model.views import WaitResult

log = logging.getLogger(__name__)
FIRST_PAUSE = 0.1  # seconds before the first restart; doubled with each that follows
LONGEST_PAUSE = 60.0
LONG_RUN = 10.0  # seconds; whoever ran as long begins again with the first pause
STORE_PAUSE = 2.0  # seconds until the next try where the cluster store was away
LOST = 255  # the exit code of a container whose end nobody saw
KILLED = 137  # of one that was killed: 128 + SIGKILL


def restarts(container: Container, *, at_start: bool = False) -> bool:
    """Whether its policy brings the container back.

    Source: Docker's `restartmanager`: a container that the user stopped stays so, except that
    `always` counts again when the daemon starts.
    """
    policy, state = container.host_config.restart_policy, container.state
    if policy.name == "always":
        return at_start or not state.stopped_by_user
    if state.stopped_by_user:
        return False
    if policy.name == "unless-stopped":
        return True
    if policy.name == "on-failure" and state.exit_code != 0:
        return policy.maximum_retry_count == 0 or state.restart_count < policy.maximum_retry_count
    return False


def needs(container: Container) -> set[str]:
    """Whom it can only start after: targets of its links, and containers whose namespaces it shares."""
    own = container.host_config
    modes = (own.network_mode, own.ipc_mode, own.pid_mode)
    shared = {mode.partition(":")[2] for mode in modes if mode.startswith("container:")}
    return shared | {target for target, _ in container.links}


class Supervision:
    """Watches ends and acts on them."""

    def __init__(
        self,
        context: Context,
        lifecycle: Lifecycle,
        removal: Removal,
        sandboxes: Sandboxes,
        waits: Waits,
        health: HealthChecks,
    ):
        self._context = context
        self._lifecycle = lifecycle
        self._removal = removal
        self._sandboxes = sandboxes
        self._waits = waits
        self._health = health
        self._tasks: set[asyncio.Task[None]] = set()
        self._pauses: dict[str, float] = {}
        self._ending = False

    # -- the daemon's start and end --------------------------------------------------------------

    async def begin(self) -> None:
        """Bring containers into line with what is found: finish what was cut short, adopt what lives.

        Without live-restore what lives is killed, as Docker does.  `watch` follows, when nothing is
        left to be taken away any more.
        """
        alive = await self._context.runtime.alive()
        await self._restore(
            [each for each in self._context.records.containers.values() if self._lives_on(each, alive)]
        )
        for container in list(self._context.records.containers.values()):
            try:
                await self._settle(container, alive.get(container.id, 0))
            except FairleadError as error:
                log.error("cannot bring container %s into line: %s", container.name, error.message)
        for container_id in alive:
            if container_id not in self._context.records.containers:
                await self._context.runtime.delete(container_id)

    def watch(self) -> None:
        """Start what has to be started again, and act on every end from now on."""
        begun: dict[str, asyncio.Task[None]] = {}
        for container in sorted(self._context.records.containers.values(), key=lambda each: each.sequence):
            idle = not container.state.running and container.state.ever_started
            if container.state.status == "restarting" or (idle and restarts(container, at_start=True)):
                before = [begun[need] for need in needs(container) if need in begun]
                begun[container.id] = self._spawn(self._bring_back(container, 0.0, before))
        self._spawn(self._watch())

    def _lives_on(self, container: Container, alive: Mapping[str, int]) -> bool:
        """Whether it has outlived a daemon, and is to go on."""
        runs = container.phase == "settled" and container.state.status in ("running", "paused")
        return runs and container.id in alive and self._context.settings.live_restore

    async def _restore(self, containers: Sequence[Container]) -> None:
        """Bring those that live on into line: at once, which costs little more than one; else one by one."""
        found = [(self._sandboxes.of(each.id), each.name) for each in containers]
        stays = [(stay, name) for stay, name in found if stay is not None]
        try:
            await self._sandboxes.restore(stays)
            return
        except FairleadError as error:
            log.warning("cannot bring all containers into line at once: %s", error.message)
        for stay, name in stays:
            try:
                await self._sandboxes.restore([(stay, name)])
            except FairleadError as error:
                log.error("cannot bring container %s into line: %s", name, error.message)

    async def _settle(self, container: Container, pid: int) -> None:
        if container.phase != "settled":
            await self._removal.take_away(container.id, volumes=False)
            return
        stay = self._sandboxes.of(container.id)
        runs = container.state.status in ("running", "paused")
        if runs and pid and self._context.settings.live_restore:
            self._health.watch(container)
        elif runs:
            # Whatever lives still ends with the deletion that follows each end.
            found = None if pid else await self._context.runtime.last_exit(container.id)
            await self.ended(found or Exit(container.id, KILLED if pid else LOST, 0), at_start=True)
        else:
            # A start that was cut short, or an end whose clean-up was.
            await self._context.runtime.delete(container.id)
            if stay is not None:
                await self._sandboxes.leave(stay, container.name)
            await self._context.images.release(container.id)
            if container.host_config.auto_remove and container.state.ever_started:
                await self._removal.take_away(container.id, volumes=True)

    def state(self) -> State:
        """What the host should have for all containers."""
        state: dict[Key, Value | None] = {}
        for container in self._context.records.containers.values():
            stay = self._sandboxes.of(container.id)
            if stay is not None:
                state.update(self._sandboxes.state(stay, container.name))
        return state

    async def renew(self) -> None:
        """Converge every running container again: somebody beside the engine has lost what it held."""
        for container in list(self._context.records.containers.values()):
            async with self._context.lock(container.id):
                stay = self._sandboxes.of(container.id)
                if stay is None or stay.sandbox.phase != "settled":
                    continue
                try:
                    await self._sandboxes.join(stay, container.name)
                except FairleadError as error:
                    log.error("cannot bring container %s into line: %s", container.name, error.message)

    async def finish(self) -> None:
        """The daemon ends: no more restarts; what is under way comes to its end."""
        self._ending = True
        self._health.finish()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def no_more_restarts(self) -> None:
        """From now on ends are only noted."""
        self._ending = True

    # -- ends ------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        async for exit in self._context.runtime.exits():
            self._spawn(self.ended(exit))

    async def ended(self, exit: Exit, *, at_start: bool = False) -> None:
        """Deal with one end and with what follows from it; `at_start`: `watch` will bring it back."""
        self._health.forget(exit.container_id)
        container = await self._end(exit)
        if container is None:
            return
        comes_back = restarts(container) and not self._ending
        if comes_back and not at_start:  # then it does not count as running before it runs, as with Docker
            await self._set_status(container, "exited", "restarting")
        self._waits.tell(container.id, "ended", WaitResult(exit.code))
        if comes_back and not at_start:
            self._spawn(self._bring_back(container, self._pause(container)))
        elif container.host_config.auto_remove and not comes_back and not self._ending:
            await self._removal.take_away(container.id, volumes=True)

    async def _end(self, exit: Exit) -> Container | None:
        """What `Lifecycle.end` gives; a disk that takes no records now may take them later."""
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._lifecycle.end(exit)
            except FairleadError as error:
                log.error("cannot note the end of container %s: %s", exit.container_id[:12], error.message)
                if self._ending:
                    return None
            await self._context.clock.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _set_status(self, container: Container, before: str, after: str) -> None:
        """Note another status, if nobody has noted yet another meanwhile."""
        async with self._context.lock(container.id):
            now = self._context.records.containers.get(container.id)
            if now is not None and now.state.status == before:
                state = replace(now.state, status=after)
                await self._context.ledger.commit(put(replace(now, state=state)))

    def _pause(self, container: Container) -> float:
        ran = (container.state.finished - container.state.started) / 1e9
        before = 0.0 if ran >= LONG_RUN else self._pauses.get(container.id, 0.0)
        pause = min(before * 2 or FIRST_PAUSE, LONGEST_PAUSE)
        self._pauses[container.id] = pause
        return pause

    async def _bring_back(
        self, container: Container, pause: float, after: Collection["asyncio.Task[None]"] = ()
    ) -> None:
        await self._context.clock.sleep(pause)
        if after:
            await asyncio.wait(after)
        now = self._context.records.containers.get(container.id)
        if now is None or (now.state.status != "restarting" and now.state != container.state):
            return  # stopped, started or removed meanwhile
        if pause and now.state.stopped_by_user:
            await self._set_status(now, "restarting", "exited")
            return
        try:
            await self._lifecycle.start(container.id, now.state.restart_count + 1 if pause else 0)
        except Unavailable as error:
            # It runs on a network of all hosts, whose store may well come up after this host.
            log.warning("cannot restart container %s yet: %s", container.name, error.message)
            self._spawn(self._bring_back(self._context.records.containers[container.id], STORE_PAUSE))
            return
        except FairleadError as error:
            log.warning("cannot restart container %s: %s", container.name, error.message)
            return
        self._health.watch(self._context.records.containers[container.id])

    def _spawn(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the engine failed", exc_info=task.exception())
