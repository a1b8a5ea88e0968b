"""What `docker rmi` takes away of an image with several names."""

import asyncio
from dataclasses import dataclass, field

import pytest

from fairlead.engine.imagestore import ImageStore
from fairlead.model.errors import Conflict
from fairlead.model.image import Image, ImageConfig
from fairlead.model.records import Records
from tests.unit.engine.places import FakeEvents, FakeHost, context

SUM, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64


@dataclass
class OneImage:
    """A store with one image, which notes what is done to it."""

    image: Image
    done: list[str] = field(default_factory=list)

    async def resolve(self, reference: str) -> Image:
        return self.image

    async def untag(self, reference: str) -> None:
        self.done.append(f"untag {reference}")

    async def remove(self, image: Image) -> list[str]:
        self.done.append("remove")
        return [f"sha256:{image.id}"]


def remove(reference: str, tags: tuple[str, ...], digests: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """What a client is told to be untagged, and what was done."""
    store = OneImage(Image("a" * 64, tags, digests, "", 0, ImageConfig()))
    shared = context(FakeHost(), Records())
    shared.images, shared.events = store, FakeEvents()  # type: ignore[assignment]
    told = asyncio.run(ImageStore(shared).remove(reference))
    return [text for what, text in told if what == "Untagged"], store.done


def test_the_last_tag_of_a_repository_takes_its_digests_along() -> None:
    tags, digests = ("box:latest", "reg:5000/x:1"), (f"reg:5000/x@{SUM}", f"box@{OTHER}")
    assert remove("reg:5000/x:1", tags, digests) == (
        ["reg:5000/x:1", f"reg:5000/x@{SUM}"],
        ["untag reg:5000/x:1"],
    )
    tags = (*tags, "reg:5000/x:2")
    assert remove("reg:5000/x:1", tags, digests) == (["reg:5000/x:1"], ["untag reg:5000/x:1"])


def test_a_digest_alone_is_taken_away_by_its_name() -> None:
    tags, digests = ("box:latest",), (f"box@{SUM}",)
    assert remove(f"box@{SUM}", tags, digests) == ([f"box@{SUM}"], [f"untag box@{SUM}"])


@pytest.mark.parametrize("reference", ["box", "box:latest", "docker.io/library/box", "a" * 12])
def test_the_last_name_takes_the_image_along(reference: str) -> None:
    assert remove(reference, ("box:latest",), (f"box@{SUM}",)) == (["box:latest", f"box@{SUM}"], ["remove"])


def test_an_image_that_another_repository_knows_by_digest_stays() -> None:
    told, done = remove("box", ("box:latest",), (f"reg:5000/x@{SUM}",))
    assert (told, done) == (["box:latest"], ["untag box:latest"])


def test_an_id_with_several_tags_must_be_forced() -> None:
    with pytest.raises(Conflict, match="image is referenced in multiple repositories"):
        remove("a" * 12, ("box:1", "box:2"), ())
