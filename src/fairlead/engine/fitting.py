"""Whether what a container asks for is there: the platform of its image, the machine's processors."""

import re
from collections.abc import Iterator

from fairlead.model.container import HostConfig
from fairlead.model.errors import InvalidParameter, NotFound
from fairlead.model.image import Image


def require_platform(wanted: str, reference: str, image: Image) -> None:
    """Refuse an image of another platform than the one asked for, `os[/architecture[/variant]]`; "" is any.

    Source of the words: Docker's `GetImage`.
    """
    if not wanted:
        return
    words = wanted.lower().split("/")
    if len(words) > 3 or not all(re.fullmatch(r"[a-z0-9_.-]+", word) for word in words):
        raise InvalidParameter(f'"{wanted}": unknown operating system or architecture: invalid argument')
    if len(words) == 1 and words[0] != image.os:
        # One word may be either; what is neither is nothing that is known.
        if words[0] not in _SYSTEMS | set(_ARCHITECTURES):
            raise InvalidParameter(f'"{wanted}": unknown operating system or architecture: invalid argument')
        words = [image.os, words[0]] if words[0] not in _SYSTEMS else words
    kind = words[1] if len(words) > 1 else image.architecture
    if (words[0], _ARCHITECTURES.get(kind, kind)) != (image.os, image.architecture):
        raise NotFound(
            f"image with reference {reference} was found but does not match the specified platform: "
            f"wanted {wanted}, actual: {image.os}/{image.architecture}"
        )


_SYSTEMS = {"linux", "windows", "darwin", "freebsd"}
# As people write them, and as images have them.  Source: containerd, platforms/database.go.
_ARCHITECTURES = {
    "amd64": "amd64", "x86_64": "amd64", "x86-64": "amd64", "arm64": "arm64", "aarch64": "arm64",
    "386": "386", "i386": "386", "arm": "arm", "ppc64le": "ppc64le", "riscv64": "riscv64", "s390x": "s390x",
}  # fmt: skip


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
