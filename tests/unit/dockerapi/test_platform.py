"""Platforms as people write them."""

import pytest

from fairlead.dockerapi.platform import fits, parse_platform
from fairlead.model.errors import InvalidParameter
from fairlead.model.image import Platform


@pytest.mark.parametrize(
    ("text", "platform"),
    [
        ("linux", Platform(os="linux")),
        ("arm64", Platform("arm64")),
        ("linux/aarch64", Platform("arm64", "linux")),
        ("LINUX/arm/v7", Platform("arm", "linux", "v7")),
        ("linux/zork", Platform("zork", "linux")),
    ],
)
def test_what_is_one(text: str, platform: Platform) -> None:
    assert parse_platform(text) == platform


@pytest.mark.parametrize("text", ["", "zork", "a/b/c/d", "linux/", "lin ux/arm64"])
def test_what_is_none(text: str) -> None:
    with pytest.raises(InvalidParameter, match="unknown operating system or architecture: invalid argument"):
        parse_platform(text)


def test_what_is_left_open_fits() -> None:
    assert fits(Platform(), "amd64", "linux") and fits(Platform(os="linux"), "amd64", "linux")
    assert not fits(Platform("arm64"), "amd64", "linux") and not fits(
        Platform(os="windows"), "amd64", "linux"
    )
