"""Streams of progress, from pull, push, load and import: a line per layer that moves, or lines for a log.

On a terminal each layer keeps its line; elsewhere only what is final is written.
"""

import time
from collections.abc import Callable, Iterable, Mapping
from io import StringIO
from typing import Any, TextIO

from fairlead.cli.problems import Ending
from fairlead.cli.units import human_size

_BAR_FROM, _TIME_FROM = 110, 50


def bar(detail: Mapping[str, Any], width: int, now: float) -> str:
    """`[=====>     ]  1.2MB/3.4MB 5s`; "" when nothing is known, only the numbers on a narrow terminal."""
    current, total = detail.get("current") or 0, detail.get("total") or 0
    unit = detail.get("units") or ""
    if current <= 0 and total <= 0:
        return ""
    if total <= 0:
        return f"{current} {unit}" if unit else f"{human_size(current):>8}"
    half = min(int(current / total * 100) // 2, 50)
    drawn = f"[{'=' * half}>{' ' * (50 - half)}] " if width > _BAR_FROM else ""
    if detail.get("hidecounts"):
        numbers = ""
    elif unit:
        numbers = f"{current}/{total} {unit}"
    else:
        numbers = f"{human_size(current):>8}" + (f"/{human_size(total)}" if current <= total else "")
    return drawn + numbers + (_left(detail, current, total, now) if width > _TIME_FROM and half < 50 else "")


def _left(detail: Mapping[str, Any], current: int, total: int, now: float) -> str:
    start = detail.get("start") or 0
    if current <= 0 or start <= 0:
        return ""
    seconds = round((total - current) * (now - start) / current)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    shown = f"{hours}h" if hours else ""
    return f" {shown}{f'{minutes}m' if minutes or hours else ''}{seconds % 60}s"


class Display:
    """Writes the documents of one stream; `width` is that of the terminal, 0 where there is none."""

    def __init__(self, out: TextIO, width: int, now: Callable[[], float] = time.time):
        self._out, self._width, self._now = out, width, now
        self._lines: dict[str, int] = {}

    def show(self, document: Mapping[str, Any]) -> None:
        """One document.  Ending when it says what went wrong."""
        detail = document.get("progressDetail")
        name = str(document.get("id") or "")
        moves = name and (detail is not None or document.get("progress"))
        up = self._place(name) if moves else 0
        if not moves:
            # Lines are counted from below, and this one is not counted.
            self._lines.clear()
        if up:
            self._out.write(f"\033[{up}A")
        self._write(document, detail, name)
        if name and self._width:
            self._out.write(f"\033[{up}B" if up else "")
        self._out.flush()

    def _place(self, name: str) -> int:
        if name not in self._lines:
            self._lines[name] = len(self._lines)
            if self._width:
                self._out.write("\n")
        return len(self._lines) - self._lines[name] if self._width else 0

    def _write(self, document: Mapping[str, Any], detail: Any, name: str) -> None:
        error = document.get("errorDetail") or document.get("error")
        if error:
            if not isinstance(error, Mapping):
                raise Ending(1, str(error))
            raise Ending(int(error.get("code") or 1), str(error["message"]))
        shown = bar(detail, self._width or 200, self._now()) if detail else ""
        end = ""
        if self._width and detail is not None and not document.get("stream"):
            self._out.write("\033[2K\r")
            end = "\r"
        elif shown:
            return
        label = f"{name}: " if name else ""
        if document.get("stream"):
            self._out.write(label + document["stream"] + end)
        elif detail is not None and self._width:
            self._out.write(f"{label}{document.get('status', '')} {shown}{end}")
        else:
            self._out.write(f"{label}{document.get('status', '')}{end}\n")


def show_progress(
    documents: Iterable[Mapping[str, Any]],
    out: TextIO | None,
    aside: Callable[[Any], None] | None = None,
) -> None:
    """Write a whole stream; what comes as `aux` goes to `aside`, and without `out` only errors count.

    Ending when the daemon reports one.
    """
    from fairlead.cli.terminal import size

    try:
        width = size(out.fileno())[1] if out else 0
    except (OSError, ValueError):
        width = 0
    display = Display(out or StringIO(), width)
    for document in documents:
        if document.get("aux") is not None:
            if aside:
                aside(document["aux"])
            continue
        display.show(document)
