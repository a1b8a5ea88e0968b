"""Builds of images: a builder's commands run on a network of ours, like a container's.

A build's place on its network belongs to a container that never gets settled: no list shows it,
and the next start takes away what a killed engine left of it.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace

from fairlead.boundary import Progress
from fairlead.boundary.build import Builder
from fairlead.engine.context import Context
from fairlead.engine.defaults import complete
from fairlead.engine.files import Files
from fairlead.engine.hostfiles import parse_resolv_conf
from fairlead.engine.imagestore import ImageStore
from fairlead.engine.insisting import insist
from fairlead.engine.ledger import put
from fairlead.engine.networks import Networks
from fairlead.engine.references import References
from fairlead.engine.removal import Removal
from fairlead.engine.sandboxes import Sandboxes
from fairlead.model.build import BuildPlace, BuildRequest
from fairlead.model.container import Config, Container, HostConfig
from fairlead.model.endpoint import Attachment
from fairlead.model.errors import Conflict, Unsupported


class Builds:
    """Builds images."""

    def __init__(
        self,
        context: Context,
        builder: Builder | None,
        images: ImageStore,
        references: References,
        networks: Networks,
        sandboxes: Sandboxes,
        files: Files,
        removal: Removal,
    ):
        self._context = context
        self._builder = builder
        self._images = images
        self._references = references
        self._networks = networks
        self._sandboxes = sandboxes
        self._files = files
        self._removal = removal

    async def begin(self) -> None:
        """Clear what builds of a killed engine left in the storage."""
        if self._builder is not None:
            await self._builder.clear()

    async def build(self, request: BuildRequest, upload: AsyncIterator[bytes], progress: Progress) -> str:
        """Build an image and give it its names; its id.  Errors in Docker's words."""
        if self._builder is None:
            raise Unsupported("cannot build images: this engine has no builder")
        identity = self._context.new_id()
        image_id = await self._builder.build(
            identity, request, upload, lambda: self._place(identity, request), progress
        )
        for tag in request.tags:
            await self._images.tag(image_id, tag)
        return image_id

    @asynccontextmanager
    async def _place(self, identity: str, request: BuildRequest) -> AsyncIterator[BuildPlace]:
        """Where the commands run, as long as the block lasts."""
        mode = "bridge" if request.network_mode == "default" else request.network_mode
        if mode == "bridge" and self._context.settings.bridge == "none":
            mode = "none"  # with --bridge=none whoever names no network has none
        if mode in ("host", "none"):
            yield BuildPlace(mode)
        elif mode.startswith("container:"):
            yield await self._joined(mode.partition(":")[2])
        else:
            async with AsyncExitStack() as undo:
                undo.push_async_callback(self._take_away, identity)
                yield await self._enter(identity, mode, undo)

    async def _take_away(self, identity: str) -> None:
        """Nobody sees what is left of a build, to remove it: what fails is tried again."""
        await insist(
            self._context.clock,
            lambda: self._removal.take_away(identity, False),
            "cannot take away the network of a build",
        )

    async def _joined(self, name: str) -> BuildPlace:
        target = self._references.find(name)
        stay = self._sandboxes.of(target.id)
        if stay is None or not target.state.running:
            raise Conflict(f"cannot join network of a non running container: {target.id}")
        if not stay.sandbox.name:
            return BuildPlace("host")
        return await self._reached(target, stay.sandbox.name)

    async def _enter(self, identity: str, mode: str, undo: AsyncExitStack) -> BuildPlace:
        """A sandbox with an endpoint on the network; records first, as with every container."""
        context = self._context
        network = self._networks.find(mode)
        attachment = Attachment(network.name, network_id=network.id)
        container = Container(
            id=identity,
            name=f"build-{identity[:12]}",
            created=context.clock.now(),
            image_id="",
            config=Config(hostname=identity[:12]),
            host_config=complete(HostConfig(network_mode=network.name), context.settings),
            attachments=(attachment,),
            sequence=context.ledger.next_sequence(),
        )
        await context.ledger.commit(put(container))
        context.at("build: record pending")
        stay = await self._sandboxes.allocate(container, [(attachment, network)])
        undo.push_async_callback(self._sandboxes.overlays.leave, stay.places)
        await context.ledger.commit(put(replace(container, sandbox_id=stay.sandbox.id)), *stay.written())
        self._sandboxes.overlays.settle(stay.places)
        await self._files.write(container, stay)
        await self._sandboxes.join(stay, container.name)
        context.at("build: joined")
        await context.ledger.commit(*stay.in_phase("settled").written())
        return await self._reached(container, stay.sandbox.name)

    async def _reached(self, container: Container, namespace: str) -> BuildPlace:
        text = await self._context.machine.read_file(container.id, "resolv.conf")
        known = parse_resolv_conf(text)
        return BuildPlace("", f"/run/netns/{namespace}", known.servers, known.search, known.options)
