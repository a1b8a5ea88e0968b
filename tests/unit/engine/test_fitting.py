"""What a container asks for is there, or it is refused in Docker's words."""

import pytest

from fairlead.engine.fitting import require_platform, require_processors
from fairlead.model.container import HostConfig
from fairlead.model.errors import InvalidParameter, NotFound
from fairlead.model.image import Image, ImageConfig

BOX = Image("a" * 64, ("box:latest",), (), "", 0, ImageConfig(), architecture="arm64", os="linux")


@pytest.mark.parametrize("wanted", ["", "linux", "linux/arm64", "linux/aarch64", "arm64", "LINUX/arm64/v8"])
def test_an_image_of_the_platform_is_taken(wanted: str) -> None:
    require_platform(wanted, "box", BOX)


@pytest.mark.parametrize("wanted", ["linux/amd64", "windows", "linux/zork", "amd64", "windows/arm64"])
def test_an_image_of_another_platform_is_not_found(wanted: str) -> None:
    with pytest.raises(NotFound) as caught:
        require_platform(wanted, "box", BOX)
    assert caught.value.message == (
        "image with reference box was found but does not match the specified platform: "
        f"wanted {wanted}, actual: linux/arm64"
    )


@pytest.mark.parametrize("wanted", ["zork", "a/b/c/d", "linux/", "lin ux/arm64"])
def test_what_is_no_platform_is_refused(wanted: str) -> None:
    with pytest.raises(InvalidParameter, match="unknown operating system or architecture"):
        require_platform(wanted, "box", BOX)


def test_processors_are_those_of_the_machine() -> None:
    require_processors(HostConfig(nano_cpus=2_000_000_000, cpuset_cpus="0-1,1"), 2)
    with pytest.raises(InvalidParameter, match="from 0.01 to 2.00, as there are only 2 CPUs available"):
        require_processors(HostConfig(nano_cpus=2_000_000_001), 2)
    with pytest.raises(InvalidParameter, match="requested 0,1-2, available: 0-1"):
        require_processors(HostConfig(cpuset_cpus="0,1-2"), 2)
