"""The storage's own files, as they are and as they may be damaged."""

import base64
import json
from pathlib import Path

import pytest

from fairlead.images.catalogue import CatalogueReader
from fairlead.images.document import Document, render_document
from fairlead.images.sizes import LayerSizes, content_size
from fairlead.model.errors import InvalidParameter, NotFound
from fairlead.model.image import ImageConfig

ONE, TWO = "1" * 64, "12" * 32
DIGEST = "sha256:" + "d" * 64


class Files:
    """A storage's files, written by hand."""

    def __init__(self, root: Path):
        self.root = root
        self.images: list[dict[str, object]] = []
        self.layers: list[dict[str, object]] = []
        for name in ("overlay-images", "overlay-layers"):
            (root / name).mkdir(parents=True)

    def add(self, identity: str, *names: str, fetched: bool = False) -> None:
        layer = f"sha256:{identity}"
        self.layers.append({"id": f"layer-{identity[:4]}", "diff-digest": layer, "diff-size": 10})
        entry = {"id": identity, "layer": f"layer-{identity[:4]}", "names": list(names)}
        entry["big-data-digests"] = {"manifest": DIGEST, f"manifest-{DIGEST}": DIGEST, "sha256:x": "sha256:y"}
        self.images.append(entry)
        home = self.root / "overlay-images" / identity
        home.mkdir()
        document = render_document(Document(ImageConfig(), (layer,)))
        (home / ("=" + base64.b64encode(f"sha256:{identity}".encode()).decode())).write_bytes(document)
        manifest = {"layers": [{"digest": "sha256:compressed" if fetched else layer}]}
        (home / "manifest").write_text(json.dumps(manifest))

    def write(self) -> None:
        for name, content in (("images", self.images), ("layers", self.layers)):
            unfinished = self.root / "new"
            unfinished.write_text(json.dumps(content))
            unfinished.rename(self.root / f"overlay-{name}" / f"{name}.json")


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_an_empty_directory_is_an_empty_storage(tmp_path: Path) -> None:
    catalogue = CatalogueReader(tmp_path).read()
    assert (catalogue.images, catalogue.layers) == ({}, {})
    with pytest.raises(NotFound, match="No such image: small:latest"):
        catalogue.find("small")


def test_images_are_found_by_name_id_and_beginning(files: Files) -> None:
    files.add(ONE, "docker.io/library/small:latest", "localhost/x:v1", f"docker.io/library/small@{DIGEST}")
    files.add(TWO)
    files.write()
    catalogue = CatalogueReader(files.root).read()
    for text in (
        "small",
        "localhost/x:v1",
        f"small@{DIGEST}",
        f"small:other@{DIGEST}",
        ONE,
        "111",
        "sha256:11",
    ):
        assert catalogue.find(text).id == ONE
    assert catalogue.find("12").id == TWO
    for text in ("1", "localhost/x", f"other@{DIGEST}", "2", "f" * 64):
        with pytest.raises(NotFound):
            catalogue.find(text)
    with pytest.raises(InvalidParameter):
        catalogue.find("A")


def test_only_what_was_fetched_has_digests_that_nobody_recorded(files: Files) -> None:
    files.add(ONE, "docker.io/library/loaded:latest")
    files.add(TWO, "r.test/fetched:v1", "r.test/fetched:v2", fetched=True)
    files.write()
    catalogue = CatalogueReader(files.root).read()
    assert catalogue.find("loaded").digests == ()
    assert [str(each) for each in catalogue.find(TWO).digests] == [f"r.test/fetched@{DIGEST}"]
    assert catalogue.find(f"r.test/fetched@{DIGEST}").id == TWO
    assert [str(each) for each in catalogue.repository("r.test/fetched")] == [
        "r.test/fetched:v1",
        "r.test/fetched:v2",
    ]


def test_a_change_is_seen_at_once_and_nothing_is_read_twice(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    files.add(ONE, "docker.io/library/small:latest")
    files.write()
    reader = CatalogueReader(files.root)
    first = reader.read()
    assert reader.read() is first
    files.images[0]["names"] = []
    files.write()
    second = reader.read()
    assert second is not first and second.find(ONE).tags == ()
    files.images.clear()
    files.write()
    assert reader.read().images == {}


@pytest.mark.parametrize("damage", ["no-config", "bad-config", "no-manifest", "list", "no-layer"])
def test_a_damaged_image_hides_no_other(files: Files, damage: str) -> None:
    files.add(ONE, "docker.io/library/small:latest")
    files.add(TWO, "docker.io/library/bad:latest")
    files.write()
    home = files.root / "overlay-images" / TWO
    config = next(home.glob("=*"))
    match damage:
        case "no-config":
            config.unlink()
        case "bad-config":
            config.write_text("no JSON")
        case "no-manifest":
            (home / "manifest").unlink()
        case "list":
            (home / "manifest").write_text('{"manifests": []}')
        case "no-layer":
            files.layers[1]["parent"] = "absent"
            files.write()
    catalogue = CatalogueReader(files.root).read()
    assert [*catalogue.images] == [ONE]
    with pytest.raises(NotFound):
        catalogue.find("bad")


def test_a_missing_layer_is_named(files: Files) -> None:
    files.add(ONE)
    files.layers[0]["parent"] = "absent"
    files.write()
    with pytest.raises(NotFound, match="its layer absent is missing"):
        CatalogueReader(files.root).read().chain("layer-1111")


def test_sizes_count_every_file_once_and_are_kept(tmp_path: Path) -> None:
    layer = tmp_path / "overlay/a/diff"
    (layer / "d").mkdir(parents=True)
    (layer / "d/file").write_text("12345")
    (layer / "hard").hardlink_to(layer / "d/file")
    (layer / "soft").symlink_to("d/file")
    assert content_size(layer) == 5 + len("d/file")
    sizes = LayerSizes(tmp_path, tmp_path / "kept.json")
    assert sizes.total(["a"]) is None
    sizes.measure(["a", "absent"])
    assert sizes.total(["a", "a", "absent"]) == 22
    (layer / "more").write_text("x")
    assert LayerSizes(tmp_path, tmp_path / "kept.json").total(["a"]) == 11


@pytest.mark.parametrize("content", ["", "no JSON", "[]", '{"a": "x"}', '{"a": null}'])
def test_damaged_sizes_are_measured_again(tmp_path: Path, content: str) -> None:
    (tmp_path / "kept.json").write_text(content)
    assert LayerSizes(tmp_path, tmp_path / "kept.json").total(["a"]) is None
