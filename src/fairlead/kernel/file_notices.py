"""The kernel's word that some files have changed, however: written to, replaced, removed, made.

Whoever is told looks for himself.  Source: inotify(7).
"""

import asyncio
import ctypes
import logging
import os
import struct
from collections.abc import Callable, Iterator, Sequence

log = logging.getLogger(__name__)

CLOSE_WRITE, ATTRIB, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x8, 0x4, 0x40, 0x80, 0x100, 0x200
DELETE_SELF, MOVE_SELF, OVERFLOW, IGNORED = 0x400, 0x800, 0x4000, 0x8000
NONBLOCK, CLOEXEC = 0o4000, 0o2000000
OF_DIRECTORY = CLOSE_WRITE | MOVED_FROM | MOVED_TO | CREATE | DELETE
OF_FILE = CLOSE_WRITE | ATTRIB | DELETE_SELF | MOVE_SELF
LONGEST = 1 << 16  # bytes
BETWEEN_LOOKS = 1.0  # seconds
_HEAD = struct.Struct("iIII")  # watch, what, cookie, length of the name
_libc = ctypes.CDLL(None, use_errno=True)


class FileNotices:
    """Calls a function soon after a change of one of the files.  Made in the event loop's thread.

    Symbolic links are followed, and directories that are missing are waited for.  While the kernel
    has no room for one more watcher (each conmon is one, too) the files are looked at every second.
    """

    def __init__(self, paths: Sequence[str], tell: Callable[[], None]):
        self._paths = paths
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._names: dict[int, set[str]] = {}  # what matters of a directory, by watch; nothing: of a file
        self._number = -1
        self._seen: list[object] = []
        self._looking: asyncio.TimerHandle | None = None
        self._open()

    def close(self) -> None:
        """Watch no longer."""
        if self._looking is not None:
            self._looking.cancel()
        if self._number >= 0:
            self._loop.remove_reader(self._number)
            os.close(self._number)
            self._number = -1

    def _open(self) -> None:
        self._number = _libc.inotify_init1(NONBLOCK | CLOEXEC)
        if self._number >= 0:
            self._arm()
            self._loop.add_reader(self._number, self._read)
        else:
            if self._looking is None:
                log.warning("cannot watch %s: %s", ", ".join(self._paths), os.strerror(ctypes.get_errno()))
                self._seen = self._look()
            self._looking = self._loop.call_later(BETWEEN_LOOKS, self._look_again)

    def _look_again(self) -> None:
        before, self._seen = self._seen, self._look()
        if before != self._seen:
            self._tell()
        self._open()

    def _look(self) -> list[object]:
        found: list[object] = []
        for path in self._paths:
            try:
                now = os.stat(path)
                found.append((now.st_dev, now.st_ino, now.st_mtime_ns, now.st_size))
            except OSError:
                found.append(None)
        return found

    def _arm(self) -> None:
        """Watch what the paths lead to now; what is watched already stays so."""
        for path in self._paths:
            for each in {path, os.path.realpath(path)}:
                self._watch(each, OF_FILE)
                while not self._watch_nearest(each):
                    pass

    def _watch_nearest(self, path: str) -> bool:
        """Watch the nearest directory of the path; False if it went, or a nearer one came, meanwhile."""
        directory, name = os.path.split(path)
        while not os.path.isdir(directory):
            directory, name = os.path.split(directory)
        watch = self._watch(directory, OF_DIRECTORY)
        if watch < 0 and not os.path.isdir(directory):
            return False
        self._names.setdefault(watch, set()).add(name)
        return directory == os.path.dirname(path) or not os.path.isdir(os.path.join(directory, name))

    def _watch(self, path: str, what: int) -> int:
        return int(_libc.inotify_add_watch(self._number, os.fsencode(path), what))

    def _read(self) -> None:
        matters = False
        while True:
            try:
                content = os.read(self._number, LONGEST)
            except BlockingIOError:
                break
            for watch, what, name in _events(content):
                if what & (OVERFLOW | IGNORED):  # too much to tell; or what was watched is gone
                    self._names.pop(watch, None)
                names = self._names.get(watch)
                matters |= not names or name in names
        if matters:
            self._arm()
            self._tell()


def _events(content: bytes) -> Iterator[tuple[int, int, str]]:
    at = 0
    while at < len(content):
        watch, what, _, length = _HEAD.unpack_from(content, at)
        at += _HEAD.size
        yield watch, what, os.fsdecode(content[at : at + length].rstrip(b"\0"))
        at += length
