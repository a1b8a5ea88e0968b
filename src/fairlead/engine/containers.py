"""Containers as the API sees them: every call finds its container and hands on to the part that does it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from fairlead.boundary import LogLine, LogQuery, Stream, Usage
from fairlead.engine.archives import ContainerArchives
from fairlead.engine.consoles import Consoles, ended
from fairlead.engine.context import Context
from fairlead.engine.creation import Creation
from fairlead.engine.health import HealthChecks
from fairlead.engine.ledger import put
from fairlead.engine.lifecycle import Lifecycle
from fairlead.engine.linking import Linking
from fairlead.engine.references import References
from fairlead.engine.removal import Removal
from fairlead.engine.renaming import Renaming
from fairlead.engine.stopping import Stopping
from fairlead.engine.viewing import Viewing
from fairlead.engine.waits import Waits
from fairlead.model.commands import CommitContainer, CreateContainer, UpdateContainer
from fairlead.model.container import Container, PathStat
from fairlead.model.errors import Conflict, FairleadError, InvalidParameter, NotFound
from fairlead.model.image import Image
from fairlead.model.views import ContainerView, Removed, WaitResult


@dataclass(slots=True)
class Containers:
    """The engine's containers."""

    context: Context
    references: References
    creation: Creation
    lifecycle: Lifecycle
    stopping: Stopping
    removal: Removal
    renaming: Renaming
    linking: Linking
    archives: ContainerArchives
    viewing: Viewing
    consoles: Consoles
    waits: Waits
    health: HealthChecks

    async def create(self, request: CreateContainer) -> tuple[str, tuple[str, ...]]:
        """Make a container: its id, and warnings."""
        return await self.creation.create(request)

    def get(self, reference: str) -> Container:
        """The container of that name or id."""
        return self.references.find(reference)

    async def inspect(self, reference: str, size: bool = False) -> ContainerView:
        """Everything about one container."""
        return await self._view(self.references.find(reference), size)

    async def list(self, size: bool = False) -> Sequence[ContainerView]:
        """All containers, newest first."""
        containers = [each for each in self.context.records.containers.values() if each.phase != "pending"]
        containers.sort(key=lambda each: each.sequence, reverse=True)
        return [await self._view(each, size) for each in containers]

    async def _view(self, container: Container, size: bool) -> ContainerView:
        view = self.viewing.view(container)
        if not size:
            return view
        own, whole = await self.archives.size(container)
        return replace(view, size_rw=own, size_root=whole)

    async def start(self, reference: str) -> None:
        """Let it run.  NotModified if it does."""
        container = self.references.find(reference)
        try:
            await self.lifecycle.start(container.id)
        except FairleadError:
            now = self.context.records.containers.get(container.id)
            if now is not None and not now.state.running and now.host_config.auto_remove:
                await self.removal.take_away(container.id, volumes=True)
            raise
        self.health.watch(self.references.find(container.id))

    async def stop(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        """Ask it to end, then make it; see Stopping.stop."""
        await self.stopping.stop(reference, timeout, signal)

    async def restart(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        """Stop and start."""
        await self.stopping.restart(reference, timeout, signal)
        self.health.watch(self.references.find(reference))

    async def kill(self, reference: str, signal: str = "KILL") -> None:
        """Send a signal."""
        await self.stopping.kill(reference, signal)

    async def pause(self, reference: str) -> None:
        """Freeze."""
        await self.stopping.pause(reference)

    async def unpause(self, reference: str) -> None:
        """Thaw."""
        await self.stopping.unpause(reference)

    async def remove(
        self, reference: str, force: bool = False, volumes: bool = False, link: bool = False
    ) -> None:
        """Take it away for good; with `link` only the link of that name."""
        if link:
            await self.linking.cut(reference)
        else:
            await self.removal.remove(reference, force, volumes)

    async def rename(self, reference: str, name: str) -> None:
        """Give it another name, which its neighbours find at once.  Conflict if that is taken."""
        await self.renaming.rename(reference, name)

    async def update(self, reference: str, request: UpdateContainer) -> tuple[str, ...]:
        """Change its limits and its restart policy, also while it runs; warnings."""
        container = self.references.find(reference)
        async with self.context.lock(container.id):
            container = self.references.find(container.id)
            values = {name: value for name, value in request.values.items() if value is not None}
            host_config = replace(container.host_config, **values)  # type: ignore[arg-type]
            if request.restart_policy is not None:
                if host_config.auto_remove and request.restart_policy.name not in ("", "no"):
                    raise InvalidParameter("Restart policy cannot be updated because AutoRemove is enabled")
                host_config = replace(host_config, restart_policy=request.restart_policy)
            updated = replace(container, host_config=host_config)
            if values and container.state.status in ("running", "paused"):
                await self.context.runtime.update(updated)
            await self.context.ledger.commit(put(updated))
        self.context.events.emit("container", "update", container.id, Creation.attributes(container))
        return ()

    def wait(self, reference: str, condition: str) -> Awaitable[WaitResult]:
        """How it ends: at once if it does not run (`not-running`), at its next end, or when removed."""
        container = self.references.find(reference)
        if condition not in ("", "not-running", "next-exit", "removed"):
            raise InvalidParameter(f'invalid condition: "{condition}"')
        if condition == "removed":
            return self.waits.until(container.id, "removed")
        if condition == "next-exit" or container.state.running:
            return self.waits.until(container.id, "ended")
        done: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
        done.set_result(WaitResult(container.state.exit_code, container.state.error))
        return done

    async def logs(self, reference: str, query: LogQuery) -> AsyncIterator[LogLine]:
        """What it has written; iterate the result."""
        container = self.references.find(reference)
        if not query.stdout and not query.stderr:
            raise InvalidParameter("Bad parameters: you must choose at least one stream")
        if container.host_config.log_config.driver == "none":
            raise InvalidParameter("configured logging driver does not support reading")
        return self.context.runtime.logs(container, query)

    async def attach(self, reference: str) -> Stream:
        """Its console, or a promise of it when it has yet to start."""
        container = self.references.find(reference)
        if container.state.status == "paused":
            raise Conflict(f"Container {container.id} is paused, unpause the container before attach.")
        if container.state.status == "restarting":
            raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
        if container.state.status == "running":
            try:
                stream = await self.context.runtime.attach(container.id)
            except NotFound:
                stream = ended()  # which is about to be noted
        else:
            stream = self.consoles.wait_for(container.id)
        self.context.events.emit("container", "attach", container.id, Creation.attributes(container))
        return stream

    async def resize(self, reference: str, height: int, width: int) -> None:
        """Set the size of its terminal."""
        container = self.references.find(reference)
        if container.state.status != "running":
            raise Conflict(f"Container {container.id} is not running")
        await self.context.runtime.resize(container.id, height, width)
        attributes = {**Creation.attributes(container), "height": str(height), "width": str(width)}
        self.context.events.emit("container", "resize", container.id, attributes)

    async def top(self, reference: str, arguments: str) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Titles and rows about its processes."""
        container = self.references.find(reference)
        if container.state.status not in ("running", "paused"):
            raise Conflict(f"Container {container.id} is not running")
        found = await self.context.runtime.top(container.id, arguments)
        self.context.events.emit("container", "top", container.id, Creation.attributes(container))
        return found

    async def usage(self, reference: str) -> Usage:
        """What it uses now; zeros when it does not run."""
        container = self.references.find(reference)
        if container.state.status not in ("running", "paused"):
            return Usage()
        return await self.context.runtime.usage(container.id)

    async def changes(self, reference: str) -> Sequence[tuple[str, int]]:
        """Paths changed against its image."""
        return await self.archives.changes(reference)

    async def stat_path(self, reference: str, path: str) -> PathStat:
        """What is at a path inside."""
        return await self.archives.stat_path(reference, path)

    async def get_archive(self, reference: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """A tar of a path inside."""
        return await self.archives.get_archive(reference, path)

    async def put_archive(
        self,
        reference: str,
        path: str,
        archive: AsyncIterator[bytes],
        no_overwrite_dir_non_dir: bool,
        copy_owner: bool,
    ) -> None:
        """Unpack a tar at a path inside."""
        await self.archives.put_archive(reference, path, archive, no_overwrite_dir_non_dir, copy_owner)

    async def export(self, reference: str) -> AsyncIterator[bytes]:
        """A tar of its root."""
        return await self.archives.export(reference)

    async def commit(self, reference: str, request: CommitContainer) -> Image:
        """An image of it as it is now."""
        return await self.archives.commit(reference, request)

    async def prune(self, chosen: Callable[[ContainerView], bool]) -> Removed:
        """Remove every chosen container that does not run."""
        names, space = [], 0
        for view in await self.list(size=True):
            container = view.container
            if container.state.running or not chosen(view):
                continue
            try:
                await self.removal.take_away(container.id, volumes=False)
            except FairleadError:
                continue
            names.append(container.id)
            space += max(view.size_rw, 0)
        self.context.events.emit("container", "prune", "", {"reclaimed": str(space)})
        return Removed(tuple(names), space)
