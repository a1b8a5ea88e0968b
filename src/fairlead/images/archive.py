"""Paths inside a root filesystem for `docker cp` and `docker export`: looked at, read and written as tar.

A root is a directory of the host: a mounted one, or /proc/PID/root of a running container, which
also shows its volumes.
"""

import errno
import io
import posixpath
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass

from fairlead.images.scope import Scope
from fairlead.images.streams import consumed, in_thread, produced
from fairlead.images.tarring import TreeWriter
from fairlead.images.untarring import unpack
from fairlead.model.container import PathStat
from fairlead.model.errors import Failed, InvalidParameter, NotFound

# Go's os.FileMode keeps kinds and special bits elsewhere than the kernel.  Source: Go, io/fs, fs.go.
_GO_KINDS = {
    stat.S_IFDIR: 1 << 31,
    stat.S_IFLNK: 1 << 27,
    stat.S_IFBLK: 1 << 26,
    stat.S_IFCHR: 1 << 26 | 1 << 21,
    stat.S_IFIFO: 1 << 25,
    stat.S_IFSOCK: 1 << 24,
}
_GO_BITS = {stat.S_ISUID: 1 << 23, stat.S_ISGID: 1 << 22, stat.S_ISVTX: 1 << 20}


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a path leads once the links on its way are followed; a link at its end stays one."""

    path: str  # without links before its last component
    name: str  # as it was asked for


class PathArchives:
    """The real `Archives`."""

    async def stat(self, root: str, path: str) -> PathStat:
        """What is at the path.  NotFound in Docker's words; InvalidParameter below something else."""
        return await in_thread(lambda: _look(root, path)[1])

    async def get(self, root: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """A tar of the path and all below it, named as its last component; "." as "./...", "/" as "/..."."""
        place, status = await in_thread(lambda: _look(root, path))

        def write(file: io.BufferedWriter) -> None:
            with _complaining(path), Scope(root) as scope, TreeWriter(scope, file) as writer:
                writer.add(place.path, place.name)

        return status, produced(write)

    async def put(
        self,
        root: str,
        path: str,
        archive: AsyncIterator[bytes],
        no_overwrite_dir_non_dir: bool,
        copy_owner: bool,
    ) -> None:
        """Unpack a tar into a directory inside the root.

        Owners are the archive's, as numbers, in any case: so does Docker.  NotFound if there is
        no such directory, InvalidParameter if it is none or the archive is unusable.
        """

        def read(file: io.BufferedReader) -> None:
            with Scope(root) as scope:
                unpack(scope, destination, file, no_overwrite_dir_non_dir)

        destination = await in_thread(lambda: _directory(root, path))
        await consumed(archive, read)

    async def export(self, root: str) -> AsyncIterator[bytes]:
        """A tar of the whole root, names without a prefix."""

        def write(file: io.BufferedWriter) -> None:
            with Scope(root) as scope, TreeWriter(scope, file) as writer:
                writer.add_below("/", "")

        return produced(write)


def _look(root: str, path: str) -> tuple[_Place, PathStat]:
    whole = _absolute(path)
    directory, _, last = whole.rpartition("/")
    with _complaining(path), Scope(root) as scope:
        above = scope.target(directory)
        followed = last in ("", ".")
        inner = above if followed else posixpath.join(above, last)
        status = scope.status(f"{inner}/" if followed else inner)
        target = scope.target(whole) if stat.S_ISLNK(status.st_mode) else ""
    name = last or posixpath.basename(directory) or "/"
    shown = PathStat(name, status.st_size, go_mode(status.st_mode), status.st_mtime_ns, target)
    return _Place(inner, name), shown


def _directory(root: str, path: str) -> str:
    """Where to unpack: every link is followed, one at the end as well."""
    with _complaining(path), Scope(root) as scope:
        target = scope.target(_absolute(path))
        if not stat.S_ISDIR(scope.status(target).st_mode):
            raise InvalidParameter("extraction point is not a directory")
    return target


def _absolute(path: str) -> str:
    """The path from the root, cleaned; a "/" or "/." at its end stays, since it follows a link there."""
    if not path:
        raise InvalidParameter("bad parameter: path cannot be empty")
    if "\0" in path:
        raise InvalidParameter("bad parameter: path holds a null byte")
    clean = posixpath.normpath("/" + path.lstrip("/"))
    if path.split("/")[-1] == ".":
        return f"{clean.rstrip('/')}/."
    return f"{clean}/" if path.endswith("/") and clean != "/" else clean


class _complaining:  # a context manager is named as a verb
    """Turns what the kernel says of a path into Docker's words."""

    def __init__(self, path: str):
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, OSError):
            return
        if error.errno == errno.ENOENT:
            raise NotFound(f"Could not find the file {self._path}") from error
        if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG):
            raise InvalidParameter(f"lstat {self._path}: {str(error.strerror).lower()}") from error
        raise Failed(f"cannot look at {self._path}: {error.strerror}") from error


def go_mode(mode: int) -> int:
    """A file's mode in the bits of Go's FileMode, which the API shows."""
    kind = _GO_KINDS.get(stat.S_IFMT(mode), 0)
    return (mode & 0o777) | kind | sum(go for bit, go in _GO_BITS.items() if mode & bit)
