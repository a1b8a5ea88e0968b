"""A container's own layer: what it changed, how much that is, and the same as an image layer."""

import hashlib
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from fairlead.images.scope import Scope
from fairlead.images.tarring import TreeWriter, is_whiteout

MODIFIED, ADDED, DELETED = 0, 1, 2  # as Docker's API numbers them


def changed_paths(upper: str, lower: Sequence[str]) -> list[tuple[str, int]]:
    """The paths that differ from the layers below, sorted.  Blocks.

    A directory counts as modified when its own size, mode or time differs, or when anything below
    it has changed, as in Docker's `docker diff`.
    """
    changes: dict[str, int] = {}
    for path, status in _walk(upper):
        kind = _kind(path, status, lower)
        if kind is None:
            continue
        changes[path] = kind
        while (path := os.path.dirname(path)) != "/":
            changes.setdefault(path, MODIFIED)
    return sorted(changes.items())


def _kind(path: str, status: os.stat_result, lower: Sequence[str]) -> int | None:
    if is_whiteout(status):
        return DELETED
    for layer in lower:
        try:
            before = os.lstat(layer + path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if is_whiteout(before):
            return ADDED
        same = _look_of(before) == _look_of(status)
        return None if same and stat.S_ISDIR(before.st_mode) else MODIFIED
    return ADDED


def _look_of(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mode, status.st_size, status.st_mtime_ns


def _walk(upper: str) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below a directory, each directory before what is in it."""
    waiting = [""]
    while waiting:
        path = waiting.pop()
        with os.scandir(upper + path) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                inner = f"{path}/{entry.name}"
                yield inner, entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(inner)


class _Hashed:
    """A file that keeps the digest of all that is written to it."""

    def __init__(self, path: Path):
        self._file = open(path, "wb", buffering=1 << 20)  # noqa: SIM115
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        """Write and count in."""
        self.digest.update(content)
        return self._file.write(content)

    def close(self) -> None:
        """Finish."""
        self._file.close()


def write_layer(upper: str, path: Path) -> str:
    """Write the changes in an upper directory as an image layer; its digest, "sha256:...".  Blocks."""
    target = _Hashed(path)
    try:
        with Scope(upper) as scope, TreeWriter(scope, target, changes=True) as writer:
            writer.add_below("/", "")
    finally:
        target.close()
    return f"sha256:{target.digest.hexdigest()}"
