"""Where a copied file ends up: the rules of `cp`, which look at both ends, without touching either.

`from/.` means the content of a directory, a name that ends in `/` must be a directory, and what does
not exist is created under its last name.
"""

import posixpath
from dataclasses import dataclass

from fairlead.cli.problems import Ending


@dataclass(frozen=True, slots=True)
class End:
    """One end of a copy: its path as written, and what is there."""

    path: str
    exists: bool = False
    is_directory: bool = False


def keep_ending(clean: str, written: str) -> str:
    """A path made absolute, with the `/` or `/.` at its end that says what kind of copy is wanted."""
    if names_content(written) and not names_content(clean):
        return clean.rstrip("/") + "/."
    if written.endswith("/") and not clean.endswith("/"):
        return clean + "/"
    return clean


def names_content(path: str) -> bool:
    """Whether it stands for what is in a directory, not for the directory."""
    return posixpath.basename(path) == "."


def asserts_directory(path: str) -> bool:
    """Whether it can only be a directory."""
    return path.endswith("/") or names_content(path)


def split(path: str) -> tuple[str, str]:
    """The directory and the entry in it; of `a/b/.` the directory is `a/b` and the entry `.`."""
    clean = posixpath.normpath(path)
    if names_content(path):
        return clean, "."
    directory, name = posixpath.split(clean)
    return directory or ".", name or "/"


def resolve(source: End, target: End) -> tuple[str, str]:
    """The directory to unpack in, and the name that the copied entry gets there.

    Ending when a directory would become a file, or a file a directory.
    """
    name = split(source.path)[1]
    if target.exists and target.is_directory:
        return target.path, name
    if target.exists and source.is_directory:
        raise Ending(1, "cannot copy directory")
    if not target.exists and not source.is_directory and asserts_directory(target.path):
        raise Ending(1, "no such directory")
    return split(target.path)


def split_argument(text: str) -> tuple[str, str]:
    """The container ("" for this machine) and the path of `web:/etc/hosts`, `./a:b`, `-`."""
    container, separator, path = text.partition(":")
    if text.startswith("/") or not separator or container.startswith("."):
        return "", text
    return container, path
