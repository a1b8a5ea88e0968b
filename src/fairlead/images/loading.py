"""Archives of images: what one holds, and where skopeo finds each image in it.

Both layouts are understood: Docker's (manifest.json, of `docker save`) and the OCI image layout
(index.json, of `podman save --format oci-archive` or `buildah push oci-archive:`).  An archive
with both is read as Docker's.
"""

import json
import shutil
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fairlead.dockerapi.reference import Reference, parse_reference
from fairlead.images.document import architecture, parse_document
from fairlead.images.spool import DAMAGE, broken, digest_of_bytes
from fairlead.model.errors import InvalidParameter

_LARGEST_TEXT = 8 << 20  # bytes: a manifest or a configuration is far smaller
_CONTAINERD_NAME = "io.containerd.image.name"
_OCI_NAME = "org.opencontainers.image.ref.name"
Members = Mapping[str, tarfile.TarInfo]


@dataclass(frozen=True, slots=True)
class Packed:
    """One image of an archive: `source` in skopeo's words, and the names that it shall get."""

    source: str
    id: str
    names: tuple[Reference, ...]


def contents(path: Path, scratch: Path) -> Sequence[Packed]:
    """The images of an archive, plain tar.  Blocks; InvalidParameter if it holds none or is damaged."""
    try:
        with tarfile.open(path, "r:") as archive:
            members = {member.name.removeprefix("./"): member for member in archive}
            if "manifest.json" in members:
                return _docker_images(path, archive, members)
            if "index.json" in members:
                return _oci_images(archive, members, scratch)
    except (json.JSONDecodeError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise InvalidParameter("cannot load the archive: its list of images is malformed") from error
    except DAMAGE as error:
        raise broken() from error
    raise InvalidParameter("cannot load the archive: it has neither a manifest.json nor an index.json")


def _docker_images(path: Path, archive: tarfile.TarFile, members: Members) -> list[Packed]:
    images = []
    for index, entry in enumerate(_json(archive, members, "manifest.json")):
        text = _text(archive, members, str(entry["Config"]))
        parse_document(text)
        identity = digest_of_bytes(text).removeprefix("sha256:")
        names = tuple(parse_reference(str(tag)).with_default_tag() for tag in entry.get("RepoTags") or ())
        images.append(Packed(f"docker-archive:{path}:@{index}", identity, names))
    return images


def _oci_images(archive: tarfile.TarFile, members: Members, scratch: Path) -> list[Packed]:
    """Each image of an OCI layout becomes a layout of its own; the blobs are shared."""
    blobs = scratch / "blobs"
    for name, member in members.items():
        parts = name.split("/")
        if len(parts) == 3 and parts[0] == "blobs" and member.isreg() and parts[1].isalnum():
            target = blobs / parts[1] / Path(parts[2]).name
            target.parent.mkdir(parents=True, exist_ok=True)
            source = archive.extractfile(member)
            assert source is not None
            with source, open(target, "wb") as file:
                shutil.copyfileobj(source, file)
    images = []
    for index, descriptor in enumerate(_json(archive, members, "index.json")["manifests"]):
        layout = scratch / f"layout{index}"
        layout.mkdir()
        (layout / "blobs").symlink_to(blobs)
        (layout / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
        chosen, manifest = _manifest(archive, members, descriptor)
        (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [chosen]}))
        config = str(manifest["config"]["digest"])
        parse_document(_text(archive, members, _blob(config)))
        names = _oci_names(descriptor.get("annotations") or {})
        images.append(Packed(f"oci:{layout}", config.removeprefix("sha256:"), names))
    return images


def _manifest(archive: tarfile.TarFile, members: Members, descriptor: Any) -> tuple[Any, Any]:
    """The descriptor of an image and its manifest; of a list of platforms the one of this machine."""
    document = _json(archive, members, _blob(descriptor["digest"]))
    if "manifests" not in document:
        return descriptor, document
    for inner in document["manifests"]:
        wanted = inner.get("platform") or {}
        if wanted.get("os", "linux") == "linux" and wanted.get("architecture") == architecture():
            return _manifest(archive, members, inner)
    raise InvalidParameter(f"cannot load the archive: it holds no image for linux/{architecture()}")


def _blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def _oci_names(annotations: Mapping[str, str]) -> tuple[Reference, ...]:
    """A name that is only a tag names no image, since nothing tells of which repository."""
    name = annotations.get(_CONTAINERD_NAME) or annotations.get(_OCI_NAME) or ""
    if _CONTAINERD_NAME not in annotations and not ("/" in name or ":" in name):
        return ()
    return (parse_reference(name).with_default_tag(),)


def _json(archive: tarfile.TarFile, members: Members, name: str) -> Any:
    return json.loads(_text(archive, members, name))


def _text(archive: tarfile.TarFile, members: Members, name: str) -> bytes:
    member = members.get(name)
    file = archive.extractfile(member) if member is not None and member.isreg() else None
    if file is None or member is None or member.size > _LARGEST_TEXT:
        raise InvalidParameter(f"cannot load the archive: it has no usable {name}")
    return file.read()
