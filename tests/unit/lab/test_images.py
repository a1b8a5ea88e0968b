"""Image archives: complete, consistent, and the same each time."""

import hashlib
import io
import json
import tarfile

from fairlead.lab import images


def opened(archive: bytes) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(archive))


def content(archive: tarfile.TarFile, name: str) -> bytes:
    member = archive.extractfile(name)
    assert member is not None
    return member.read()


def test_an_archive_names_its_config_and_layers_by_what_they_hold() -> None:
    layers = [images.Layer().file("/a/b", b"text"), images.Layer().link("/c", "a/b")]
    with opened(images.archive("some/name", layers, {"Cmd": ["x"]})) as archive:
        (manifest,) = json.loads(content(archive, "manifest.json"))
        assert manifest["RepoTags"] == ["some/name:latest"]
        config = content(archive, manifest["Config"])
        assert manifest["Config"] == f"{hashlib.sha256(config).hexdigest()}.json"
        digests = [hashlib.sha256(content(archive, layer)).hexdigest() for layer in manifest["Layers"]]
        assert json.loads(config)["rootfs"]["diff_ids"] == [f"sha256:{digest}" for digest in digests]
        with opened(content(archive, manifest["Layers"][0])) as layer:
            assert layer.getnames() == ["a", "a/b"]


def test_the_web_image_shares_its_first_layer_with_busybox() -> None:
    with opened(images.busybox()) as small, opened(images.web()) as large:
        (one,), (other,) = (json.loads(content(each, "manifest.json")) for each in (small, large))
        assert other["Layers"][0] == one["Layers"][0]


def test_the_same_files_give_the_same_archive() -> None:
    assert images.web() == images.web()
