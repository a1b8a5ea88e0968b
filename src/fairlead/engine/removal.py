"""Taking a container away for good: nothing of it is left on the disk, in the kernel or in the records."""

import asyncio
import signal as signals
from dataclasses import replace

from fairlead.engine.consoles import Consoles
from fairlead.engine.context import Context
from fairlead.engine.creation import Creation
from fairlead.engine.ledger import drop, put
from fairlead.engine.references import References
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.stopping import KILL_TIMEOUT, Stopping
from fairlead.engine.volumes import Volumes
from fairlead.engine.waits import Waits
from fairlead.model.container import Container
from fairlead.model.errors import Conflict, Failed, FairleadError
from fairlead.model.records import RecordChange
from fairlead.model.views import WaitResult


class Removal:
    """Removes containers."""

    def __init__(
        self,
        context: Context,
        references: References,
        sandboxes: Sandboxes,
        stopping: Stopping,
        volumes: Volumes,
        consoles: Consoles,
        waits: Waits,
    ):
        self._context = context
        self._references = references
        self._sandboxes = sandboxes
        self._stopping = stopping
        self._volumes = volumes
        self._consoles = consoles
        self._waits = waits

    async def remove(self, reference: str, force: bool = False, volumes: bool = False) -> None:
        """Remove a container; a running one only with `force`.  Errors in Docker's words."""
        container = self._references.find(reference)
        if container.state.running and not force:
            self._refuse(container)
        if not force:
            await self.take_away(container.id, volumes)
            return
        # A restart that is under way must not bring it back in between.
        self._context.doomed.add(container.id)
        try:
            if container.state.running:
                await self._kill(container)
            await self.take_away(container.id, volumes)
        finally:
            self._context.doomed.discard(container.id)

    def _refuse(self, container: Container) -> None:
        what = {"paused": "paused", "restarting": "restarting"}.get(container.state.status, "running")
        cure = "Unpause and then stop" if what == "paused" else "Stop"
        raise Conflict(
            f"You cannot remove a {what} container {container.id}. {cure} the container before "
            f"attempting removal or force remove"
        )

    async def _kill(self, container: Container) -> None:
        if container.state.status == "restarting":
            try:
                await self._stopping.stop(container.id, 0)
            except FairleadError:
                return
        else:
            ended = self._waits.until(container.id, "ended")
            try:
                await self._stopping.kill(container.id, str(int(signals.SIGKILL)))
            except Conflict:
                return
            if container.id in self._context.records.containers and ended.done() is False:
                await self._wait(container, ended)

    async def _wait(self, container: Container, ended: "asyncio.Future[WaitResult]") -> None:
        try:
            async with asyncio.timeout(KILL_TIMEOUT):
                await ended
        except TimeoutError as error:
            raise Failed(
                f"cannot remove container {container.name}: its processes have not ended {KILL_TIMEOUT:g} s "
                "after they were killed"
            ) from error

    async def take_away(self, container_id: str, volumes: bool) -> None:
        """Delete everything of a container that does not run; the record goes last."""
        context = self._context
        async with context.lock(container_id):
            container = context.records.containers.get(container_id)
            if container is None:
                return  # somebody else was faster
            if container.state.running:
                self._refuse(container)
            try:
                await context.ledger.commit(put(replace(container, phase="removing")))
                context.at("remove: record marked")
                await context.runtime.delete(container_id)
                stay = self._sandboxes.of(container_id)
                if stay is not None:
                    await self._sandboxes.leave(stay, container.name)
            except BaseException:
                await context.ledger.commit(put(container))  # it has all that it is made of
                raise
            context.at("remove: runtime gone")
            await context.images.discard(container_id)
            context.at("remove: root gone")
            await context.runtime.remove_logs(container_id)
            await context.machine.remove_files(container_id)
            context.at("remove: files gone")
            await context.ledger.commit(drop(container), *self._links_to(container))
        context.forget_lock(container_id)
        self._consoles.give_up(container_id)
        if volumes:
            await self._remove_anonymous_volumes(container)
        if container.phase != "pending":  # nobody has heard of it otherwise
            context.events.emit("container", "destroy", container_id, Creation.attributes(container))
        self._waits.tell(container_id, "removed", WaitResult(container.state.exit_code))

    def _links_to(self, removed: Container) -> list[RecordChange]:
        """Others' links to it, kept by its name: they can only be refused from now on."""
        return [
            put(
                replace(
                    other,
                    links=tuple(
                        (removed.name if target == removed.id else target, alias)
                        for target, alias in other.links
                    ),
                )
            )
            for other in self._context.records.linked_to(removed.id)
        ]

    async def _remove_anonymous_volumes(self, container: Container) -> None:
        for point in container.mounts:
            volume = self._context.records.volumes.get(point.name)
            if volume is not None and volume.anonymous and not self._volumes.users(volume.name):
                await self._volumes.remove(volume.name)
