"""What an image says, and what is made of it where the user says something else."""

import pytest

from fairlead.engine.defaults import merge_image
from fairlead.model.container import Config
from fairlead.model.image import ImageConfig

IMAGE = ImageConfig(entrypoint=("serve",), cmd=("all",), working_dir="/srv")


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "line"),
    [
        (None, None, (("serve",), ("all",))),
        (None, ("one",), (("serve",), ("one",))),
        ((), ("one",), ((), ("one",))),
        ((), (), ((), ("all",))),
        (("",), ("one",), (None, ("one",))),
        (("sh",), None, (("sh",), None)),
    ],
)
def test_an_empty_entrypoint_is_none_and_null_is_the_images(
    entrypoint: tuple[str, ...] | None, cmd: tuple[str, ...] | None, line: object
) -> None:
    merged = merge_image(Config(entrypoint=entrypoint, cmd=cmd), IMAGE)
    assert (merged.entrypoint, merged.cmd) == line


@pytest.mark.parametrize(
    ("asked", "made"), [("", "/srv"), ("/x/../y/", "/y"), ("//x", "/x"), ("/", "/"), ("relative", "relative")]
)
def test_the_working_directory_is_written_plainly(asked: str, made: str) -> None:
    assert merge_image(Config(working_dir=asked), IMAGE).working_dir == made
