"""Paths inside a container's root, looked at from outside: no link in it ever leads out of it."""

import ctypes
import os
import posixpath
import stat
from types import TracebackType

from fairlead.model.errors import StartFailed

_OPENAT2 = 437  # the same number on every architecture
_RESOLVE_IN_ROOT = 0x10  # source: linux/openat2.h
_LARGEST = 1 << 20  # bytes read of a passwd or group file
_libc = ctypes.CDLL(None, use_errno=True)


class _How(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class Root:
    """A root filesystem, held open; use it with `with`."""

    def __init__(self, path: str):
        self._descriptor = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> "Root":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)

    def open(self, path: str, flags: int) -> int:
        """A descriptor of the path, resolved as the container would.  Raises OSError."""
        how = _How(flags | os.O_CLOEXEC, 0, _RESOLVE_IN_ROOT)
        descriptor = _libc.syscall(
            _OPENAT2, self._descriptor, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how)
        )
        if descriptor < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), path)
        return int(descriptor)

    def read(self, path: str) -> str:
        """The text of a regular file, "" if there is none."""
        try:
            descriptor = self.open(path, os.O_RDONLY | os.O_NONBLOCK)
        except OSError:
            return ""
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return ""
            return os.read(descriptor, _LARGEST).decode(errors="replace")
        finally:
            os.close(descriptor)

    def ensure_directory(self, path: str) -> None:
        """Make the directory, mode 0755, with its parents.  StartFailed if something else is there."""
        reached = "/"
        for name in posixpath.normpath(path).strip("/").split("/"):
            if name in ("", "."):
                continue
            reached = posixpath.join(reached, name)
            try:
                os.close(self.open(reached, os.O_PATH | os.O_DIRECTORY))
            except FileNotFoundError:
                self._make(reached)
            except NotADirectoryError as error:
                raise StartFailed(f"Cannot mkdir: {path} is not a directory") from error

    def _make(self, path: str) -> None:
        parent = self.open(posixpath.dirname(path), os.O_PATH | os.O_DIRECTORY)
        try:
            os.mkdir(posixpath.basename(path), 0o755, dir_fd=parent)
        except OSError as error:
            raise StartFailed(f"cannot make the directory {path}: {error.strerror}") from error
        finally:
            os.close(parent)
