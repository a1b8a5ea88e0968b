"""Platforms, `os[/architecture[/variant]]` or one word of either, as people write them and images have them.

Source of the names: containerd, platforms/database.go.
"""

import re

from fairlead.model.errors import InvalidParameter
from fairlead.model.image import Platform

_SYSTEMS = frozenset({"linux", "windows", "darwin", "freebsd"})
_ARCHITECTURES = {
    "amd64": "amd64", "x86_64": "amd64", "x86-64": "amd64", "arm64": "arm64", "aarch64": "arm64",
    "386": "386", "i386": "386", "arm": "arm", "ppc64le": "ppc64le", "riscv64": "riscv64", "s390x": "s390x",
}  # fmt: skip


def parse_platform(text: str) -> Platform:
    """The platform; what the text leaves open is "".  InvalidParameter in Docker's words."""
    words = text.lower().split("/")
    well_formed = len(words) <= 3 and all(re.fullmatch(r"[a-z0-9_.-]+", word) for word in words)
    if well_formed and len(words) == 1 and words[0] in _ARCHITECTURES:
        return Platform(architecture=_ARCHITECTURES[words[0]])
    if not well_formed or (len(words) == 1 and words[0] not in _SYSTEMS):
        raise InvalidParameter(f'"{text}": unknown operating system or architecture: invalid argument')
    system, kind, variant = (*words, "", "")[:3]
    return Platform(_ARCHITECTURES.get(kind, kind), system, variant)


def fits(platform: Platform, architecture: str, system: str) -> bool:
    """Whether something made for the architecture and operating system is what is asked for."""
    return platform.architecture in ("", architecture) and platform.os in ("", system)
