"""Whether what a container asks for is there: the platform of its image, the machine's processors."""

from collections.abc import Iterator

from fairlead.dockerapi.platform import fits, parse_platform
from fairlead.model.container import HostConfig
from fairlead.model.errors import InvalidParameter, NotFound
from fairlead.model.image import Image


def require_platform(wanted: str, reference: str, image: Image) -> None:
    """Refuse an image of another platform than the one asked for, `os[/architecture[/variant]]`; "" is any.

    Source of the words: Docker's `GetImage`.
    """
    if not wanted:
        return
    if not fits(parse_platform(wanted), image.architecture, image.os):
        raise NotFound(
            f"image with reference {reference} was found but does not match the specified platform: "
            f"wanted {wanted}, actual: {image.os}/{image.architecture}"
        )


def require_processors(host_config: HostConfig, there: int) -> None:
    """Refuse more processors than the machine has, and such as it has not.

    Source of the words: Docker's `verifyPlatformContainerResources`.
    """
    if host_config.nano_cpus > there * 1_000_000_000:
        raise InvalidParameter(
            f"Range of CPUs is from 0.01 to {there:.2f}, as there are only {there} CPUs available"
        )
    if any(number >= there for number in _numbers(host_config.cpuset_cpus)):
        available = f"0-{there - 1}" if there > 1 else "0"
        raise InvalidParameter(
            f"Requested CPUs are not available - requested {host_config.cpuset_cpus}, available: {available}"
        )


def _numbers(text: str) -> Iterator[int]:
    """The last number of each range of a list as `0-2,5`."""
    yield from (int(part.rpartition("-")[2]) for part in text.split(",") if part)
