"""Images, root filesystems, and paths inside them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from fairlead.model.container import PathStat
from fairlead.model.image import (
    ANY_PLATFORM,
    Credentials,
    Distribution,
    HistoryEntry,
    Image,
    ImageConfig,
    Origin,
    Platform,
    RootFilesystem,
)

Progress = Callable[[Mapping[str, object]], Awaitable[None]]


class Images(Protocol):
    """Images and the root filesystems made from them."""

    async def list(self) -> Sequence[Image]:
        """Every image."""
        ...

    async def resolve(self, reference: str) -> Image:
        """The image by name, name@digest, id or unambiguous id prefix; NotFound as `No such image: X`."""
        ...

    async def history(self, image: Image) -> Sequence[HistoryEntry]:
        """Its layers, newest first."""
        ...

    async def pull(
        self, reference: str, credentials: Credentials, progress: Progress, platform: Platform = ANY_PLATFORM
    ) -> Image:
        """Fetch from a registry, for a platform; progress gets Docker's JSON messages as mappings."""
        ...

    async def push(self, reference: str, credentials: Credentials, progress: Progress) -> None:
        """Send to a registry."""
        ...

    async def authenticate(self, credentials: Credentials) -> None:
        """Ask the registry whether it takes them; Unauthorized if not."""
        ...

    async def look_up(self, reference: str, credentials: Credentials) -> Distribution:
        """What a registry has under a reference, without fetching it; NotFound if nothing."""
        ...

    async def load(self, archive: AsyncIterator[bytes], progress: Progress) -> None:
        """Take in a `docker save` archive (plain or compressed)."""
        ...

    def save(self, references: Sequence[str]) -> AsyncIterator[bytes]:
        """A `docker save` archive of these images."""
        ...

    async def import_(
        self, archive: AsyncIterator[bytes], reference: str, message: str, config: ImageConfig
    ) -> Image:
        """A new image of one layer from a root filesystem tar."""
        ...

    async def tag(self, image: Image, reference: str) -> None:
        """Give it one more name."""
        ...

    async def untag(self, reference: str) -> None:
        """Take one name away."""
        ...

    async def remove(self, image: Image) -> Sequence[str]:
        """Delete it with the layers nobody else needs; what was deleted, "sha256:..." each."""
        ...

    async def commit(
        self,
        root: RootFilesystem,
        parent: Image,
        reference: str,
        config: ImageConfig,
        author: str,
        comment: str,
        origin: Origin | None = None,
    ) -> Image:
        """A new image from a container's changes; its history says the origin's command, else its own."""
        ...

    async def prepare(self, container_id: str, image: Image) -> RootFilesystem:
        """The container's root, mounted; the same again when it is already there."""
        ...

    async def root(self, container_id: str) -> RootFilesystem:
        """The root of a container made before (mounted if it is not); NotFound if there is none."""
        ...

    async def release(self, container_id: str) -> None:
        """Unmount the container's root; its changes stay."""
        ...

    async def discard(self, container_id: str) -> None:
        """Unmount and delete the container's root and changes.  Fine when there is nothing."""
        ...

    async def changes(self, root: RootFilesystem) -> Sequence[tuple[str, int]]:
        """Paths changed against the image: (path, 0 modified, 1 added, 2 deleted)."""
        ...

    async def size(self, root: RootFilesystem) -> int:
        """Bytes in the container's own layer."""
        ...


class Archives(Protocol):
    """Paths inside a root filesystem, as tar streams; links never lead out of the root."""

    async def stat(self, root: str, path: str) -> PathStat:
        """What is at the path; NotFound if nothing."""
        ...

    async def get(self, root: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """A tar of the path, named as its last component."""
        ...

    async def put(
        self,
        root: str,
        path: str,
        archive: AsyncIterator[bytes],
        no_overwrite_dir_non_dir: bool,
        copy_owner: bool,
    ) -> None:
        """Unpack a tar (plain or compressed) into a directory inside the root."""
        ...

    async def export(self, root: str) -> AsyncIterator[bytes]:
        """A tar of the whole root."""
        ...
