"""Points in time: as users write them after `--since`, and as Docker's client shows them."""

import re
import time
from datetime import UTC, datetime, timedelta

from fairlead.cli.flags import Values
from fairlead.cli.kinds import parse_duration
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.units import human_duration

_SECOND = 1_000_000_000


def timestamp(text: str, now: int) -> str:
    """Seconds since the epoch, as the API wants them, of `10m`, `1700000000.5`, `2024-05-01T10:00`.

    `now` is in nanoseconds; a duration counts back from it.  A date without a zone is in the local
    one.  Raises Invalid for anything else.
    """
    try:
        # Whole seconds, as Docker's client has it: what happened in the last second may be left out.
        return str((now - parse_duration(text)) // _SECOND)
    except Invalid:
        pass
    form = r"(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?)?(Z|[+-]\d\d:\d\d)?"
    match = re.fullmatch(form, text)
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
        return text
    if not match:
        raise Invalid(f'failed to parse value as time or duration: "{text}"')
    day, hours, minutes, seconds, fraction, zone = match.groups()
    written = f"{day}T{hours or '00'}:{minutes or '00'}:{seconds or '00'}"
    try:
        moment = datetime.fromisoformat(written + (zone or "").replace("Z", "+00:00"))
    except ValueError:
        raise Invalid(f'failed to parse value as time or duration: "{text}"') from None
    nanoseconds = int((fraction or ".").ljust(10, "0")[1:])
    return _shown(int(moment.timestamp()) * _SECOND + nanoseconds)


def option(values: Values, name: str, now: int, complaint: str = "") -> str:
    """`--since` or `--until` as `timestamp`; "" when it is not there.  Ending when it is no time."""
    text = values.text(name)
    try:
        return timestamp(text, now) if text else ""
    except Invalid as problem:
        raise Ending(1, f"{complaint}{problem}") from None


def _shown(nanoseconds: int) -> str:
    return f"{nanoseconds // _SECOND}.{nanoseconds % _SECOND:09d}"


def parse_time(text: str) -> float:
    """Seconds since the epoch of a time as the API writes it, with nanoseconds and a zone."""
    match = re.fullmatch(r"(.*?)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        return 0.0
    seconds, fraction, zone = match.groups()
    moment = datetime.fromisoformat(seconds + zone.replace("Z", "+00:00"))
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(seconds=1) + float(fraction or 0)


def go_time(text: str) -> str:
    """The same time as Go prints it: `2026-11-21 04:35:39.502756575 +0000 UTC`."""
    match = re.fullmatch(r"(.*)T(.*?)(\.\d+)?(Z|[+-]\d\d:\d\d)", text)
    if not match:
        return text
    day, clock, fraction, zone = match.groups()
    fraction = (fraction or "").rstrip("0").rstrip(".")
    offset = "+0000 UTC" if zone == "Z" else f"{zone.replace(':', '')} {zone.replace(':', '')}"
    return f"{day} {clock}{fraction} {offset}"


def local_time(seconds: float) -> str:
    """A moment in the local zone: `2026-11-21 04:58:47 +0000 UTC`."""
    return time.strftime("%Y-%m-%d %H:%M:%S %z %Z", time.localtime(seconds))


def calendar(text: str) -> str:
    """A time as the API writes it, in the manner of a C program: `Thu May  7 21:09:36 2026`."""
    seconds = parse_time(text)
    return time.asctime(time.gmtime(seconds)) if seconds else text


def local_iso(seconds: float) -> str:
    """A moment in the local zone: `2026-11-21T04:58:47Z`, `2026-11-21T05:58:47+01:00`."""
    text = time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(seconds))
    return text[:-5] + ("Z" if text.endswith("+0000") else f"{text[-5:-2]}:{text[-2:]}")


def ago(seconds: float) -> str:
    """How long since a moment: `5 years ago`."""
    return human_duration(time.time() - seconds) + " ago"
