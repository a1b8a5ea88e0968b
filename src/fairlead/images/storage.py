"""Images in containers/storage: read from its files, written by its own programs, mounted by mount(2).

The engine, Podman and Buildah share the store.  Image ids are Docker's: the digest of the
configuration.  A repository digest is kept as one more name of the image.
"""

import asyncio
import builtins
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

from fairlead.boundary import Progress
from fairlead.dockerapi.image import created_seconds
from fairlead.dockerapi.reference import Reference, parse_reference
from fairlead.dockerapi.times import rfc3339
from fairlead.images import layers, saving
from fairlead.images.building import BuildahBuilder
from fairlead.images.catalogue import Catalogue, CatalogueReader, StoredImage
from fairlead.images.document import Document, Event, architecture, render_document
from fairlead.images.loading import Packed, contents
from fairlead.images.packing import chain_ids, lay_out
from fairlead.images.progress import Blobs, step
from fairlead.images.registries import Registries
from fairlead.images.registry import Registry
from fairlead.images.roots import Roots
from fairlead.images.sizes import LayerSizes, content_size
from fairlead.images.spool import broken, check_tar, digest_of, spool, writing
from fairlead.images.tools import LineWatcher, Tools, complaint
from fairlead.model.errors import Conflict, Failed, InvalidParameter, NotFound
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

_IN_USE = "image used by"
# What skopeo says when the fault is in what it was given.
_UNUSABLE = ("processing tar file", "Digest did not match", "determining manifest", "unexpected EOF")


class ContainerStorage:
    """The real `Images`.

    Layers and images lie in DATA_ROOT/storage, the storage's locks and flags in
    EXEC_ROOT/storage, roots of containers in DATA_ROOT/roots.
    """

    def __init__(
        self,
        data_root: str | Path,
        exec_root: str | Path,
        insecure_registries: Sequence[str] = (),
        registry_mirrors: Sequence[str] = (),
    ):
        data, run = Path(data_root), Path(exec_root)
        registries = Registries(insecure_registries, registry_mirrors)
        self._tools = Tools(data, run, registries.text())
        self._registries = registries
        self._reader = CatalogueReader(self._tools.graph_root)
        self._sizes = LayerSizes(self._tools.graph_root, data / "layer-sizes.json")
        self._roots = Roots(data / "roots", self._tools.graph_root)
        self._registry = Registry(self._tools, registries)
        self._naming = asyncio.Lock()

    def builder(self) -> BuildahBuilder:
        """Who builds images into this storage."""
        return BuildahBuilder(self._tools, self._reader, self._registries)

    async def list(self) -> Sequence[Image]:
        """Every image, the newest first."""
        catalogue = self._reader.read()
        found = [await self._shown(catalogue, image) for image in catalogue.images.values()]
        return sorted(found, key=lambda image: (-created_seconds(image), image.id))

    async def resolve(self, reference: str) -> Image:
        """The image that a name or an id means.  NotFound in Docker's words."""
        catalogue = self._reader.read()
        return await self._shown(catalogue, catalogue.find(reference))

    async def history(self, image: Image) -> Sequence[HistoryEntry]:
        """Its history, newest first.  Steps that no stored image ends with have no id."""
        catalogue = self._reader.read()
        stored = catalogue.find(image.id)
        chain = builtins.list(catalogue.chain(stored.top_layer))
        await asyncio.to_thread(self._sizes.measure, [layer.id for layer in chain])
        entries = []
        owner: StoredImage | None = stored
        for event in reversed(stored.document.history):
            layer = None if event.empty_layer or not chain else chain.pop(0)
            entries.append(
                HistoryEntry(
                    id=owner.id if owner else "",
                    created=event.seconds,
                    created_by=event.created_by,
                    size=self._sizes.total([layer.id]) or 0 if layer else 0,
                    comment=event.comment,
                    tags=tuple(tag.familiar for tag in owner.tags) if owner else (),
                )
            )
            owner = catalogue.images.get(owner.document.parent) if owner else None
        return entries

    async def pull(
        self, reference: str, credentials: Credentials, progress: Progress, platform: Platform = ANY_PLATFORM
    ) -> Image:
        """Fetch an image from its registry, or without a tag all of its repository; the last one.

        NotFound and Failed in Docker's words.
        """
        wanted = parse_reference(reference)
        if wanted.digest:
            wanted = wanted.with_digest(wanted.digest)
        names = [wanted]
        if not (wanted.tag or wanted.digest):
            names = [wanted.with_tag(tag) for tag in await self._registry.tags(wanted, credentials)]
        if not names:
            raise NotFound(f"repository {wanted.familiar_name} not found: it has no tags")
        owners = [await self._pull_one(name, credentials, progress, platform) for name in names]
        outcome = "Downloaded newer image" if any(new for _, new in owners) else "Image is up to date"
        await progress({"status": f"Status: {outcome} for {wanted.familiar}"})
        return await self.resolve(owners[-1][0])

    async def _pull_one(
        self, name: Reference, credentials: Credentials, progress: Progress, platform: Platform
    ) -> tuple[str, bool]:
        """Fetch one image; its id, and whether the name has it only now."""
        before = self._reader.read()
        digest = await self._registry.pull(name, credentials, before, progress, platform)
        image = before.fetched(digest, platform) or self._reader.read().named(name)
        if image is None:
            raise Failed(f"cannot find {name.familiar} in the image storage after it was pulled")
        await self._name(image.id, *dict.fromkeys((name, name.with_digest(digest))))
        await progress({"status": f"Digest: {digest}"})
        owner = before.named(name)
        return image.id, owner is None or owner.id != image.id

    async def push(self, reference: str, credentials: Credentials, progress: Progress) -> None:
        """Send one tag, or without a tag all tags of the repository.  NotFound if there is none."""
        wanted = parse_reference(reference)
        if wanted.digest:
            raise InvalidParameter("cannot push a digest reference")
        catalogue = self._reader.read()
        await progress({"status": f"The push refers to repository [{wanted.name}]"})
        tags = (wanted,) if wanted.tag else catalogue.repository(wanted.name)
        images = [(tag, catalogue.named(tag)) for tag in tags]
        for tag, image in images or [(wanted, None)]:
            if image is None:
                raise NotFound(f"An image does not exist locally with the tag: {wanted.familiar_name}")
            digest = await self._registry.push(tag, image.document.layers, credentials, progress)
            await self._name(image.id, tag.with_digest(digest))

    async def look_up(self, reference: str, credentials: Credentials) -> Distribution:
        """What the registry has under a reference.  NotFound and Failed in the registry's words."""
        return await self._registry.look_up(parse_reference(reference).with_default_tag(), credentials)

    async def authenticate(self, credentials: Credentials) -> None:
        """Ask the registry whether it takes them; Unauthorized if not."""
        await self._registry.authenticate(credentials)

    async def load(self, archive: AsyncIterator[bytes], progress: Progress) -> None:
        """Take in every image of an archive.  InvalidParameter if it is unusable."""
        async with self._tools.scratch() as scratch:
            path = await spool(archive, scratch)
            for packed in await asyncio.to_thread(contents, path, scratch):
                await self._load_one(packed, scratch, progress)

    def save(self, references: Sequence[str]) -> AsyncIterator[bytes]:
        """An archive of these images.  NotFound before the first byte."""
        return saving.archive(self._tools, self._reader, references)

    async def import_(
        self, archive: AsyncIterator[bytes], reference: str, message: str, config: ImageConfig
    ) -> Image:
        """A new image whose one layer is a root filesystem.  InvalidParameter for a damaged archive."""
        name = _new_name(reference) if reference else None
        async with self._tools.scratch() as scratch:
            path = await spool(archive, scratch)
            await asyncio.to_thread(check_tar, path)
            digest = await asyncio.to_thread(digest_of, path)
            path.rename(scratch / digest.removeprefix("sha256:"))
            document = _new_document(config, (digest,), "", message)
            document = replace(document, history=(Event(document.created, comment=message),))
            return await self._store(scratch, document, (), name)

    async def tag(self, image: Image, reference: str) -> None:
        """Give an image one more name, which another image loses.  InvalidParameter in Docker's words."""
        await self._name(image.id, _new_name(reference))

    async def untag(self, reference: str) -> None:
        """Take one name away; with the last tag of a repository go its digests.  NotFound for no name."""
        wanted = parse_reference(reference).with_default_tag()
        async with self._naming:
            image = self._reader.read().named(wanted)
            if image is None:
                raise NotFound(f"No such image: {wanted.familiar}")
            gone = wanted.with_digest(wanted.digest) if wanted.digest else wanted
            kept = [name for name in (*image.tags, *image.named_digests) if name != gone]
            if not any(name.name == gone.name and name.tag for name in kept) and not wanted.digest:
                kept = [name for name in kept if name.name != gone.name]
            options = [f"--name={name}" for name in kept]
            await self._tools.storage("set-names", *options, image.id)

    async def remove(self, image: Image) -> Sequence[str]:
        """Delete an image and the layers that nothing else needs.

        Conflict if a container that is not the engine's own, Podman's for one, is made of it.
        """
        before = self._reader.read()
        stored = before.find(image.id)
        chain = before.chain(stored.top_layer)
        try:
            await self._tools.storage("delete-image", stored.id)
        except Failed as error:
            if _IN_USE in error.message:
                raise Conflict(
                    f"conflict: unable to delete {image.id[:12]} (cannot be forced) - image is being used "
                    "by a container of another engine in the same storage"
                ) from error
            raise
        left = self._reader.read().layers
        gone = [layer.id for layer in chain if layer.id not in left]
        await self._roots.forget_bases(gone)
        identities = chain_ids(stored.document.layers)[::-1]
        return [f"sha256:{image.id}", *identities[: len(gone)]]

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
        """A new image of the parent's layers and the container's changes."""
        name = _new_name(reference) if reference else None
        catalogue = self._reader.read()
        below = catalogue.find(parent.id)
        chain = catalogue.chain(below.top_layer)[::-1]
        sizes = [layer.diff_size for layer in chain]
        async with self._tools.scratch() as scratch:
            unnamed = scratch / "layer"
            with writing("cannot keep the changes of the container"):
                digest = await asyncio.to_thread(layers.write_layer, root.upper, unnamed)
            unnamed.rename(scratch / digest.removeprefix("sha256:"))
            document = _new_document(config, (*below.document.layers, digest), author, comment)
            command = " ".join((origin.command if origin else ()) or config.cmd or ())
            event = Event(document.created, command, author, comment)
            history = (*below.document.history, event)
            document = replace(document, parent=below.id, origin=origin, history=history)
            stored = tuple(zip(below.document.layers, sizes, strict=True))
            return await self._store(scratch, document, stored, name)

    async def prepare(self, container_id: str, image: Image) -> RootFilesystem:
        """The container's root, mounted; made of the image if there is none yet."""
        chain = self._reader.read().chain(image.top_layer)
        return await self._roots.prepare(container_id, chain)

    async def root(self, container_id: str) -> RootFilesystem:
        """The root of a container that has one, mounted.  NotFound if it has none."""
        return await self._roots.root(container_id)

    async def release(self, container_id: str) -> None:
        """Unmount the container's root; its changes stay."""
        await self._roots.release(container_id)

    async def discard(self, container_id: str) -> None:
        """Unmount and delete the container's root.  Fine when there is none."""
        await self._roots.discard(container_id)

    async def changes(self, root: RootFilesystem) -> Sequence[tuple[str, int]]:
        """What differs from the image: (path, 0 modified, 1 added, 2 deleted)."""
        return await asyncio.to_thread(layers.changed_paths, root.upper, root.lower)

    async def size(self, root: RootFilesystem) -> int:
        """Bytes of the files in the container's own layer."""
        return await asyncio.to_thread(content_size, root.upper)

    async def _shown(self, catalogue: Catalogue, stored: StoredImage) -> Image:
        chain = [layer.id for layer in catalogue.chain(stored.top_layer)]
        size = self._sizes.total(chain)
        if size is None:
            await asyncio.to_thread(self._sizes.measure, chain)
            size = self._sizes.total(chain) or 0
        document = stored.document
        return Image(
            id=stored.id,
            tags=tuple(tag.familiar for tag in stored.tags),
            digests=tuple(digest.familiar for digest in stored.digests),
            created=document.created,
            size=size,
            config=document.config,
            architecture=document.architecture,
            os=document.os,
            author=document.author,
            comment=document.comment,
            parent=document.parent,
            docker_version=document.docker_version,
            layers=document.layers,
            top_layer=stored.top_layer,
            layer_sizes={layer: self._sizes.total([layer]) or 0 for layer in chain},
            origin=document.origin,
        )

    async def _name(self, identity: str, *names: Reference) -> None:
        """Add names to an image; those of others move to it."""
        async with self._naming:
            await self._tools.storage("add-names", *(f"--name={name}" for name in names), identity)

    async def _load_one(self, packed: Packed, scratch: Path, progress: Progress) -> None:
        before = self._reader.read()
        blobs = Blobs()

        async def watch(line: str) -> None:
            blob = blobs.take(line)
            if blob is not None and blob.total:
                await progress(step("Loading layer", blob.digits, blob.current, blob.total))

        await self._copy_in(scratch, packed.source, packed.id, watch)
        for name in packed.names:
            owner = before.named(name)
            if owner is not None and owner.id != packed.id:
                told = f"The image {name.familiar} already exists, renaming the old one with ID "
                await progress({"stream": f"{told}sha256:{owner.id} to empty string\n"})
        if packed.names:
            await self._name(packed.id, *packed.names)
        for name in packed.names:
            await progress({"stream": f"Loaded image: {name.familiar}\n"})
        if not packed.names:
            await progress({"stream": f"Loaded image ID: sha256:{packed.id}\n"})

    async def _copy_in(self, scratch: Path, source: str, identity: str, watch: LineWatcher | None) -> None:
        """Copy an image from disk into the storage, without a name.

        InvalidParameter if the image is unusable, Failed if the storage is.
        """
        finished = await self._tools.copy(scratch, source, f"containers-storage:@{identity}", watch=watch)
        if not finished.code:
            return
        reason = complaint(finished)
        if any(words in reason for words in _UNUSABLE):
            raise broken(reason)
        raise Failed(f"cannot store the image: {reason}")

    async def _store(
        self,
        scratch: Path,
        document: Document,
        below: Sequence[tuple[str, int]],
        name: Reference | None,
    ) -> Image:
        """Store a new image whose top layer lies in the scratch directory."""
        new = document.layers[-1]
        size = (scratch / new.removeprefix("sha256:")).stat().st_size
        identity = lay_out(scratch, render_document(document), (*below, (new, size)))
        await self._copy_in(scratch, f"dir:{scratch}", identity, None)
        if name is not None:
            await self._name(identity, name)
        return await self.resolve(identity)


def _new_document(config: ImageConfig, diff_ids: tuple[str, ...], author: str, comment: str) -> Document:
    return Document(
        config=config,
        layers=diff_ids,
        created=rfc3339(time.time_ns()),
        architecture=architecture(),
        os="linux",
        author=author,
        comment=comment,
    )


def _new_name(text: str) -> Reference:
    """The name for an image.  InvalidParameter for one that no image may get."""
    name = parse_reference(text)
    if name.digest:
        raise InvalidParameter("refusing to create a tag with a digest reference")
    if name.familiar_name == "sha256":
        raise InvalidParameter("refusing to create an ambiguous tag using digest algorithm as name")
    return name.with_default_tag()
