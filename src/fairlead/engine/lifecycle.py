"""A container's way from created to running and back: every start and every end goes through here."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

from fairlead.boundary import Exit, Launch
from fairlead.engine import links
from fairlead.engine.addressing import require_possible
from fairlead.engine.consoles import Consoles
from fairlead.engine.creation import Creation, require_joinable
from fairlead.engine.insisting import insist
from fairlead.engine.ledger import put
from fairlead.engine.linking import Linking
from fairlead.engine.parts import Parts
from fairlead.engine.ports import ChosenPortTaken, port_taken
from fairlead.engine.sharing import KEPT, is_shared, owner_of
from fairlead.engine.stay import Stay
from fairlead.engine.waits import Waits
from fairlead.model.container import Container, ContainerState
from fairlead.model.endpoint import Attachment
from fairlead.model.errors import (
    Conflict,
    Failed,
    FairleadError,
    NotFound,
    NotModified,
    PortTaken,
    StartFailed,
)
from fairlead.model.network import Network
from fairlead.model.views import WaitResult

log = logging.getLogger(__name__)
PORT_ATTEMPTS = 10  # Docker's number of tries to find ports that nobody holds
START_FAILED = 128  # Docker's exit code for a container that could not be started


class Lifecycle:
    """Starts containers and deals with their ends."""

    def __init__(self, parts: Parts, linking: Linking, consoles: Consoles, waits: Waits):
        self._context = parts.context
        self._references = parts.references
        self._networks = parts.networks
        self._sandboxes = parts.sandboxes
        self._files = parts.files
        self._volumes = parts.volumes
        self._linking = linking
        self._consoles = consoles
        self._waits = waits

    # -- start -----------------------------------------------------------------------------------

    def require_way_back(self, container_id: str) -> None:
        """What a running container could not be started without must be there before it is stopped.

        StoreAway if its networks belong to a cluster whose store is away.
        """
        stay = self._sandboxes.of(container_id)
        if stay is not None:
            self._sandboxes.overlays.require_near(stay.places)

    async def start(self, container_id: str, restart_count: int = 0) -> None:
        """Let the container run.  NotModified if it does; other errors in Docker's words, nothing left."""
        context = self._context
        async with context.lock(container_id):
            container = context.records.containers.get(container_id)
            if container is None or container.phase != "settled":
                raise NotFound(f"No such container: {container_id}")
            if container_id in context.doomed:
                raise Conflict("container is marked for removal and cannot be started")
            if container.state.status == "paused":
                raise Conflict("cannot start a paused container, try unpause instead")
            if container.state.status == "running":
                raise NotModified(f"container {container_id} runs already")
            try:
                await self._launch_on_free_ports(container, restart_count)
            except BaseException as error:
                given_up = Failed(f"cannot start container {container_id}: it was given up")
                cause = error if isinstance(error, FairleadError) else given_up
                await self._note_failure(container_id, cause)
                raise
            finally:
                self._consoles.give_up(container_id)
            attributes = Creation.attributes(container)
        await self._linking.follow(container_id)
        context.events.emit("container", "start", container_id, attributes)

    async def _launch_on_free_ports(self, container: Container, restart_count: int) -> None:
        """Launch; where others than containers have the ports that were chosen, launch with other ones."""
        for attempt in range(PORT_ATTEMPTS):
            try:
                await self._launch(container, restart_count)
                return
            except ChosenPortTaken as error:
                if attempt + 1 == PORT_ATTEMPTS:
                    raise
                log.warning("choosing other ports for container %s: %s", container.name, error.message)

    async def _launch(self, container: Container, restart_count: int) -> None:
        context = self._context
        context.at("start: begin")
        async with AsyncExitStack() as undo:
            stay = await self._enter(container, undo)
            container = context.records.containers[container.id]
            image = await context.images.resolve(container.image_id)
            undo.push_async_callback(context.images.release, container.id)
            root = await context.images.prepare(container.id, image)
            context.at("start: root mounted")
            undo.push_async_callback(self._volumes.release, container)
            await self._volumes.mount(container)
            context.at("start: volumes mounted")
            await self._fill_volumes(container, root.path)
            launch = await self._launch_order(container, stay, root)
            context.at("start: files written")
            if stay is not None:
                await self._sandboxes.pin(stay, container.name)
                context.at("start: namespace pinned")
            undo.push_async_callback(context.runtime.delete, container.id)
            pid = await self._create_and_join(launch, stay)
            context.at("start: joined")
            await self._consoles.connect(container.id)
            await context.runtime.start(container.id)
            context.at("start: process started")
            await self._settle(container, stay, pid, restart_count)
            undo.pop_all()
        context.at("start: settled")

    async def _enter(self, container: Container, undo: AsyncExitStack) -> Stay | None:
        """Lease the container's places and write their records; None when it shares another's sandbox."""
        context = self._context
        if container.host_config.network_mode.startswith("container:"):
            owner = self._shared_network(container)[0].config
            named = replace(container.config, hostname=owner.hostname, domainname=owner.domainname)
            await context.ledger.commit(put(replace(container, config=named)))
            return None
        links.require_running(context.records, container)
        left_over = self._sandboxes.of(container.id)
        if left_over is not None and left_over.sandbox.phase != KEPT:
            await self._sandboxes.leave(left_over, container.name)
        without_bridge = context.settings.bridge == "none"
        attached = [
            (attachment, self._network_of(attachment))
            for attachment in container.attachments
            # With --bridge=none whoever names no network has none.
            if not (without_bridge and attachment.network == "bridge")
        ]
        require_possible(attached)
        stay = await self._sandboxes.allocate(container, attached)
        undo.push_async_callback(self._sandboxes.overlays.leave, stay.places)
        stay = self._linking.opened(container, stay)
        known = replace(
            container,
            sandbox_id=stay.sandbox.id,
            attachments=_with_ids(container.attachments, attached),
        )
        try:
            stay = self._sandboxes.publishing.chosen(container, stay)
        except FairleadError:
            await context.ledger.commit(put(known))
            raise
        undo.push_async_callback(self._sandboxes.withdraw, stay, container.name)
        await context.ledger.commit(put(known), *stay.written())
        self._sandboxes.overlays.settle(stay.places)
        context.at("start: records pending")
        return stay

    async def _launch_order(self, container: Container, stay: Stay | None, root: Any) -> Launch:
        context = self._context
        if stay is not None:
            await self._files.write(container, stay)
            owner, namespace = container, self._namespace(stay)
        else:
            owner, namespace = self._shared_network(container)
        init = self._wants_init(container)
        return Launch(
            container=replace(container, host_config=replace(container.host_config, init=init)),
            root=root,
            namespace=namespace,
            mounts=container.mounts,
            directory=context.machine.directory(container.id),
            bind_files=self._files.binds(owner.id),
            joined=self._joined(container),
            environment=links.told(context.records, container),
            init_path=context.settings.init_path if init else "",
            default_ulimits=tuple(
                (each.name, each.soft, each.hard) for each in context.settings.default_ulimits
            ),
        )

    async def _create_and_join(self, launch: Launch, stay: Stay | None) -> int:
        """Make the process while its links are made; both or neither."""
        container = launch.container
        pid, joined = await asyncio.gather(
            self._context.runtime.create(launch), self._join(stay, container.name), return_exceptions=True
        )
        if isinstance(joined, PortTaken) and stay is not None:
            endpoint = next(endpoint for _, endpoint in stay.places if endpoint.ports)
            raise port_taken(container, endpoint, joined) from joined
        if isinstance(pid, StartFailed) and not isinstance(joined, BaseException) and stay is not None:
            self._tell_networks("connect", stay)  # though it leaves them again at once
            self._tell_networks("disconnect", stay)
        for result in (joined, pid):
            if isinstance(result, BaseException):
                raise result
        assert isinstance(pid, int)
        return pid

    async def _join(self, stay: Stay | None, label: str) -> None:
        if stay is not None:
            await self._sandboxes.join(stay, label)

    async def _settle(self, container: Container, stay: Stay | None, pid: int, restart_count: int) -> None:
        context = self._context
        state = ContainerState(
            status="running",
            pid=pid,
            started=context.clock.now(),
            finished=container.state.finished,
            restart_count=restart_count,
            ever_started=True,
        )
        running = replace(container, state=state, has_files=True)
        settled = stay.in_phase("settled") if stay else None
        await context.ledger.commit(put(running), *(settled.written() if settled else ()))
        self._tell_networks("connect", stay)

    async def _note_failure(self, container_id: str, error: FairleadError) -> None:
        context = self._context
        container = context.records.containers[container_id]
        # The last run's code stays where it had one, as with Docker.
        code = getattr(error, "exit_code", 0) or container.state.exit_code or START_FAILED
        status = "exited" if container.state.ever_started else "created"
        state = replace(container.state, status=status, pid=0, exit_code=code, error=error.message)
        await context.ledger.commit(put(replace(container, state=state, has_files=True)))
        result = WaitResult(code, error.message)
        if status == "exited":
            self._waits.tell(container_id, "ended", result)

    # -- the end ---------------------------------------------------------------------------------

    async def end(self, exit: Exit) -> Container | None:
        """Its process has ended: leave its networks, unmount its root, note how it ended.

        The container as recorded then; None if it was not running.
        """
        context = self._context
        async with context.lock(exit.container_id):
            container = context.records.containers.get(exit.container_id)
            if container is None or container.state.status not in ("running", "paused"):
                return None
            stay = self._sandboxes.of(container.id)
            if stay is not None:
                await context.ledger.commit(*stay.in_phase("removing").written())
            context.at("end: records marked")
            await self._clean_up(container, stay)
            context.at("end: cleaned up")
            state = replace(
                container.state,
                status="exited",
                pid=0,
                exit_code=exit.code,
                oom_killed=exit.oom_killed,
                finished=exit.finished or context.clock.now(),
                health=None,
            )
            container = replace(context.records.containers[container.id], state=state)
            await context.ledger.commit(put(container))
        await self._let_go(container)
        await self._linking.follow(container.id)
        attributes = {**Creation.attributes(container), "exitCode": str(exit.code)}
        if exit.oom_killed:
            context.events.emit("container", "oom", container.id, Creation.attributes(container))
        context.events.emit("container", "die", container.id, attributes)
        self._tell_networks("disconnect", stay)
        return container

    async def _let_go(self, container: Container) -> None:
        """The last of those who used a network whose container is away takes the namespace with it."""
        records = self._context.records
        owner = owner_of(records, container)
        if owner is None:
            return
        async with self._context.lock(owner.id):
            stay = self._sandboxes.of(owner.id)
            if stay is not None and stay.sandbox.phase == KEPT and not is_shared(records, owner.id):
                try:
                    await self._sandboxes.leave(stay, owner.name)
                except FairleadError as error:
                    log.error("cannot clean up after container %s: %s", owner.name, error.message)

    async def _clean_up(self, container: Container, stay: Stay | None) -> None:
        """Everything at once, several times if need be; what fails in the end waits for the next start."""
        context = self._context
        work = [lambda: context.runtime.delete(container.id)]
        if stay is not None:
            work.append(lambda: self._sandboxes.leave(stay, container.name))
        await asyncio.gather(*(self._insist(each, container) for each in work))
        await self._insist(lambda: context.images.release(container.id), container)
        await self._insist(lambda: self._volumes.release(container), container)

    async def _insist(self, work: Callable[[], Coroutine[Any, Any, None]], container: Container) -> None:
        await insist(self._context.clock, work, f"cannot clean up after container {container.name}")

    # -- parts -----------------------------------------------------------------------------------

    def tell_network(self, action: str, network_id: str, name: str, driver: str, container_id: str) -> None:
        """Emit a network event about a container."""
        attributes = {"container": container_id, "name": name, "type": driver}
        self._context.events.emit("network", action, network_id, attributes)

    def _network_of(self, attachment: Attachment) -> Network:
        """Its network, by name: it may have been made anew.  Of one that is gone Docker tells the id."""
        try:
            return self._networks.find(attachment.network)
        except NotFound as error:
            raise NotFound(f"network {attachment.network_id or attachment.network} not found") from error

    def _tell_networks(self, action: str, stay: Stay | None) -> None:
        for network, endpoint in stay.asked if stay else ():
            self.tell_network(action, network.id, network.name, network.driver, endpoint.container_id)

    def _namespace(self, stay: Stay) -> str:
        return f"/run/netns/{stay.sandbox.name}" if stay.sandbox.name else ""

    def _shared_network(self, container: Container) -> tuple[Container, str]:
        """Whose files and namespace a container in the mode container:X uses."""
        target = self._references.find(container.host_config.network_mode.partition(":")[2])
        require_joinable(target, target.state.status in ("running", "paused"), container.id)
        if target.host_config.network_mode.startswith("container:"):
            return self._shared_network(target)
        stay = self._sandboxes.of(target.id)
        assert stay is not None, "a running container has a sandbox"
        return target, self._namespace(stay)

    def _joined(self, container: Container) -> dict[str, str]:
        """Paths of other containers' namespaces that it shares."""
        modes = {"ipc": container.host_config.ipc_mode, "pid": container.host_config.pid_mode}
        joined = {}
        for kind, mode in modes.items():
            if mode.startswith("container:"):
                target = self._references.find(mode.partition(":")[2])
                if target.state.status != "running":
                    raise Conflict(f"cannot join {kind.upper()} of a non running container: {target.id}")
                joined[kind] = f"/proc/{target.state.pid}/ns/{kind}"
        return joined

    def _wants_init(self, container: Container) -> bool:
        own = container.host_config.init
        return self._context.settings.init if own is None else own

    async def _fill_volumes(self, container: Container, root: str) -> None:
        for point in container.mounts:
            if point.type == "volume" and point.copy and point.writable:
                await self._context.machine.fill_volume(point.source, root, point.destination)


def _with_ids(
    attachments: tuple[Attachment, ...], attached: list[tuple[Attachment, Network]]
) -> tuple[Attachment, ...]:
    """The attachments, those that were found with the ids of their networks."""
    found = {attachment.network: network.id for attachment, network in attached}
    return tuple(replace(each, network_id=found.get(each.network, "")) for each in attachments)
