"""Paths inside containers, running or not: `docker cp`, export, diff and commit."""

import posixpath
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress

from fairlead.engine.changes import apply_changes, image_config
from fairlead.engine.context import Context
from fairlead.engine.creation import Creation
from fairlead.engine.defaults import merge_image
from fairlead.engine.references import References
from fairlead.model.commands import CommitContainer
from fairlead.model.container import Container, PathStat
from fairlead.model.errors import NotFound
from fairlead.model.image import Image, Origin, RootFilesystem


class ContainerArchives:
    """Reads and writes the root filesystems of containers."""

    def __init__(self, context: Context, references: References):
        self._context = context
        self._references = references

    @asynccontextmanager
    async def _root(self, container: Container) -> AsyncIterator[RootFilesystem]:
        """The container's root, mounted as long as it is used."""
        images = self._context.images
        async with self._context.lock(container.id):
            root = await images.root(container.id)
        try:
            yield root
        finally:
            async with self._context.lock(container.id):
                now = self._context.records.containers.get(container.id)
                if now is not None and not now.state.running:
                    await images.release(container.id)

    @asynccontextmanager
    async def _view(self, container: Container, path: str) -> AsyncIterator[tuple[str, str]]:
        """Where a path of the container is found: a root, and the path below it.

        A running container is seen through its process, volumes and all; of one that does not run
        the mounts are looked up here.
        """
        try:
            if container.state.status in ("running", "paused"):
                yield f"/proc/{container.state.pid}/root", path
                return
            mounted = _mounted(container, path)
            if mounted is not None:
                yield mounted
                return
            async with self._root(container) as root:
                yield root.path, path
        except NotFound as error:
            raise NotFound(f"{error.message} in container {container.name}") from error

    async def stat_path(self, reference: str, path: str) -> PathStat:
        """What is at a path.  NotFound if nothing."""
        async with self._view(self._references.find(reference), path) as (root, inside):
            return await self._context.archives.stat(root, inside)

    async def get_archive(self, reference: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """What is at a path, and a tar of it."""
        container = self._references.find(reference)
        stat = await self.stat_path(reference, path)
        self._context.events.emit("container", "archive-path", container.id, Creation.attributes(container))

        async def content() -> AsyncIterator[bytes]:
            async with self._view(container, path) as (root, inside):
                _, pieces = await self._context.archives.get(root, inside)
                async for piece in pieces:
                    yield piece

        return stat, content()

    async def put_archive(
        self,
        reference: str,
        path: str,
        archive: AsyncIterator[bytes],
        no_overwrite_dir_non_dir: bool,
        copy_owner: bool,
    ) -> None:
        """Unpack a tar at a path."""
        container = self._references.find(reference)
        async with self._view(container, path) as (root, inside):
            await self._context.archives.put(root, inside, archive, no_overwrite_dir_non_dir, copy_owner)
        self._context.events.emit("container", "extract-to-dir", container.id, Creation.attributes(container))

    async def export(self, reference: str) -> AsyncIterator[bytes]:
        """A tar of the whole root, without volumes."""
        container = self._references.find(reference)
        self._context.events.emit("container", "export", container.id, Creation.attributes(container))

        async def content() -> AsyncIterator[bytes]:
            async with self._root(container) as root:
                async for piece in await self._context.archives.export(root.path):
                    yield piece

        return content()

    async def changes(self, reference: str) -> Sequence[tuple[str, int]]:
        """Paths changed against the image."""
        async with self._root(self._references.find(reference)) as root:
            return await self._context.images.changes(root)

    async def size(self, container: Container) -> tuple[int, int]:
        """Bytes of the container's own layer, and with its image."""
        async with self._root(container) as root:
            own = await self._context.images.size(root)
        image = await self._context.images.resolve(container.image_id)
        return own, own + image.size

    @asynccontextmanager
    async def _still(self, container: Container) -> AsyncIterator[None]:
        """The processes of a running container frozen; one that ends meanwhile stands still as well."""
        runtime = self._context.runtime
        frozen = container.state.status == "running"
        if frozen:
            try:
                await runtime.pause(container.id)
            except NotFound:
                frozen = False
        try:
            yield
        finally:
            if frozen:
                with suppress(NotFound):
                    await runtime.unpause(container.id)

    async def commit(self, reference: str, request: CommitContainer) -> Image:
        """A new image of the container as it is now; it stands still meanwhile if asked to."""
        context = self._context
        container = self._references.find(reference)
        own, given = container.config, request.config
        # What a request says comes before what the container has, as with an image and a container.
        config = image_config(merge_image(given, image_config(own)) if given else own)
        config = apply_changes(config, request.changes)
        parent = await context.images.resolve(container.image_id)
        async with self._still(container) if request.pause else nullcontext():
            async with self._root(container) as root:
                image = await context.images.commit(
                    root,
                    parent,
                    request.reference,
                    config,
                    request.author,
                    request.comment,
                    Origin(container.id, container.config.image, container.config.cmd or ()),
                )
        attributes = {**Creation.attributes(container), "comment": request.comment, "imageID": image.id}
        context.events.emit("container", "commit", container.id, attributes)
        return image


def _mounted(container: Container, path: str) -> tuple[str, str] | None:
    """The directory of the host that is mounted nearest above a path, and the path in it."""
    wanted = posixpath.normpath("/" + path.lstrip("/"))
    points = [
        point
        for point in container.mounts
        if point.source and (wanted == point.destination or wanted.startswith(point.destination + "/"))
    ]
    if not points:
        return None
    nearest = max(points, key=lambda point: len(point.destination))
    below = wanted.removeprefix(nearest.destination).lstrip("/")
    if not below and not path.endswith("/."):
        # The mount point itself: the directory by its name, not what is in it.
        parent, name = posixpath.split(nearest.source)
        return parent, f"/{name}"
    return nearest.source, f"/{below}" + ("/." if path.endswith("/.") else "")
