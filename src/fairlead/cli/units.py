"""Sizes, durations and ids as Docker writes and reads them."""

import re

from fairlead.cli.problems import Invalid

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}


def human_size(size: float, digits: int = 4) -> str:
    """Bytes in powers of 1000: `1.98MB`."""
    return _scaled(size, 1000.0, _DECIMAL, digits)


def human_binary_size(size: float) -> str:
    """Bytes in powers of 1024: `23.54GiB`."""
    return _scaled(size, 1024.0, _BINARY, 4)


def _scaled(size: float, base: float, units: tuple[str, ...], digits: int) -> str:
    unit = 0
    while size >= base and unit < len(units) - 1:
        size /= base
        unit += 1
    return f"{size:.{digits}g}{units[unit]}"


def parse_bytes(text: str) -> int:
    """Bytes of `512m`, `1.5g`, `64kb`, `1GiB`: powers of 1024 whatever the unit's spelling."""
    match = re.fullmatch(r"(.*[0-9.]) ?([^0-9. ]*)", text, re.DOTALL | re.ASCII)
    if not match:
        raise Invalid(f"invalid size: '{text}'")
    number, suffix = match.groups()
    if number.startswith("-"):
        raise Invalid(f"invalid size: '{text}'")
    if not re.fullmatch(r"\+?([0-9]+\.?[0-9]*|\.[0-9]+)", number, re.ASCII):
        raise Invalid(f'strconv.ParseFloat: parsing "{number}": invalid syntax')
    unit = re.fullmatch(r"(?:([kmgtp])i?)?b?", suffix.lower())
    if not unit:
        raise Invalid(f"invalid suffix: '{suffix}'")
    return int(float(number) * 1024 ** _POWERS[unit.group(1) or ""])


def human_duration(seconds: float) -> str:
    """How long, roughly: `Less than a second`, `About a minute`, `3 hours`, `5 years`."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    if whole < 60:
        return f"{whole} seconds"
    minutes = whole // 60
    if minutes == 1:
        return "About a minute"
    if minutes < 60:
        return f"{minutes} minutes"
    hours = int(seconds / 3600 + 0.5)
    if hours == 1:
        return "About an hour"
    if hours < 48:
        return f"{hours} hours"
    if hours < 24 * 7 * 2:
        return f"{hours // 24} days"
    if hours < 24 * 30 * 2:
        return f"{hours // 24 // 7} weeks"
    if hours < 24 * 365 * 2:
        return f"{hours // 24 // 30} months"
    return f"{int(seconds / 3600) // 24 // 365} years"


def short_id(text: str) -> str:
    """The first twelve digits of an id, without the name of its digest."""
    return text.rpartition(":")[2][:12]


def ellipsis(text: str, length: int) -> str:
    """At most `length` characters, the last of which says that there were more."""
    if len(text) <= length:
        return text
    return text[:length] if length <= 1 else text[: length - 1] + "…"
