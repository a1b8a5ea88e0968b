"""Wakes whoever waits for changes in a directory: one inotify instance for all."""

import asyncio
import contextlib
import ctypes
import os
import struct
from collections.abc import Iterator

_MODIFY, _CREATE, _MOVED_TO = 0x2, 0x100, 0x80  # source: linux/inotify.h
_HEAD = struct.Struct("iIII")
_libc = ctypes.CDLL(None, use_errno=True)


class Changes:
    """Directories that somebody waits for, with as many waiters each as there are."""

    def __init__(self) -> None:
        self._descriptor = -1
        self._watches: dict[str, int] = {}
        self._waiters: dict[int, set[asyncio.Event]] = {}

    @contextlib.contextmanager
    def of(self, directory: str) -> Iterator[asyncio.Event]:
        """An event that is set at every change; clear it before looking."""
        event = asyncio.Event()
        watch = self._watch(directory)
        waiters = self._waiters.setdefault(watch, set())
        waiters.add(event)
        try:
            yield event
        finally:
            waiters.discard(event)
            if not waiters:
                self._waiters.pop(watch, None)
                self._watches.pop(directory, None)
                _libc.inotify_rm_watch(self._descriptor, watch)

    def _watch(self, directory: str) -> int:
        if self._descriptor < 0:
            self._descriptor = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
            if self._descriptor >= 0:
                asyncio.get_running_loop().add_reader(self._descriptor, self._drain)
        if directory not in self._watches:
            self._watches[directory] = _libc.inotify_add_watch(
                self._descriptor, os.fsencode(directory), _MODIFY | _CREATE | _MOVED_TO
            )
        return self._watches[directory]

    def _drain(self) -> None:
        with contextlib.suppress(BlockingIOError):
            content = os.read(self._descriptor, 65536)
            while content:
                watch, _, _, length = _HEAD.unpack_from(content)
                content = content[_HEAD.size + length :]
                for event in self._waiters.get(watch, ()):
                    event.set()

    def close(self) -> None:
        """Wake nobody any longer."""
        if self._descriptor >= 0:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


async def wait(*events: asyncio.Event, seconds: float) -> None:
    """Return when one of the events is set, or after a while."""
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
