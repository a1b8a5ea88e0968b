"""Images as users handle them: who uses one, what goes with one, what is told about it."""

from collections.abc import AsyncIterator, Callable, Sequence

from fairlead.boundary import Progress
from fairlead.dockerapi.reference import parse_reference
from fairlead.engine.changes import apply_changes
from fairlead.engine.context import Context
from fairlead.model.container import Container
from fairlead.model.errors import Conflict, NotFound
from fairlead.model.image import (
    ANY_PLATFORM,
    Credentials,
    Distribution,
    HistoryEntry,
    Image,
    ImageConfig,
    Platform,
)
from fairlead.model.views import ImageView

Deleted = tuple[str, str]  # ("Untagged" or "Deleted", what)


class ImageStore:
    """Lists, fetches, names and removes images."""

    def __init__(self, context: Context):
        self._context = context

    async def list(self) -> Sequence[ImageView]:
        """All images with the number of containers that use them."""
        images = await self._context.images.list()
        return [ImageView(image, len(self._users(image))) for image in images]

    async def inspect(self, reference: str) -> Image:
        """One image.  NotFound in Docker's words."""
        return await self._context.images.resolve(reference)

    async def history(self, reference: str) -> Sequence[HistoryEntry]:
        """Its layers, newest first."""
        return await self._context.images.history(await self.inspect(reference))

    async def pull(
        self, reference: str, credentials: Credentials, progress: Progress, platform: Platform = ANY_PLATFORM
    ) -> None:
        """Fetch an image from a registry."""
        image = await self._context.images.pull(reference, credentials, progress, platform)
        self._tell("pull", reference, image)

    async def push(self, reference: str, credentials: Credentials, progress: Progress) -> None:
        """Send an image to a registry."""
        await self._context.images.push(reference, credentials, progress)
        try:
            image = await self.inspect(reference)
        except NotFound:
            return  # every tag of a repository was sent, and none of them is called latest
        self._tell("push", reference, image)

    async def authenticate(self, credentials: Credentials) -> None:
        """Ask the registry whether it takes them.  Unauthorized if not."""
        await self._context.images.authenticate(credentials)

    async def look_up(self, reference: str, credentials: Credentials) -> Distribution:
        """What a registry has under a reference.  NotFound if nothing."""
        return await self._context.images.look_up(reference, credentials)

    async def load(self, archive: AsyncIterator[bytes], progress: Progress) -> None:
        """Take in an archive."""
        await self._context.images.load(archive, progress)

    async def save(self, references: Sequence[str]) -> AsyncIterator[bytes]:
        """An archive of these images; NotFound before anything is sent."""
        for reference in references:
            await self.inspect(reference)
        return self._context.images.save(references)

    async def import_(
        self, archive: AsyncIterator[bytes], reference: str, message: str, changes: Sequence[str]
    ) -> Image:
        """A new image from a root filesystem."""
        config = apply_changes(ImageConfig(), changes)
        image = await self._context.images.import_(archive, reference, message, config)
        self._tell("import", reference or image.id, image)
        return image

    async def tag(self, reference: str, name: str) -> None:
        """Give an image one more name."""
        image = await self.inspect(reference)
        await self._context.images.tag(image, name)
        self._tell("tag", name, image)

    async def remove(self, reference: str, force: bool = False, prune: bool = True) -> Sequence[Deleted]:
        """Take a name away, and the image with its last one.  Conflict names the container that uses it."""
        image = await self.inspect(reference)
        names = (*image.tags, *image.digests)
        by_id = image.id.startswith(reference.removeprefix("sha256:"))
        if by_id and len(image.tags) > 1 and not force:
            raise Conflict(
                f"conflict: unable to delete {image.id[:12]} (must be forced) - image is referenced in "
                "multiple repositories"
            )
        untagged = image.tags if by_id else tuple(name for name in names if _same(name, reference))
        along = image.digests if by_id else _digests_of_last_tags(image, untagged)
        last = set(names) == {*untagged, *along}
        if last:
            self._require_unused(image, reference, by_id, force)
        told: list[Deleted] = []
        for name in untagged:
            if not last:
                await self._context.images.untag(name)
            told.append(("Untagged", name))
            self._tell("untag", image.id, image)
        told += [("Untagged", digest) for digest in along]
        if last and not self._users(image):
            told += await self._delete(image, prune)
        elif last:
            for name in untagged:
                await self._context.images.untag(name)
        return told

    def _require_unused(self, image: Image, reference: str, by_id: bool, force: bool) -> None:
        for container in self._users(image):
            running = container.state.running
            if force and not running:
                continue
            kind = "running" if running else "stopped"
            how = "cannot be forced" if running and by_id else "must force" if not by_id else "must be forced"
            if by_id:
                raise Conflict(
                    f"conflict: unable to delete {image.id[:12]} ({how}) - image is being used by {kind} "
                    f"container {container.id[:12]}"
                )
            if not force:
                raise Conflict(
                    f'conflict: unable to remove repository reference "{reference}" ({how}) - container '
                    f"{container.id[:12]} is using its referenced image {image.id[:12]}"
                )

    async def prune(self, chosen: Callable[[ImageView], bool]) -> tuple[Sequence[Deleted], int]:
        """Remove every chosen image that no container uses; what went, and bytes set free."""
        told: list[Deleted] = []
        space = 0
        for view in await self.list():
            if view.containers or not chosen(view):
                continue
            space += view.image.size
            try:
                told += [("Untagged", tag) for tag in view.image.tags]
                told += await self._delete(view.image, prune=True)
            except NotFound:
                continue
        self._context.events.emit("image", "prune", "", {"reclaimed": str(space)})
        return told, space

    async def _delete(self, image: Image, prune: bool) -> Sequence[Deleted]:
        """Delete an image and, with `prune`, the nameless ones it was made of that nothing else needs."""
        told: list[Deleted] = [("Deleted", each) for each in await self._context.images.remove(image)]
        self._tell("delete", image.id, image)
        if not (prune and image.parent):
            return told
        images = await self._context.images.list()
        parent = next((each for each in images if each.id == image.parent), None)
        needed = parent is None or parent.tags or parent.digests or self._users(parent)
        if parent is None or needed or any(each.parent == parent.id for each in images):
            return told
        try:
            return [*told, *await self._delete(parent, prune)]
        except Conflict:
            return told

    def _users(self, image: Image) -> Sequence[Container]:
        containers = self._context.records.containers.values()
        return [container for container in containers if container.image_id == image.id]

    def _tell(self, action: str, identity: str, image: Image) -> None:
        attributes = {**image.config.labels, "name": identity}
        shown = identity if action in ("pull", "push") else f"sha256:{image.id}"
        self._context.events.emit("image", action, shown, attributes)


def _digests_of_last_tags(image: Image, untagged: Sequence[str]) -> tuple[str, ...]:
    """The digests of repositories that lose their last tag, and so go with it."""
    kept = {parse_reference(tag).name for tag in image.tags if tag not in untagged}
    gone = {parse_reference(tag).name for tag in image.tags if tag in untagged} - kept
    return tuple(each for each in image.digests if parse_reference(each).name in gone)


def _same(tag: str, reference: str) -> bool:
    """Whether a familiar name is the one meant: with its tag, or without it for latest."""
    wanted = reference.removeprefix("docker.io/").removeprefix("library/")
    return tag in (wanted, f"{wanted}:latest")
