"""What Docker's clients are told while images travel, and what skopeo draws of it on a terminal."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_BLOB = re.compile(r"Copying blob (?P<digits>[0-9a-f]{12,})(?: (?P<rest>.*))?")
_BYTES = re.compile(r"(\d+(?:\.\d+)?)(b|KiB|MiB|GiB|TiB) / (\d+(?:\.\d+)?)(b|KiB|MiB|GiB|TiB)")
_SCALE = {"b": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}
_WIDTH = 50


@dataclass(frozen=True, slots=True)
class Blob:
    """The state of one blob: `digits` are the first twelve of its digest; sizes in bytes."""

    digits: str
    done: bool = False
    skipped: bool = False
    current: int = 0
    total: int = 0


def read_line(line: str) -> Blob | None:
    """What a line that skopeo draws says of a blob; None if it says nothing."""
    if (match := _BLOB.fullmatch(line)) is None:
        return None
    digits, rest = match["digits"][:12], match["rest"] or ""
    if rest.startswith(("done", "skipped")):
        return Blob(digits, done=True, skipped=rest.startswith("skipped"))
    amounts = _BYTES.search(rest)
    if amounts is None:
        return None
    current, total = (
        round(float(number) * (1 << _SCALE[unit]))
        for number, unit in (amounts.group(1, 2), amounts.group(3, 4))
    )
    return Blob(digits, current=current, total=total)


class Blobs:
    """Follows the blobs of one copy."""

    def __init__(self) -> None:
        self._seen: dict[str, Blob] = {}

    def take(self, line: str) -> Blob | None:
        """The blob that a line of progress has news of; None if there is nothing new in it."""
        blob = read_line(line)
        before = self._seen.get(blob.digits) if blob else None
        if blob is None or blob == before or (before and before.done):
            return None
        self._seen[blob.digits] = blob
        return blob

    def skipped(self, digest: str) -> bool:
        """Whether the other side had the blob already."""
        blob = self._seen.get(digest.removeprefix("sha256:")[:12])
        return blob is not None and blob.skipped


def step(status: str, identity: str, current: int = 0, total: int = 0) -> Mapping[str, object]:
    """A message of one layer, with its progress if there is any."""
    message: dict[str, object] = {"status": status, "progressDetail": {}, "id": identity}
    if total:
        message["progressDetail"] = {"current": current, "total": total}
        message["progress"] = _bar(current, total)
    return message


def _bar(current: int, total: int) -> str:
    """The bar that Docker's daemon draws for clients that do not draw their own."""
    filled = min(_WIDTH, current * 100 // total // 2)
    box = "[" + "=" * filled + ">" + " " * (_WIDTH - filled) + "]"
    amount = f"{_human(current):>8}"
    return f"{box} {amount}" if current > total else f"{box} {amount}/{_human(total)}"


def _human(size: float) -> str:
    """Bytes in four significant digits and decimal units.  Source: go-units, HumanSize."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if size < 1000:
            return f"{size:.4g}{unit}"
        size /= 1000
    return f"{size:.4g}PB"
