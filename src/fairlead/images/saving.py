"""Archives for `docker load`: several images with all their names, and each layer once.

Layers come from `containers-storage diff`, which gives back the very bytes that came in, and go
out as they come: nothing is kept on disk.  Source of the layout: Docker image specification v1.2.
"""

import asyncio
import contextlib
import json
import tarfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from fairlead import process
from fairlead.dockerapi.reference import Reference, image_id, parse_reference
from fairlead.images.catalogue import Catalogue, CatalogueReader, Layer, StoredImage
from fairlead.images.tools import Tools
from fairlead.model.errors import Failed, InvalidParameter, NotFound

_BLOCK = 1 << 18


@dataclass(frozen=True, slots=True)
class Chosen:
    """An image to be saved, and the names to be saved with it."""

    image: StoredImage
    names: tuple[Reference, ...]


def choose(catalogue: Catalogue, references: Sequence[str]) -> list[Chosen]:
    """The images that the references name; a repository without a tag stands for all its tags.

    NotFound for a name of nothing.
    """
    chosen: dict[str, tuple[StoredImage, list[Reference]]] = {}
    for text in references:
        for image, name in _named(catalogue, text):
            names = chosen.setdefault(image.id, (image, []))[1]
            if name is not None and name not in names:
                names.append(name)
    return [Chosen(image, tuple(names)) for image, names in chosen.values()]


def _named(catalogue: Catalogue, text: str) -> list[tuple[StoredImage, Reference | None]]:
    found = None
    with contextlib.suppress(InvalidParameter, NotFound):
        found = catalogue.find(text)
    if image_id(text) is None:
        reference = parse_reference(text)
        if not (reference.tag or reference.digest):
            tags = catalogue.repository(reference.name)
            if tags:
                return [(catalogue.names[str(tag)], tag) for tag in tags]
        elif found and reference.tag and catalogue.named(reference) is found:
            return [(found, None if reference.digest else reference)]
    return [(found or catalogue.find(text), None)]


async def archive(tools: Tools, reader: CatalogueReader, references: Sequence[str]) -> AsyncIterator[bytes]:
    """The archive.  NotFound before the first byte; Failed later if a layer cannot be read."""
    catalogue = reader.read()
    chosen = choose(catalogue, references)
    manifest: list[Mapping[str, object]] = []
    repositories: dict[str, dict[str, str]] = {}
    texts: dict[str, bytes] = {}
    layers: dict[str, Layer] = {}
    for each in chosen:
        chain = catalogue.chain(each.image.top_layer)[::-1]
        layers |= {_digits(layer): layer for layer in chain}
        config = f"{each.image.id}.json"
        texts[config] = reader.configuration(each.image.id)
        files = [f"{_digits(layer)}/layer.tar" for layer in chain]
        tags = [name.familiar for name in each.names] or None
        manifest.append({"Config": config, "RepoTags": tags, "Layers": files})
        for name in each.names if chain else ():
            repositories.setdefault(name.familiar_name, {})[name.tag] = _digits(chain[-1])
    texts["manifest.json"] = _json(manifest)
    if repositories:
        texts["repositories"] = _json(repositories)
    for digits, layer in layers.items():
        yield _header(f"{digits}/", 0, tarfile.DIRTYPE)
        yield _header(f"{digits}/layer.tar", layer.diff_size)
        async for piece in _content(tools, layer):
            yield piece
        yield _padding(layer.diff_size)
    for path, text in texts.items():
        yield _header(path, len(text)) + text + _padding(len(text))
    yield bytes(2 * tarfile.BLOCKSIZE)


async def _content(tools: Tools, layer: Layer) -> AsyncIterator[bytes]:
    """A layer's tar, exactly as long as the storage says.  Failed if it is not."""
    argv = ["containers-storage", "diff", "--uncompressed", layer.id]
    started = await process.start(argv, environment=tools.environment())
    assert started.stdout is not None and started.stderr is not None
    errors = asyncio.create_task(started.stderr.read())
    left = layer.diff_size
    try:
        while piece := await started.stdout.read(_BLOCK):
            left -= len(piece)
            if left < 0:
                break
            yield piece
        if await started.wait() or left:
            reason = (await errors).decode(errors="replace").strip() or "its size is not what was recorded"
            raise Failed(f"cannot save the layer {layer.id[:12]}: {reason}")
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()
        errors.cancel()


def _digits(layer: Layer) -> str:
    return layer.diff_digest.removeprefix("sha256:")


def _json(content: object) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode() + b"\n"


def _header(name: str, size: int, kind: bytes = tarfile.REGTYPE) -> bytes:
    member = tarfile.TarInfo(name)
    member.size, member.type = size, kind
    member.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
    return member.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
