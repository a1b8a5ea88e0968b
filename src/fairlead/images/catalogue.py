"""What containers/storage holds, read from its own files: looking at an image starts no program.

Its writers replace `images.json` and `layers.json` by renaming, so that a reader needs no lock;
a file is read again when its inode, size or time has changed.  Source of the formats:
github.com/containers/storage, images.go and layers.go.
"""

import base64
import json
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fairlead.dockerapi.platform import fits
from fairlead.dockerapi.reference import Reference, image_id, parse_reference
from fairlead.images.document import Document, parse_document
from fairlead.model.errors import FairleadError, NotFound
from fairlead.model.image import ANY_PLATFORM, Platform

_PLAIN_KEY = re.compile(r"[.0-9a-z]*")
_DIGITS = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Layer:
    """One stored layer; digests are "sha256:...", sizes bytes of the tar."""

    id: str
    parent: str = ""
    diff_digest: str = ""
    compressed_digest: str = ""
    diff_size: int = 0


@dataclass(frozen=True, slots=True)
class StoredImage:
    """An image as the storage records it, with its configuration."""

    id: str
    top_layer: str
    document: Document
    tags: tuple[Reference, ...] = ()
    named_digests: tuple[Reference, ...] = ()  # names that hold a digest
    manifest_digests: tuple[str, ...] = ()
    # Its layers are stored as an archive holds them, so it was not fetched from a registry.
    from_archive: bool = False

    @property
    def digests(self) -> tuple[Reference, ...]:
        """The repository digests: those recorded, else those that its tags and manifests make up."""
        if self.named_digests or self.from_archive:
            return self.named_digests
        repositories = dict.fromkeys(tag.name for tag in self.tags)
        return tuple(
            parse_reference(f"{name}@{digest}") for name in repositories for digest in self.manifest_digests
        )


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything stored at one moment."""

    images: Mapping[str, StoredImage] = field(default_factory=dict)
    layers: Mapping[str, Layer] = field(default_factory=dict)
    names: Mapping[str, StoredImage] = field(default_factory=dict)  # by full name and tag

    def chain(self, top: str) -> tuple[Layer, ...]:
        """The layers of an image, the top one first.  NotFound if one is missing."""
        chain = []
        while top:
            if (layer := self.layers.get(top)) is None:
                raise NotFound(f"cannot use the image: its layer {top[:12]} is missing from the storage")
            chain.append(layer)
            top = layer.parent
        return tuple(chain)

    def find(self, text: str) -> StoredImage:
        """The image that a user means by a name, an id or the beginning of an id.

        NotFound as `No such image: X`, InvalidParameter for what can be neither.  An ambiguous
        beginning names nothing.
        """
        if identity := image_id(text):
            if found := self.images.get(identity):
                return found
            raise NotFound(f"No such image: sha256:{identity}")
        reference = parse_reference(text)
        if found := self.named(reference):
            return found
        digits = text.removeprefix("sha256:")
        if _DIGITS.fullmatch(digits):
            matching = [image for identity, image in self.images.items() if identity.startswith(digits)]
            if len(matching) == 1:
                return matching[0]
        raise NotFound(f"No such image: {reference.with_default_tag().familiar}")

    def named(self, reference: Reference) -> StoredImage | None:
        """The image with this name, None if there is none; of tag and digest the digest counts."""
        if not reference.digest:
            return self.names.get(str(reference.with_default_tag()))
        wanted = reference.with_digest(reference.digest)
        return next((image for image in self.images.values() if wanted in image.digests), None)

    def fetched(self, digest: str, platform: Platform = ANY_PLATFORM) -> StoredImage | None:
        """The image that a registry knows by this manifest digest, None if it is not stored.

        A digest may be that of a list of manifests: only an image of the platform counts.
        """
        return next(
            (
                each
                for each in self.images.values()
                if digest in (name.digest for name in each.digests)
                and fits(platform, each.document.architecture, each.document.os)
            ),
            None,
        )

    def repository(self, name: str) -> tuple[Reference, ...]:
        """All tags of a repository, by its full name."""
        references = (tag for image in self.images.values() for tag in image.tags)
        return tuple(sorted((each for each in references if each.name == name), key=str))


class CatalogueReader:
    """Reads the catalogue of the storage at `graph_root` and keeps it until the files change."""

    def __init__(self, graph_root: Path):
        self._images = graph_root / "overlay-images" / "images.json"
        self._layers = graph_root / "overlay-layers" / "layers.json"
        self._state: tuple[object, ...] | None = None
        self._catalogue = Catalogue()
        self._known: dict[str, tuple[Document, bool]] = {}

    def read(self) -> Catalogue:
        """The catalogue as it is now.  An image whose files are damaged or missing is not in it."""
        state = (_state(self._images), _state(self._layers))
        if state != self._state:
            self._catalogue = self._read()
            self._state = state
        return self._catalogue

    def configuration(self, identity: str) -> bytes:
        """The text of an image's configuration.  NotFound if it is not stored."""
        try:
            return self._attached(identity, f"sha256:{identity}")
        except OSError as error:
            raise NotFound(f"No such image: sha256:{identity}") from error

    def _read(self) -> Catalogue:
        # The images first: a layer is written before its image and removed after it.
        entries = _entries(self._images)
        layers = {layer.id: layer for layer in map(_layer, _entries(self._layers))}
        images = {image.id: image for image in map(self._image, entries) if image is not None}
        self._known = {identity: self._known[identity] for identity in images}
        whole = {identity: image for identity, image in images.items() if _complete(image, layers)}
        names = {str(tag): image for image in whole.values() for tag in image.tags}
        return Catalogue(whole, layers, names)

    def _image(self, entry: Mapping[str, object]) -> StoredImage | None:
        identity, top = str(entry.get("id")), str(entry.get("layer") or "")
        try:
            if identity not in self._known:
                self._known[identity] = self._inspect(identity)
            document, from_archive = self._known[identity]
        except (OSError, ValueError, KeyError, TypeError, FairleadError):
            return None  # a list of manifests, an unfinished image, or not an image at all
        names = sorted(_references(entry.get("names")), key=str)
        digests = entry.get("big-data-digests")
        manifests = digests.items() if isinstance(digests, dict) else ()
        return StoredImage(
            id=identity,
            top_layer=top,
            document=document,
            tags=tuple(name for name in names if not name.digest),
            named_digests=tuple(name for name in names if name.digest),
            manifest_digests=tuple(dict.fromkeys(d for key, d in manifests if key.startswith("manifest"))),
            from_archive=from_archive,
        )

    def _inspect(self, identity: str) -> tuple[Document, bool]:
        manifest = json.loads(self._attached(identity, "manifest"))
        document = parse_document(self._attached(identity, f"sha256:{identity}"))
        digests = [layer["digest"] for layer in manifest["layers"]]
        return document, digests == list(document.layers)

    def _attached(self, identity: str, key: str) -> bytes:
        """A text that is attached to an image; the file's name is the key or an encoding of it."""
        plain = _PLAIN_KEY.fullmatch(key)
        name = key if plain else "=" + base64.b64encode(key.encode()).decode()
        return (self._images.parent / identity / name).read_bytes()


def _complete(image: StoredImage, layers: Mapping[str, Layer]) -> bool:
    top = image.top_layer
    while top and (layer := layers.get(top)):
        top = layer.parent
    return not top


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _entries(path: Path) -> list[dict[str, object]]:
    try:
        entries = json.loads(path.read_bytes() or b"[]")
    except FileNotFoundError:
        return []
    return [entry for entry in entries or () if isinstance(entry, dict)]


def _layer(entry: Mapping[str, object]) -> Layer:
    size = entry.get("diff-size")
    return Layer(
        id=str(entry.get("id")),
        parent=str(entry.get("parent") or ""),
        diff_digest=str(entry.get("diff-digest") or ""),
        compressed_digest=str(entry.get("compressed-diff-digest") or ""),
        diff_size=size if isinstance(size, int) else 0,
    )


def _references(names: object) -> Iterable[Reference]:
    for name in names if isinstance(names, list) else ():
        try:
            reference = parse_reference(name)
        except FairleadError:
            continue
        yield reference.with_digest(reference.digest) if reference.digest else reference.with_default_tag()
