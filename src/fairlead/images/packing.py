"""A new image for skopeo to copy in: a configuration, a new layer, and layers that the storage has already.

It is laid out as skopeo's `dir:` transport (source: containers-transports(5)): a manifest, and a
file per blob named by its digest.  Blobs that the storage has are not asked for, so only the
new layer is there.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar"


def lay_out(directory: Path, document: bytes, layers: Sequence[tuple[str, int]]) -> str:
    """Complete a directory that holds the new layer, named by the digits of its digest; the image's id.

    `layers` are (digest, bytes) of all its layers as plain tars, lowest first.
    """
    identity = hashlib.sha256(document).hexdigest()
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG, "size": len(document), "digest": f"sha256:{identity}"},
        "layers": [{"mediaType": _LAYER, "size": size, "digest": digest} for digest, size in layers],
    }
    (directory / identity).write_bytes(document)
    (directory / "manifest.json").write_text(json.dumps(manifest))
    (directory / "version").write_text("Directory Transport Version: 1.1\n")
    return identity


def chain_ids(layers: Sequence[str]) -> list[str]:
    """What identifies each layer together with those below it, lowest first, "sha256:..." each.

    Source: OCI image specification, config.md, "Layer ChainID".
    """
    chain: list[str] = []
    for layer in layers:
        text = f"{chain[-1]} {layer}" if chain else ""
        chain.append(f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if text else layer)
    return chain
