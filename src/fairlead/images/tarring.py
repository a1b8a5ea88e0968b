"""Directory trees as tar streams, with owner, mode, times, hard links, devices and capabilities.

The tree may change meanwhile: what vanishes is left out, what shrinks is filled up with zeros.
Nothing is read through a link.
"""

import contextlib
import errno
import os
import stat
import tarfile
from typing import BinaryIO, Protocol

from fairlead.images.scope import Scope

PAX_CAPABILITY = "SCHILY.xattr.security.capability"
CAPABILITY = "security.capability"
WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
_OPAQUE_ATTRIBUTE = "trusted.overlay.opaque"
_KINDS = {
    stat.S_IFREG: tarfile.REGTYPE,
    stat.S_IFDIR: tarfile.DIRTYPE,
    stat.S_IFLNK: tarfile.SYMTYPE,
    stat.S_IFIFO: tarfile.FIFOTYPE,
    stat.S_IFCHR: tarfile.CHRTYPE,
    stat.S_IFBLK: tarfile.BLKTYPE,
}


class Target(Protocol):
    """What an archive is written into."""

    def write(self, content: bytes, /) -> int:
        """Take bytes."""
        ...


class TreeWriter:
    """Writes trees of one scope into one archive; use it with `with`.

    Paths must be free of links (`Scope.target`).  With `changes` the scope is the upper directory
    of an overlay, and what it deletes becomes the `.wh.` files of an image layer (source: OCI
    image specification, layer.md).
    """

    def __init__(self, scope: Scope, file: Target, changes: bool = False):
        self._scope = scope
        self._changes = changes
        self._archive = tarfile.TarFile(
            fileobj=_Forward(file),  # type: ignore[arg-type]
            mode="w",
            format=tarfile.PAX_FORMAT,
            encoding="utf-8",
            errors="surrogateescape",
        )
        self._linked: dict[tuple[int, int], str] = {}

    def __enter__(self) -> "TreeWriter":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._archive.close()

    def add(self, path: str, name: str) -> None:
        """One path and all below it, called `name` in the archive."""
        parent, _, last = path.rpartition("/")
        with self._scope.directory(parent, links=False) as descriptor:
            entered = self._add_entry(descriptor, last or ".", name)
        if entered:
            self.add_below(path, name)

    def add_below(self, path: str, name: str) -> None:
        """Everything below a directory, as NAME/..., or without a prefix if `name` is empty.

        Names are in order, and each directory is followed by what is in it.
        """
        open_directories = [_Directory(path, name)]
        while open_directories:
            inner = self._add_some(open_directories[-1])
            if inner is None:
                open_directories.pop()
            else:
                open_directories.append(inner)

    def _add_some(self, directory: "_Directory") -> "_Directory | None":
        """Add entries of a directory up to the next directory, which it returns; None at the end.

        It is opened anew each time, so that a deep tree takes no descriptors.
        """
        try:
            descriptor = self._scope.open(directory.path, os.O_RDONLY | os.O_DIRECTORY, links=False)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                return None  # gone, or a link by now
            raise
        try:
            if directory.waiting is None:
                directory.waiting = sorted(os.listdir(descriptor), reverse=True)
                if self._changes and directory.path != "/" and is_opaque(descriptor):
                    self._archive.addfile(_deletion(directory.prefix + OPAQUE))
            while directory.waiting:
                name = directory.waiting.pop()
                if self._add_entry(descriptor, name, directory.prefix + name):
                    return _Directory(f"{directory.path.rstrip('/')}/{name}", directory.prefix + name)
            return None
        finally:
            os.close(descriptor)

    def _add_entry(self, parent: int, last: str, name: str) -> bool:
        """Add one entry of an open directory; whether it is a directory to go into."""
        try:
            status = os.stat(last, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return False
        if self._changes and is_whiteout(status):
            directory, _, deleted = name.rpartition("/")
            self._archive.addfile(_deletion(f"{directory}/{WHITEOUT}{deleted}".lstrip("/")))
            return False
        kind = stat.S_IFMT(status.st_mode)
        if kind not in _KINDS:  # a socket: nobody listens in a copy
            return False
        member = _member(name, status)
        if kind == stat.S_IFREG:
            self._add_file(parent, last, member, status)
            return False
        if kind == stat.S_IFLNK:
            try:
                member.linkname = os.readlink(last, dir_fd=parent)
            except OSError:
                return False  # something else by now
        self._archive.addfile(member)
        return kind == stat.S_IFDIR

    def _add_file(self, parent: int, last: str, member: tarfile.TarInfo, status: os.stat_result) -> None:
        identity = (status.st_dev, status.st_ino)
        if status.st_nlink > 1 and identity in self._linked:
            member.type, member.linkname, member.size = tarfile.LNKTYPE, self._linked[identity], 0
            self._archive.addfile(member)
            return
        try:
            descriptor = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        except OSError:
            return
        with os.fdopen(descriptor, "rb") as file:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                return
            with contextlib.suppress(OSError):
                capability = os.getxattr(descriptor, CAPABILITY)
                member.pax_headers = {PAX_CAPABILITY: capability.decode("utf-8", "surrogateescape")}
            member.size = status.st_size
            self._archive.addfile(member, _Padded(file))  # type: ignore[arg-type]
        if status.st_nlink > 1:
            self._linked[identity] = member.name


class _Directory:
    """A directory that is being written; `waiting` are the names still to come, the next one last."""

    def __init__(self, path: str, name: str):
        self.path = path
        self.prefix = name if not name or name.endswith("/") else f"{name}/"
        self.waiting: list[str] | None = None


class _Forward:
    """A file that is written from its beginning to its end; pipes cannot tell where they are."""

    def __init__(self, file: Target):
        self._file = file

    def write(self, content: bytes) -> int:
        """Hand on."""
        return self._file.write(content)

    def tell(self) -> int:
        """The archive begins where the file is."""
        return 0


class _Padded:
    """A file that never ends: zeros follow its content."""

    def __init__(self, file: BinaryIO):
        self._file = file

    def read(self, count: int) -> bytes:
        """Exactly so many bytes."""
        return self._file.read(count).ljust(count, b"\0")


def is_whiteout(status: os.stat_result) -> bool:
    """Whether an entry of an upper directory says "deleted": a character device 0/0."""
    return stat.S_ISCHR(status.st_mode) and status.st_rdev == 0


def is_opaque(descriptor: int) -> bool:
    """Whether an open directory of an upper directory hides all that lies below it."""
    try:
        return os.getxattr(descriptor, _OPAQUE_ATTRIBUTE) == b"y"
    except OSError:
        return False


def _member(name: str, status: os.stat_result) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = _KINDS[stat.S_IFMT(status.st_mode)]
    member.mode = stat.S_IMODE(status.st_mode)
    member.uid, member.gid = status.st_uid, status.st_gid
    member.mtime = int(status.st_mtime)
    if member.type in (tarfile.CHRTYPE, tarfile.BLKTYPE):
        member.devmajor, member.devminor = os.major(status.st_rdev), os.minor(status.st_rdev)
    return member


def _deletion(name: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.mode = 0o600
    return member
