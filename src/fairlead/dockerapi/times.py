"""Times as Docker writes and reads them: RFC 3339 with nanoseconds, Unix stamps, Go durations, "3 hours ago".

Inside, a time is an integer of nanoseconds since the epoch and 0 is "never"; the present is an
argument.
"""

import re
from datetime import UTC, datetime, timedelta, timezone

from fairlead.model.errors import InvalidParameter

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
NEVER = "0001-01-01T00:00:00Z"  # Go's zero time

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_TIMESTAMP = re.compile(
    r"(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:T(?P<clock>\d{2}(?::\d{2}(?::\d{2}(?:\.(?P<fraction>\d{1,9}))?)?)?))?"
    r"(?P<zone>Z|[+-]\d{2}:\d{2})?"
)


def rfc3339(time: int) -> str:
    """RFC 3339 in UTC with the nanoseconds that there are (Go's RFC3339Nano); NEVER for 0."""
    if time == 0:
        return NEVER
    seconds, fraction = divmod(time, SECOND)
    text = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")
    digits = f"{fraction:09d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def rfc3339_fixed(time: int) -> str:
    """The same with all nine digits, as the timestamps of log lines have them."""
    seconds, fraction = divmod(time, SECOND)
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def rfc3339_seconds(time: int) -> str:
    """The same without a fraction."""
    return rfc3339(time - time % SECOND)


def parse_stamp(text: str, name: str) -> int:
    """A query's time stamp: Unix seconds, with a fraction of up to nine digits or without; "" is 0.

    `name` is the query parameter's, for the message.
    """
    if not text:
        return 0
    match = re.fullmatch(r"(-?\d{1,18})(?:\.(\d{1,9})\d*)?", text)
    if match is None:
        raise InvalidParameter(f"invalid value {text!r} for {name}: it must be a Unix timestamp in seconds")
    return int(match[1]) * SECOND + int((match[2] or "").ljust(9, "0"))


def parse_moment(text: str, now: int) -> int:
    """A time in any form that clients use: Unix stamp, RFC 3339 or a part of it, or a duration ago.

    Source: Docker's `timetypes.GetTimestamp`; a time without a zone is taken as UTC.
    """
    if re.fullmatch(r"-?\d+(\.\d+)?", text):
        return parse_stamp(text, "time")
    if (span := duration(text)) is not None:
        return now - span
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}"')
    clock = (match["clock"] or "00").split(".")[0]
    clock += ":00" * (2 - clock.count(":"))
    zone = UTC
    if match["zone"] and match["zone"] != "Z":
        sign = -1 if match["zone"][0] == "-" else 1
        hours, minutes = match["zone"][1:].split(":")
        zone = timezone(sign * timedelta(hours=int(hours), minutes=int(minutes)))
    try:
        moment = datetime.fromisoformat(f"{match['date']}T{clock}").replace(tzinfo=zone)
    except ValueError as error:
        raise InvalidParameter(f'failed to parse value as time or duration: "{text}"') from error
    return int(moment.timestamp()) * SECOND + int((match["fraction"] or "").ljust(9, "0"))


def duration(text: str) -> int | None:
    """Nanoseconds of a Go duration (`1h30m`, `2.5s`), None if it is none."""
    sign = -1 if text.startswith("-") else 1
    rest = text.lstrip("+-") if text[:1] in "+-" else text
    total = 0.0
    position = 0
    while match := _DURATION.match(rest, position):
        total += float(match[1]) * _UNITS[match[2]]
        position = match.end()
    if position == 0 or position != len(rest):
        return None
    return sign * round(total)


def human_duration(span: int) -> str:
    """How long, in the rough words of `docker ps`; `span` in nanoseconds.

    Source: go-units `HumanDuration`: the thresholds are its.
    """
    seconds = span // SECOND
    minutes = span // MINUTE
    hours = (span + HOUR // 2) // HOUR
    days = hours // 24
    table = (
        (seconds < 1, "Less than a second"),
        (seconds == 1, "1 second"),
        (seconds < 60, f"{seconds} seconds"),
        (minutes == 1, "About a minute"),
        (minutes < 60, f"{minutes} minutes"),
        (hours == 1, "About an hour"),
        (hours < 48, f"{hours} hours"),
        (hours < 24 * 7 * 2, f"{days} days"),
        (hours < 24 * 30 * 2, f"{days // 7} weeks"),
        (hours < 24 * 365 * 2, f"{days // 30} months"),
    )
    for applies, words in table:
        if applies:
            return words
    return f"{days // 365} years"
