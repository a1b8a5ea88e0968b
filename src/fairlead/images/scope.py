"""Paths inside a root filesystem, seen from outside: every link is followed within the root, never out of it.

The kernel does the resolving (openat2 with RESOLVE_IN_ROOT), so that a container that swaps
directories for links meanwhile gains nothing.
"""

import ctypes
import errno
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager

_OPENAT2 = 437  # the same number on every architecture
_NO_MAGIC_LINKS, _NO_SYMLINKS, _IN_ROOT = 0x02, 0x04, 0x10  # source: linux/openat2.h
_MOST_LINKS = 255
_TRIES = 32
_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class Scope:
    """A root directory held open.  Paths are the container's, absolute or not: all start at the root."""

    def __init__(self, root: str):
        self._root = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> "Scope":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._root)

    def open(self, path: str, flags: int, links: bool = True) -> int:
        """A descriptor of the path.  Without `links` a link anywhere on the way is ELOOP.  Raises OSError."""
        resolve = _IN_ROOT | _NO_MAGIC_LINKS | (0 if links else _NO_SYMLINKS)
        how = _How(flags | os.O_CLOEXEC, 0, resolve)
        name = os.fsencode(path.lstrip("/") or ".")
        for _ in range(_TRIES):
            descriptor = _libc.syscall(_OPENAT2, self._root, name, ctypes.byref(how), ctypes.sizeof(how))
            if descriptor >= 0:
                return int(descriptor)
            number = ctypes.get_errno()
            if number != errno.EAGAIN:  # a directory on the way was moved meanwhile
                break
        raise OSError(number, os.strerror(number), path)

    @contextmanager
    def opened(self, path: str, flags: int, links: bool = True) -> Iterator[int]:
        """The same for a with statement."""
        descriptor = self.open(path, flags, links)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    @contextmanager
    def directory(self, path: str, links: bool = True) -> Iterator[int]:
        """A readable directory.  Raises OSError."""
        with self.opened(path, os.O_RDONLY | os.O_DIRECTORY, links) as descriptor:
            yield descriptor

    def status(self, path: str) -> os.stat_result:
        """What is at the path; a link at its end is looked at itself.  Raises OSError."""
        with self.opened(path, os.O_PATH | os.O_NOFOLLOW) as descriptor:
            return os.fstat(descriptor)

    def target(self, path: str) -> str:
        """Where the path leads when every link is followed, as far as it exists; absolute, inside the root.

        Raises OSError for a loop.
        """
        reached, waiting, followed = "/", path.split("/")[::-1], 0
        while waiting:
            name = waiting.pop()
            if name in ("", "."):
                continue
            if name == "..":
                reached = posixpath.dirname(reached)
                continue
            link = self._link(posixpath.join(reached, name))
            if link is None:
                reached = posixpath.join(reached, name)
                continue
            followed += 1
            if followed > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            reached = "/" if link.startswith("/") else reached
            waiting += link.split("/")[::-1]
        return reached

    def _link(self, path: str) -> str | None:
        try:
            with self.opened(path, os.O_PATH | os.O_NOFOLLOW) as descriptor:
                if stat.S_ISLNK(os.fstat(descriptor).st_mode):
                    return os.readlink("", dir_fd=descriptor)
        except OSError:
            pass
        return None

    def ensure_directory(self, path: str) -> None:
        """Make the directory with its parents, mode 0755, owned by root; fine when it exists.

        Raises OSError if something else is in the way.
        """
        reached = ""
        for name in filter(None, path.split("/")):
            parent, reached = reached or "/", f"{reached}/{name}"
            try:
                os.close(self.open(reached, os.O_PATH | os.O_DIRECTORY))
            except FileNotFoundError:
                with self.directory(parent) as descriptor:
                    os.mkdir(name, dir_fd=descriptor)
                    set_mode(descriptor, name, 0o755)


def set_mode(parent: int, name: str, mode: int) -> None:
    """Set the mode of an entry of an open directory, whatever the umask; never through a link."""
    descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if not stat.S_ISLNK(os.fstat(descriptor).st_mode):
            os.chmod(f"/proc/self/fd/{descriptor}", mode)
    finally:
        os.close(descriptor)
