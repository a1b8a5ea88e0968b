"""Reads a container's log as it is asked for, and goes on reading while it grows and is rotated."""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from typing import IO

from fairlead.boundary import LogLine, LogQuery
from fairlead.runtime import changes, logs
from fairlead.runtime.changes import Changes

_BATCH = 512  # lines read in one go
_SHORTEST_WAIT, _LONGEST_WAIT = 0.01, 1.0  # seconds; the longer one where inotify is used up


class _Cursor:
    """A place in a log, which moves on from file to file; a rotated file is known by its inode."""

    def __init__(self, path: str):
        self._path = path
        self._file: IO[bytes] | None = None
        self._parser = logs.Parser()
        self._joiner = logs.Joiner()

    def go_to_tail(self, count: int) -> None:
        """Begin with the last `count` lines; negative: with the first line."""
        with logs.moving:
            paths = logs.files(self._path)
            if count < 0 or not paths:
                return
            if count == 0:
                index, place = len(paths) - 1, (0, os.SEEK_END)
            else:
                index, offset = logs.tail_start(paths, count)
                place = (offset, os.SEEK_SET)
            self._file = open(paths[index], "rb")  # noqa: SIM115
            self._file.seek(*place)

    def batch(self) -> list[LogLine]:
        """The next lines; none when there are no more for now."""
        lines: list[LogLine] = []
        while len(lines) < _BATCH:
            piece = self._piece()
            if piece is not None:
                lines += self._joiner.add(piece)
            elif not self._next_file():
                break
        return lines

    def rest(self) -> list[LogLine]:
        """What was written without the line's end."""
        return list(self._joiner.rest())

    def _piece(self) -> logs.Piece | None:
        while self._file is not None:
            place = self._file.tell()
            text = self._file.readline()
            if not text.endswith(b"\n"):
                # conmon is in the middle of writing it.
                self._file.seek(place)
                return None
            piece = self._parser.piece(text[:-1])
            if piece is not None:
                return piece
        return None

    def _next_file(self) -> bool:
        """Go on with the file after this one; False if this is the newest."""
        with logs.moving:
            found = list(_found(self._path))
            if self._file is not None:
                here = os.fstat(self._file.fileno())
                numbers = [each.st_ino for _, each in found]
                if here.st_ino in numbers:
                    found = found[numbers.index(here.st_ino) + 1 :]
                else:
                    # It has been dropped; only what was written to later can come after it.
                    found = [pair for pair in found if pair[1].st_mtime_ns > here.st_mtime_ns]
            if not found:
                return False
            self.close()
            self._file = open(found[0][0], "rb")  # noqa: SIM115
        return True

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _found(path: str) -> Iterator[tuple[str, os.stat_result]]:
    """The log's files, oldest first."""
    for each in logs.files(path):
        with contextlib.suppress(FileNotFoundError):
            yield each, os.stat(each)


async def read(path: str, query: LogQuery, over: asyncio.Event, watched: Changes) -> AsyncIterator[LogLine]:
    """The lines that the query asks for; following, until `over` is set and everything is read."""
    cursor = _Cursor(path)
    try:
        await asyncio.to_thread(cursor.go_to_tail, query.tail)
        with watched.of(os.path.dirname(path)) as changed:
            finished = False
            while not finished:
                changed.clear()
                last = over.is_set() or not query.follow or _past(query)
                lines = await asyncio.to_thread(cursor.batch)
                finished = last and not lines
                for line in lines or (cursor.rest() if finished else ()):
                    if logs.ends(line, query):
                        return
                    if logs.wanted(line, query):
                        yield line
                if not lines and not finished:
                    await changes.wait(changed, over, seconds=_patience(query))
    finally:
        cursor.close()


def _past(query: LogQuery) -> bool:
    return bool(query.until) and time.time_ns() > query.until


def _patience(query: LogQuery) -> float:
    """Seconds until it is time to look again though nothing was heard."""
    if not query.until:
        return _LONGEST_WAIT
    return max(_SHORTEST_WAIT, min((query.until - time.time_ns()) / 1e9, _LONGEST_WAIT))
