"""Tar streams unpacked into a directory of a root filesystem, as `docker cp` does it.

Names and hard links that lead out of the directory are refused; links are created as they are
and followed only within the root.  Owners, modes, times, devices and capabilities are kept.
"""

import contextlib
import io
import os
import posixpath
import shutil
import stat
import tarfile
from collections.abc import Iterator

from fairlead.images.scope import Scope, set_mode
from fairlead.images.spool import DAMAGE, broken
from fairlead.images.tarring import CAPABILITY, PAX_CAPABILITY
from fairlead.model.errors import Failed

_BLOCK = 1 << 20
_KINDS = {tarfile.CHRTYPE: stat.S_IFCHR, tarfile.BLKTYPE: stat.S_IFBLK, tarfile.FIFOTYPE: stat.S_IFIFO}


def unpack(scope: Scope, destination: str, file: io.BufferedReader, keep_kinds: bool) -> None:
    """Unpack a tar, plain or compressed, below a directory of the scope.  Blocks.

    With `keep_kinds` a directory never takes the place of something else, nor the other way round.
    InvalidParameter in Docker's words for a damaged or hostile archive; what came before stays.
    """
    if not file.peek(1):
        return  # an empty upload is an empty archive
    unpacker = _Unpacker(scope, destination, keep_kinds)
    try:
        with tarfile.open(fileobj=file, mode="r|*", encoding="utf-8", errors="surrogateescape") as archive:
            for member in archive:
                unpacker.add(archive, member)
            unpacker.finish()
    except OSError as error:
        if error.errno is None:
            raise broken() from error
        raise Failed(f"cannot unpack {error.filename or destination}: {error.strerror}") from error
    except DAMAGE as error:
        raise broken() from error


class _Unpacker:
    def __init__(self, scope: Scope, destination: str, keep_kinds: bool):
        self._scope = scope
        self._destination = destination.rstrip("/")
        self._keep_kinds = keep_kinds
        self._directories: dict[str, tarfile.TarInfo] = {}

    def add(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Create one member."""
        name = self._inside(member.name)
        if name is None:
            raise broken(f'"{member.name}" is outside of "{self._destination or "/"}"')
        if name == ".":
            return
        parent, _, last = f"{self._destination}/{name}".rpartition("/")
        with self._parent(parent) as descriptor:
            if not self._clear(descriptor, last, member, f"{parent}/{last}"):
                return
            self._create(archive, member, descriptor, last)
            if member.isdir():
                self._directories[f"{parent}/{last}"] = member
            elif not member.islnk():
                _adorn(descriptor, last, member)

    def finish(self) -> None:
        """Give directories their times, which what was put into them has changed."""
        for path, member in self._directories.items():
            parent, _, last = path.rpartition("/")
            with contextlib.suppress(OSError), self._scope.directory(parent) as descriptor:
                _adorn(descriptor, last, member)

    @contextlib.contextmanager
    def _parent(self, path: str) -> Iterator[int]:
        """The directory to create something in, made if it is missing."""
        try:
            descriptor = self._scope.open(path, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            self._scope.ensure_directory(path)
            descriptor = self._scope.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _inside(self, name: str) -> str | None:
        """The name relative to the destination, None if it leads out."""
        normal = posixpath.normpath(name.lstrip("/") or ".")
        return None if normal == ".." or normal.startswith("../") else normal

    def _clear(self, parent: int, last: str, member: tarfile.TarInfo, path: str) -> bool:
        """Make room for a member; False if it is a directory that is there already as one."""
        try:
            status = os.stat(last, dir_fd=parent, follow_symlinks=False)
        except FileNotFoundError:
            return True
        is_directory = stat.S_ISDIR(status.st_mode)
        if self._keep_kinds and is_directory != member.isdir():
            old, new = ("directory", "non-directory") if is_directory else ("non-directory", "directory")
            raise broken(f'cannot overwrite {old} "{path}" with {new} "{self._destination or "/"}"')
        if is_directory and member.isdir():
            self._directories[path] = member
            return False
        if is_directory:
            shutil.rmtree(last, dir_fd=parent)
        else:
            os.unlink(last, dir_fd=parent)
        return True

    def _create(self, archive: tarfile.TarFile, member: tarfile.TarInfo, parent: int, last: str) -> None:
        if member.isdir():
            os.mkdir(last, 0o700, dir_fd=parent)
        elif member.issym():
            os.symlink(member.linkname, last, dir_fd=parent)
        elif member.islnk():
            self._link(member, parent, last)
        elif member.type in _KINDS:
            device = os.makedev(member.devmajor, member.devminor)
            os.mknod(last, _KINDS[member.type] | 0o600, device, dir_fd=parent)
        elif member.isreg():
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(last, flags, 0o600, dir_fd=parent), "wb") as file:
                source = archive.extractfile(member)
                assert source is not None
                shutil.copyfileobj(source, file, _BLOCK)
        else:
            raise broken(f"unhandled tar header type {member.type!r}")

    def _link(self, member: tarfile.TarInfo, parent: int, last: str) -> None:
        target = self._inside(member.linkname)
        if target is None:
            raise broken(f'invalid hardlink "{member.name}" -> "{member.linkname}"')
        directory, _, name = f"{self._destination}/{target}".rpartition("/")
        with self._scope.directory(directory) as descriptor:
            os.link(name, last, src_dir_fd=descriptor, dst_dir_fd=parent, follow_symlinks=False)


def _adorn(parent: int, last: str, member: tarfile.TarInfo) -> None:
    """Owner, then mode (a change of owner takes set-id bits away), capability and times."""
    os.chown(last, member.uid, member.gid, dir_fd=parent, follow_symlinks=False)
    set_mode(parent, last, member.mode & 0o7777)
    if member.isreg() and (capability := member.pax_headers.get(PAX_CAPABILITY)):
        descriptor = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=parent)
        try:
            os.setxattr(descriptor, CAPABILITY, capability.encode("utf-8", "surrogateescape"))
        finally:
            os.close(descriptor)
    time = round(float(member.mtime) * 1_000_000_000)
    os.utime(last, ns=(time, time), dir_fd=parent, follow_symlinks=False)
