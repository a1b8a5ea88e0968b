"""What a manifest of a registry says: for whom the image is, or the images of a list are.

Source: OCI image specification, manifest.md and image-index.md; Docker's schema 2 has the same members.
"""

import hashlib
import json
from collections.abc import Mapping

from fairlead.model.errors import Failed
from fairlead.model.image import Distribution, Platform

_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"


def is_list(manifest: bytes) -> bool:
    """Whether it names images of several platforms instead of one image's layers."""
    return "manifests" in _document(manifest)


def distribution(manifest: bytes, config: bytes = b"{}") -> Distribution:
    """What it says; the platform of a single image stands in its configuration."""
    document = _document(manifest)
    listed = document.get("manifests")
    if isinstance(listed, list):
        kind, platforms = _OCI_INDEX, [each.get("platform") or {} for each in listed]
    else:
        kind = _SIGNED if document.get("schemaVersion") == 1 else _OCI_MANIFEST
        platforms = [_document(config)]
    return Distribution(
        media_type=str(document.get("mediaType") or kind),
        digest=f"sha256:{hashlib.sha256(manifest).hexdigest()}",
        size=len(manifest),
        platforms=tuple(_platform(each) for each in platforms),
    )


def _platform(document: Mapping[str, object]) -> Platform:
    features = document.get("os.features")
    return Platform(
        architecture=str(document.get("architecture") or ""),
        os=str(document.get("os") or ""),
        variant=str(document.get("variant") or ""),
        os_version=str(document.get("os.version") or ""),
        os_features=tuple(map(str, features)) if isinstance(features, list) else (),
    )


def _document(text: bytes) -> dict[str, object]:
    try:
        document = json.loads(text)
    except ValueError as error:
        raise Failed("cannot read what the registry answered: it is not JSON") from error
    if not isinstance(document, dict):
        raise Failed("cannot read what the registry answered: it is no manifest")
    return document
