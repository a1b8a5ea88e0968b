"""What a container has written, as conmon keeps it: lines of `TIME STREAM P|F TEXT`, in files by size.

The format is that of Kubernetes' container runtime interface; P marks a piece of a line whose
rest follows.  Files are named as Docker names them: the newest has no number, older ones .1, .2 ...
"""

import calendar
import mmap
import os
import re
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fairlead.boundary import LogLine, LogQuery
from fairlead.model.container import LogConfig
from fairlead.model.errors import InvalidParameter

LONGEST = 16384  # bytes; longer lines come in pieces, as from Docker
_HEAD = 64  # bytes in which a line's time, stream and tag have room
# Held by whoever moves files or looks which is which; readers do so in threads.
moving = threading.Lock()
_STREAMS = {b"stdout": 1, b"stderr": 2}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)i?b?", re.IGNORECASE)
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


@dataclass(frozen=True, slots=True)
class Rotation:
    """How much is kept: `size` in bytes for a file (0: no limit), and how many files."""

    size: int = 0
    files: int = 1

    @property
    def by_conmon(self) -> int:
        """The size at which conmon starts its file afresh.

        With several files that is the daemon's to do in time; conmon only keeps the whole within
        bounds while there is no daemon.
        """
        return self.size * self.files


# What the driver `local` keeps where nothing else is said.  Source: Docker's documentation of it.
_LOCAL = {"max-size": "20m", "max-file": "5"}


def rotation(config: LogConfig) -> Rotation:
    """Docker's max-size ("10m", counted in thousands) and max-file.  InvalidParameter if they are wrong."""
    options = {**(_LOCAL if config.driver == "local" else {}), **config.options}
    text = options.get("max-size", "")
    match = _SIZE.fullmatch(text)
    if text and text != "-1" and match is None:
        raise InvalidParameter(f"invalid size: '{text}'")
    size = int(float(match[1]) * 1000 ** _UNITS[match[2].lower()]) if match else 0
    count = options.get("max-file", "1")
    if re.fullmatch(r"[0-9]{1,9}", count) is None or int(count) < 1:
        raise InvalidParameter("max-file cannot be less than 1")
    return Rotation(size, int(count))


def files(path: str) -> list[str]:
    """The log's files, oldest first."""
    found = []
    number = 1
    while os.path.exists(f"{path}.{number}"):
        found.append(f"{path}.{number}")
        number += 1
    found.reverse()
    return [*found, path] if os.path.exists(path) else found


def rotate(path: str, keep: int) -> None:
    """Give every file the next number and drop those beyond `keep`; conmon has to be told to reopen then."""
    with moving:
        for number in range(keep - 1, 0, -1):
            older = path if number == 1 else f"{path}.{number - 1}"
            if os.path.exists(older):
                os.replace(older, f"{path}.{number}")


@dataclass(frozen=True, slots=True)
class Piece:
    """One line of a log file; `whole` when the line that the container wrote ends with it."""

    line: LogLine
    whole: bool


class Parser:
    """Reads lines of a log file.  Times come in bursts of the same second, so the last one is kept."""

    def __init__(self) -> None:
        self._second = b""
        self._base = 0

    def piece(self, text: bytes) -> Piece | None:
        """One line without its newline; None if it is damaged (a full disk cuts lines off)."""
        parts = text.split(b" ", 3)
        if len(parts) != 4 or parts[1] not in _STREAMS or parts[2] not in (b"P", b"F"):
            return None
        try:
            time = self._time(parts[0])
        except ValueError:
            return None
        whole = parts[2] == b"F"
        content = parts[3] + b"\n" if whole else parts[3]
        return Piece(LogLine(_STREAMS[parts[1]], time, content), whole)

    def _time(self, text: bytes) -> int:
        """`2006-01-02T15:04:05.999999999+07:00` in nanoseconds since the epoch."""
        second = text[:19] + text[29:]
        if second != self._second:
            self._base = _seconds(second.decode("ascii"))
            self._second = second
        return self._base * 1_000_000_000 + int(text[20:29])


def _seconds(text: str) -> int:
    date, clock, zone = text[:10], text[11:19], text[19:]
    year, month, day = (int(part) for part in date.split("-"))
    hour, minute, second = (int(part) for part in clock.split(":"))
    offset = 0
    if zone not in ("", "Z"):
        hours, minutes = zone[1:].split(":")
        offset = (int(hours) * 3600 + int(minutes) * 60) * (-1 if zone[0] == "-" else 1)
    return calendar.timegm((year, month, day, hour, minute, second)) - offset


class Joiner:
    """Puts pieces of a line together again, up to Docker's longest."""

    def __init__(self) -> None:
        self._kept: dict[int, LogLine] = {}

    def add(self, piece: Piece) -> Iterator[LogLine]:
        """Whatever is complete now."""
        line = piece.line
        before = self._kept.pop(line.stream, None)
        if before is not None:
            line = LogLine(line.stream, before.time, before.content + line.content)
        while len(line.content) > LONGEST:
            yield LogLine(line.stream, line.time, line.content[:LONGEST])
            line = LogLine(line.stream, line.time, line.content[LONGEST:])
        if piece.whole:
            yield line
        elif line.content:
            self._kept[line.stream] = line

    def rest(self) -> Iterator[LogLine]:
        """What the container has written without ending the line."""
        yield from sorted(self._kept.values(), key=lambda line: line.time)
        self._kept.clear()


def wanted(line: LogLine, query: LogQuery) -> bool:
    """Whether the query asks for the line's stream, and it is not from before its time."""
    stream = query.stdout if line.stream == 1 else query.stderr
    return stream and line.time >= query.since


def ends(line: LogLine, query: LogQuery) -> bool:
    """Whether the line is from after the query's time."""
    return bool(query.until) and line.time > query.until


def tail_start(paths: Sequence[str], count: int) -> tuple[int, int]:
    """Where the last `count` lines begin: index of the file among `paths` (oldest first), offset in it."""
    for index in range(len(paths) - 1, -1, -1):
        offset, count = _backwards(paths[index], count)
        if offset:
            return index, offset
    return 0, 0


def _backwards(path: str, count: int) -> tuple[int, int]:
    """The offset behind the line before the last `count` ones, or 0; and how many are still missing."""
    with open(path, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return 0, count
        # Nobody shortens a log file in place, so that the mapping stays good.
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as text:
            end = text.rfind(b"\n") + 1
            while end:
                start = text.rfind(b"\n", 0, end - 1) + 1
                if text[start : min(end, start + _HEAD)].split(b" ", 3)[2:3] == [b"F"]:
                    if not count:
                        return end, 0
                    count -= 1
                end = start
    return 0, count
