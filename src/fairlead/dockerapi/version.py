"""API versions: which are served, how they compare, and what a client outside the range is told."""

import re
from typing import NamedTuple

from fairlead.model.errors import InvalidParameter


class Version(NamedTuple):
    """An API version, compared by its numbers: 1.9 is older than 1.24."""

    major: int
    minor: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}"


OLDEST = Version(1, 24)
NEWEST = Version(1, 48)
# Requests without a version are answered as Docker 20.10 does, whose behaviour this engine has:
# they come from scripts, written against what they once saw.
UNVERSIONED = Version(1, 41)


def parse_version(text: str) -> Version:
    """The version of a path prefix (`1.41`), which must be one that is served.

    Raises InvalidParameter in Docker's words, which clients match on to negotiate.
    """
    match = re.fullmatch(r"(\d+)\.(\d+)", text)
    if match is None:
        raise InvalidParameter(f"invalid API version {text!r}: it must be two numbers joined by a dot")
    version = Version(int(match[1]), int(match[2]))
    if version < OLDEST:
        raise InvalidParameter(
            f"client version {version} is too old. Minimum supported API version is {OLDEST}, "
            "please upgrade your client to a newer version"
        )
    if version > NEWEST:
        raise InvalidParameter(
            f"client version {version} is too new. Maximum supported API version is {NEWEST}"
        )
    return version
