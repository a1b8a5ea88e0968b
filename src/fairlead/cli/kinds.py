"""The kinds of values that options take: a word for the help text, and how a text becomes a value.

A reader raises Invalid with the reason, in the words that Docker's client has for it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fairlead.cli.problems import Invalid
from fairlead.cli.units import parse_bytes


@dataclass(frozen=True, slots=True)
class Kind:
    """`word` stands in the help; `many` keeps every use of the option, in order, else the last one counts."""

    word: str
    read: Callable[[str], Any]
    many: bool = False
    zero: Any = None


def _text(text: str) -> str:
    return text


_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("0", "f", "F", "FALSE", "false", "False")


def _bool(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise Invalid(f'strconv.ParseBool: parsing "{text}": invalid syntax')


def _int(text: str) -> int:
    return _integer(text, "ParseInt", -(2**63), 2**63 - 1)


def _uint16(text: str) -> int:
    if text.startswith(("-", "+")):
        raise Invalid(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    return _integer(text, "ParseUint", 0, 2**16 - 1)


def _integer(text: str, function: str, lowest: int, highest: int) -> int:
    if not re.fullmatch(r"[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]*|[1-9][0-9]*)", text, re.ASCII):
        raise Invalid(f'strconv.{function}: parsing "{text}": invalid syntax')
    digits = re.sub(r"^([+-]?)0([0-7]+)$", r"\g<1>0o\2", text)
    number = int(digits, 0)
    if not lowest <= number <= highest:
        raise Invalid(f'strconv.{function}: parsing "{text}": value out of range')
    return number


_DURATION_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}


def parse_duration(text: str) -> int:
    """Nanoseconds of a duration as Go writes it: `1h30m`, `1.5s`, `-200ms`, `0`."""
    from fractions import Fraction  # it brings decimal along, which most commands do without

    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise Invalid(f'time: invalid duration "{text}"')
    total = Fraction(0)
    while rest:
        match = re.match(r"([0-9]*\.?[0-9]*)([^0-9.]*)", rest)
        number, unit = match.groups() if match else ("", "")
        if number in ("", "."):
            raise Invalid(f'time: invalid duration "{text}"')
        if not unit:
            raise Invalid(f'time: missing unit in duration "{text}"')
        if unit not in _DURATION_UNITS:
            raise Invalid(f'time: unknown unit "{unit}" in duration "{text}"')
        total += Fraction(number.rstrip(".")) * _DURATION_UNITS[unit]
        rest = rest[len(number) + len(unit) :]
    return int(-total if text.startswith("-") else total)


def _cpus(text: str) -> int:
    from fractions import Fraction

    try:
        nanoseconds = Fraction(text) * 1_000_000_000
    except (ValueError, ZeroDivisionError):
        raise Invalid(f"failed to parse {text} as a rational number") from None
    if nanoseconds.denominator != 1:
        raise Invalid("value is too precise")
    return int(nanoseconds)


def _swap_bytes(text: str) -> int:
    return -1 if text == "-1" else parse_bytes(text)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name, value


def _filter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator:
        raise Invalid("bad format of filter (expected name=value)")
    return name.strip().lower(), value.strip()


def listed(check: Callable[[str], Any], word: str = "list") -> Kind:
    """An option for many values, each of which passes through `check`."""
    return Kind(word, check, many=True)


BOOL = Kind("", _bool, zero=False)
STRING = Kind("string", _text, zero="")
INT = Kind("int", _int, zero=0)
UINT16 = Kind("uint16", _uint16, zero=0)
DURATION = Kind("duration", parse_duration, zero=0)
BYTES = Kind("bytes", parse_bytes, zero=0)
SWAP_BYTES = Kind("bytes", _swap_bytes, zero=0)
CPUS = Kind("decimal", _cpus, zero=0)
LIST = listed(_text)
STRINGS = Kind("strings", lambda text: text.split(","), many=True)
MAP = listed(_pair, "map")
FILTER = listed(_filter, "filter")
