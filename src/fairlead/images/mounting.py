"""Overlay mounts by mount(2) itself: two milliseconds where a program needs ninety.

The mount options must fit into one page.  So all directories are named relative to that of the
storage's short names, which a thread of its own holds as its working directory: threads usually
share one.
"""

import asyncio
import ctypes
import errno
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from fairlead.model.errors import Failed

T = TypeVar("T")
_CLONE_FS = 0x200  # source: linux/sched.h
_DETACH = 2  # MNT_DETACH, source: sys/mount.h
_PAGE = 4096
_TRIES = 50
_PAUSE = 0.02  # seconds between tries to unmount what is busy
# Changes must be plain files, whiteouts and opaque directories: what an image layer can hold.
_PLAIN = "index=off,redirect_dir=off,metacopy=off"
_libc = ctypes.CDLL(None, use_errno=True)


class Mounter:
    """Mounts and unmounts overlays of the storage whose short names are in `base`."""

    def __init__(self, base: Path):
        self._base = os.path.realpath(base)
        self._thread = ThreadPoolExecutor(1, "mount", initializer=_leave_shared_directory)

    async def mount(self, lower: Sequence[str], upper: Path, work: Path, target: Path) -> None:
        """Mount an overlay, the topmost lower directory first; nothing happens if it is mounted.

        A lower directory is a path or a short name.  Raises Failed naming the target.
        """
        below = ":".join(self._relative(each) for each in lower)
        above = f"upperdir={self._relative(str(upper))},workdir={self._relative(str(work))}"
        options = os.fsencode(f"lowerdir={below},{above},{_PLAIN}")
        if len(options) >= _PAGE:
            raise Failed(f"cannot mount {target}: the image has too many layers ({len(lower)})")

        def act() -> None:
            if os.path.ismount(target):
                return
            try:
                os.chdir(self._base)
            except OSError as error:
                raise Failed(f"cannot mount {target}: {self._base}: {error.strerror}") from error
            if _libc.mount(b"overlay", os.fsencode(target), b"overlay", 0, options):
                reason = os.strerror(ctypes.get_errno())
                raise Failed(f"cannot mount the root filesystem at {target}: {reason}")

        await self._run(act)

    async def unmount(self, target: Path) -> None:
        """Unmount; fine when it is not mounted.  What stays busy for a second is taken out of sight."""
        for _ in range(_TRIES):
            if await self._run(lambda: _unmount(target, 0)):
                return
            await asyncio.sleep(_PAUSE)
        await self._run(lambda: _unmount(target, _DETACH))

    def _relative(self, path: str) -> str:
        return os.path.relpath(os.path.realpath(path), self._base) if path.startswith("/") else path

    async def _run(self, act: Callable[[], T]) -> T:
        # A mount that has begun is waited for: its outcome must be known to whoever undoes it.
        task = asyncio.get_running_loop().run_in_executor(self._thread, act)
        return await asyncio.shield(task)


def _leave_shared_directory() -> None:
    if _libc.unshare(_CLONE_FS):
        raise OSError(ctypes.get_errno(), "cannot give a thread its own working directory")


def _unmount(target: Path, flags: int) -> bool:
    """Whether nothing is mounted there any more; False while it is busy."""
    if _libc.umount2(os.fsencode(target), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number == errno.EBUSY:
        return False
    if number in (errno.EINVAL, errno.ENOENT):  # not a mount, nothing there
        return True
    raise Failed(f"cannot unmount {target}: {os.strerror(number)}")
