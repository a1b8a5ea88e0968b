"""Images in memory, and roots as plain directories (no mounts): layers are kept as the tars they are.

A `FakeRegistry` may be shared by several stores, as registries are.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import stat
import tarfile
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from fairlead.boundary import Progress
from fairlead.dockerapi.image import created_seconds
from fairlead.dockerapi.reference import Reference, image_id, parse_reference
from fairlead.images.document import Document, Event, parse_document, render_document
from fairlead.images.packing import chain_ids
from fairlead.model.errors import InvalidParameter, NotFound, Unauthorized
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

_CREATED = "2024-05-06T07:08:09Z"
_BROKEN = "Error processing tar file(exit status 1): unexpected EOF"


@dataclass(frozen=True, slots=True)
class Stored:
    """A configuration and the layers that it names, lowest first."""

    text: bytes
    layers: tuple[bytes, ...]

    @property
    def id(self) -> str:
        return hashlib.sha256(self.text).hexdigest()

    @property
    def document(self) -> Document:
        return parse_document(self.text)


@dataclass(slots=True)
class FakeRegistry:
    """What has been pushed, by full name with tag or digest."""

    manifests: dict[str, Stored] = field(default_factory=dict)
    user: str = "anna"
    password: str = "secret"

    def digest(self, stored: Stored) -> str:
        """The digest of an image's manifest."""
        return "sha256:" + hashlib.sha256(b"manifest of " + stored.text).hexdigest()


class FakeImages:
    """boundary.Images."""

    def __init__(self, directory: Path, registry: FakeRegistry | None = None):
        self._directory = directory
        self._registry = registry or FakeRegistry()
        self._images: dict[str, Stored] = {}
        self._names: dict[str, str] = {}  # full references, with a tag or a digest, to ids
        self.mounted: set[str] = set()

    async def list(self) -> Sequence[Image]:
        shown = [self._shown(stored) for stored in self._images.values()]
        return sorted(shown, key=lambda image: (-created_seconds(image), image.id))

    async def resolve(self, reference: str) -> Image:
        return self._shown(self._find(reference))

    async def history(self, image: Image) -> Sequence[HistoryEntry]:
        stored: Stored | None = self._find(image.id)
        assert stored is not None
        layers, entries = [*stored.layers], []
        for event in reversed(stored.document.history):
            size = 0 if event.empty_layer else _content_size([layers.pop()])
            tags = self._shown(stored).tags if stored else ()
            entries.append(
                HistoryEntry(
                    stored.id if stored else "", event.seconds, event.created_by, size, event.comment, tags
                )
            )
            stored = self._images.get(stored.document.parent) if stored else None
        return entries

    async def pull(
        self, reference: str, credentials: Credentials, progress: Progress, platform: Platform = ANY_PLATFORM
    ) -> Image:
        wanted = parse_reference(reference)
        names = [wanted.with_digest(wanted.digest)] if wanted.digest else [wanted]
        if not (wanted.tag or wanted.digest):
            known = [parse_reference(name) for name in self._registry.manifests]
            names = [name for name in known if name.tag and name.name == wanted.name]
            if not names:
                reason = "name unknown: repository name not known to registry"
                raise NotFound(f"repository {wanted.familiar_name} not found: {reason}")
        fresh = False
        for name in names:
            stored = self._registry.manifests.get(str(name))
            if stored is None:
                reason = "manifest unknown: manifest unknown"
                raise NotFound(f"manifest for {name.familiar} not found: {reason}")
            await progress({"status": f"Pulling from {name.path}", "id": name.tag or name.familiar})
            fresh = fresh or self._names.get(str(name)) != stored.id
            digest = self._registry.digest(stored)
            self._keep(stored, (name, name.with_digest(digest)))
            await progress({"status": f"Digest: {digest}"})
        outcome = "Downloaded newer image" if fresh else "Image is up to date"
        shown = names[0].familiar if wanted.digest else wanted.familiar
        await progress({"status": f"Status: {outcome} for {shown}"})
        return self._shown(stored)

    async def push(self, reference: str, credentials: Credentials, progress: Progress) -> None:
        wanted = parse_reference(reference)
        await progress({"status": f"The push refers to repository [{wanted.name}]"})
        tags = [wanted] if wanted.tag else self._tags(wanted.name)
        for tag in tags or [wanted]:
            identity = self._names.get(str(tag))
            if identity is None:
                raise NotFound(f"An image does not exist locally with the tag: {wanted.familiar_name}")
            stored = self._images[identity]
            digest = self._registry.digest(stored)
            self._registry.manifests[str(tag)] = stored
            self._registry.manifests[str(tag.with_digest(digest))] = stored
            self._names[str(tag.with_digest(digest))] = identity
            size = len(stored.text)
            await progress({"status": f"{tag.tag}: digest: {digest} size: {size}"})
            await progress({"progressDetail": {}, "aux": {"Tag": tag.tag, "Digest": digest, "Size": size}})

    async def look_up(self, reference: str, credentials: Credentials) -> Distribution:
        stored = self._registry.manifests.get(str(parse_reference(reference).with_default_tag()))
        if stored is None:
            raise NotFound("manifest unknown: manifest unknown")
        document = stored.document
        return Distribution(
            "application/vnd.docker.distribution.manifest.v2+json",
            self._registry.digest(stored),
            len(stored.text),
            (Platform(document.architecture, document.os),),
        )

    async def authenticate(self, credentials: Credentials) -> None:
        if (credentials.username, credentials.password) != (self._registry.user, self._registry.password):
            place = f"http://{credentials.server}/v2/"
            raise Unauthorized(f"login attempt to {place} failed with status: 401 Unauthorized")

    async def load(self, archive: AsyncIterator[bytes], progress: Progress) -> None:
        for stored, names in _read_archive(_plain(b"".join([piece async for piece in archive]))):
            for name in names:
                old = self._names.get(str(name))
                if old not in (None, stored.id):
                    told = f"The image {name.familiar} already exists, renaming the old one with ID "
                    await progress({"stream": f"{told}sha256:{old} to empty string\n"})
            self._keep(stored, names)
            for name in names:
                await progress({"stream": f"Loaded image: {name.familiar}\n"})
            if not names:
                await progress({"stream": f"Loaded image ID: sha256:{stored.id}\n"})

    async def save(self, references: Sequence[str]) -> AsyncIterator[bytes]:
        chosen: dict[str, list[str]] = {}
        for text in references:
            stored = None
            if image_id(text) is None:
                reference = parse_reference(text)
                tags = [reference] if reference.tag else self._tags(reference.name)
                for tag in tags if str(tags and tags[0]) in self._names else ():
                    stored = self._images[self._names[str(tag)]]
                    chosen.setdefault(stored.id, []).append(tag.familiar)
            if stored is None:
                chosen.setdefault(self._find(text).id, [])
        files, manifest = {}, []
        for identity, names in chosen.items():
            stored = self._images[identity]
            digests = [layer.removeprefix("sha256:") for layer in stored.document.layers]
            files[f"{identity}.json"] = stored.text
            files |= {f"{d}/layer.tar": layer for d, layer in zip(digests, stored.layers, strict=True)}
            paths = [f"{digest}/layer.tar" for digest in digests]
            manifest.append({"Config": f"{identity}.json", "RepoTags": names or None, "Layers": paths})
        files["manifest.json"] = json.dumps(manifest).encode()
        yield _tar(files)

    async def import_(
        self, archive: AsyncIterator[bytes], reference: str, message: str, config: ImageConfig
    ) -> Image:
        names = (_new_name(reference),) if reference else ()
        layer = _plain(b"".join([piece async for piece in archive]))
        if layer:
            _members(layer)
        document = _document(config, (layer,), "", message)
        stored = Stored(render_document(document), (layer,))
        self._keep(stored, names)
        return self._shown(stored)

    async def tag(self, image: Image, reference: str) -> None:
        self._names[str(_new_name(reference))] = image.id

    async def untag(self, reference: str) -> None:
        wanted = parse_reference(reference).with_default_tag()
        if wanted.digest:
            wanted = wanted.with_digest(wanted.digest)
        identity = self._names.pop(str(wanted), None)
        if identity is None:
            raise NotFound(f"No such image: {wanted.familiar}")
        others = [name for name in self._of(identity) if name.name == wanted.name]
        if wanted.tag and not any(name.tag for name in others):
            for name in others:
                del self._names[str(name)]

    async def remove(self, image: Image) -> Sequence[str]:
        stored = self._find(image.id)
        del self._images[stored.id]
        self._names = {name: identity for name, identity in self._names.items() if identity != stored.id}
        left = {chain for other in self._images.values() for chain in chain_ids(other.document.layers)}
        gone = [chain for chain in chain_ids(stored.document.layers)[::-1] if chain not in left]
        return [f"sha256:{stored.id}", *gone]

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
        names = (_new_name(reference),) if reference else ()
        below = self._find(parent.id)
        layer = self._layer(root)
        document = _document(config, (*below.layers, layer), author, comment)
        command = " ".join((origin.command if origin else ()) or config.cmd or ())
        event = Event(_CREATED, command, author, comment)
        history = (*below.document.history, event)
        document = replace(document, parent=below.id, history=history, origin=origin)
        stored = Stored(render_document(document), (*below.layers, layer))
        self._keep(stored, names)
        return self._shown(stored)

    async def prepare(self, container_id: str, image: Image) -> RootFilesystem:
        home = self._directory / container_id
        if not home.exists():
            stored = self._find(image.id)
            (home / "merged").mkdir(parents=True)
            _unpack(stored.layers, home / "merged")
            shutil.copytree(home / "merged", home / "lower", symlinks=True)
        return await self.root(container_id)

    async def root(self, container_id: str) -> RootFilesystem:
        home = self._directory / container_id
        if not home.exists():
            raise NotFound(f"cannot use the root filesystem of {container_id[:12]}: there is none")
        self.mounted.add(container_id)
        return RootFilesystem(str(home / "merged"), str(home / "merged"), (str(home / "lower"),))

    async def release(self, container_id: str) -> None:
        self.mounted.discard(container_id)

    async def discard(self, container_id: str) -> None:
        self.mounted.discard(container_id)
        shutil.rmtree(self._directory / container_id, ignore_errors=True)

    async def changes(self, root: RootFilesystem) -> Sequence[tuple[str, int]]:
        before, after = _look(Path(root.lower[0])), _look(Path(root.path))
        kinds = dict.fromkeys(before.keys() - after.keys(), 2)
        kinds |= dict.fromkeys(after.keys() - before.keys(), 1)
        kinds |= {path: 0 for path in before.keys() & after.keys() if before[path] != after[path]}
        inside_deleted = {path for path in kinds if kinds.get(os.path.dirname(path)) == 2}
        for path in [*kinds]:
            while (path := os.path.dirname(path)) != "/":
                kinds.setdefault(path, 0)
        return sorted((path, kind) for path, kind in kinds.items() if path not in inside_deleted)

    async def size(self, root: RootFilesystem) -> int:
        changed = [path for path, kind in await self.changes(root) if kind != 2]
        statuses = [os.lstat(root.path + path) for path in changed]
        return sum(status.st_size for status in statuses if not stat.S_ISDIR(status.st_mode))

    def _find(self, text: str) -> Stored:
        if identity := image_id(text):
            if identity in self._images:
                return self._images[identity]
            raise NotFound(f"No such image: sha256:{identity}")
        reference = parse_reference(text).with_default_tag()
        exact = reference.with_digest(reference.digest) if reference.digest else reference
        if found := self._names.get(str(exact)):
            return self._images[found]
        digits = text.removeprefix("sha256:")
        matching = [image for identity, image in self._images.items() if identity.startswith(digits)]
        if len(matching) == 1:
            return matching[0]
        raise NotFound(f"No such image: {reference.familiar}")

    def _keep(self, stored: Stored, names: Sequence[Reference]) -> None:
        self._images[stored.id] = stored
        self._names |= {str(name): stored.id for name in names}

    def _of(self, identity: str) -> Sequence[Reference]:
        return [parse_reference(name) for name, owner in sorted(self._names.items()) if owner == identity]

    def _tags(self, repository: str) -> Sequence[Reference]:
        names = [parse_reference(name) for name in sorted(self._names)]
        return [name for name in names if name.tag and name.name == repository]

    def _shown(self, stored: Stored) -> Image:
        document, names = stored.document, self._of(stored.id)
        return Image(
            id=stored.id,
            tags=tuple(name.familiar for name in names if name.tag),
            digests=tuple(name.familiar for name in names if name.digest),
            created=document.created,
            size=_content_size(stored.layers),
            config=document.config,
            author=document.author,
            comment=document.comment,
            parent=document.parent,
            origin=document.origin,
            layers=document.layers,
            top_layer=stored.id,
        )

    def _layer(self, root: RootFilesystem) -> bytes:
        """The changes as a layer; simpler than the real one, which sees what the kernel recorded."""
        buffer = io.BytesIO()
        before, after = _look(Path(root.lower[0])), _look(Path(root.path))
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path in sorted(before.keys() - after.keys()):
                directory, _, name = path[1:].rpartition("/")
                archive.addfile(tarfile.TarInfo(f"{directory}/.wh.{name}".lstrip("/")))
            for path in sorted(after):
                if before.get(path) != after[path]:
                    archive.add(root.path + path, path[1:], recursive=False)
        return buffer.getvalue()


def _new_name(text: str) -> Reference:
    name = parse_reference(text)
    if name.digest:
        raise InvalidParameter("refusing to create a tag with a digest reference")
    if name.familiar_name == "sha256":
        raise InvalidParameter("refusing to create an ambiguous tag using digest algorithm as name")
    return name.with_default_tag()


def _document(config: ImageConfig, layers: Sequence[bytes], author: str, comment: str) -> Document:
    digests = tuple(f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers)
    return Document(
        config=config,
        layers=digests,
        created=_CREATED,
        architecture="amd64",
        os="linux",
        author=author,
        comment=comment,
        history=(Event(_CREATED, comment=comment),),
    )


def _plain(content: bytes) -> bytes:
    if not content.startswith(b"\x1f\x8b"):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError) as error:
        raise InvalidParameter(_BROKEN) from error


def _members(content: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as archive:
            files = {}
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                files[member.name.removeprefix("./")] = (member, file.read() if file else b"")
            return files
    except tarfile.TarError as error:
        raise InvalidParameter(_BROKEN) from error


def _read_archive(content: bytes) -> Iterator[tuple[Stored, Sequence[Reference]]]:
    files = _members(content)
    if "manifest.json" not in files:
        raise InvalidParameter("cannot load the archive: it has neither a manifest.json nor an index.json")
    try:
        for entry in json.loads(files["manifest.json"][1]):
            layers = tuple(files[path][1] for path in entry["Layers"])
            stored = Stored(files[entry["Config"]][1], layers)
            parse_document(stored.text)
            yield stored, [parse_reference(tag).with_default_tag() for tag in entry.get("RepoTags") or ()]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidParameter("cannot load the archive: its list of images is malformed") from error


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def _content_size(layers: Sequence[bytes]) -> int:
    members = [member for layer in layers if layer for member, _ in _members(layer).values()]
    return sum(member.size + len(member.linkname) for member in members if not member.isdir())


def _unpack(layers: Sequence[bytes], target: Path) -> None:
    for layer in layers:
        for name, (member, content) in _members(layer).items() if layer else ():
            path = target / name
            if path.name.startswith(".wh."):
                _delete(path.with_name(path.name.removeprefix(".wh.")))
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.isdir():
                path.mkdir(exist_ok=True)
                continue
            _delete(path)
            if member.issym():
                path.symlink_to(member.linkname)
            else:
                path.write_bytes(content)
                path.chmod(member.mode)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _look(root: Path) -> dict[str, tuple[int, bytes]]:
    """What a tree looks like: kinds, modes and contents by path, times left out."""
    found = {}
    for path in root.rglob("*"):
        status = path.lstat()
        content = b""
        if path.is_symlink():
            content = os.fsencode(os.readlink(path))
        elif path.is_file():
            content = path.read_bytes()
        found[f"/{path.relative_to(root)}"] = (status.st_mode, content)
    return found
