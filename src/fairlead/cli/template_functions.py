"""What a Go template can call, and how Go writes, compares and counts values.

JSON documents stand for Go's values: objects for structs and maps, null for nil.
"""

import ast
import json
import re
from collections.abc import Callable
from typing import Any

from fairlead.cli.times import go_time


class TemplateProblem(Exception):
    """A template that cannot be parsed or carried out, in Go's words."""


class Missing:
    """An entry that a map does not have: false, and written as Go writes it."""

    def __bool__(self) -> bool:
        return False


MISSING = Missing()


class Time(str):
    """A time: to a template's functions the text of the document, written as Go writes times."""


# Structs that people write out whole, or whose empty fields documents leave out: each by a field that
# is always there, its fields in Go's order, and what an absent one is.
_STRUCTS: dict[str, dict[str, Any]] = {
    "HostPort": {"HostIp": "", "HostPort": ""},
    "MaximumRetryCount": {"Name": "", "MaximumRetryCount": 0},
    "Subnet": {"Subnet": "", "IPRange": "", "Gateway": "", "AuxiliaryAddresses": {}},
    "Destination": {
        "Type": "",
        "Name": "",
        "Source": "",
        "Destination": "",
        "Driver": "",
        "Mode": "",
        "RW": False,
        "Propagation": "",
    },
    "EndpointID": {
        "Name": "",
        "EndpointID": "",
        "MacAddress": "",
        "IPv4Address": "",
        "IPv6Address": "",
    },
    "FailingStreak": {"Status": "", "FailingStreak": 0, "Log": []},
}


def struct_of(document: dict[str, Any]) -> dict[str, Any]:
    """The struct that a document is: its fields and their zero values; {} for a map or one we do not know."""
    for mark, struct in _STRUCTS.items():
        if mark in document and document.keys() <= struct.keys():
            return struct
    return {}


def written(value: Any) -> str:
    """As Go's `fmt.Print` writes it."""
    if isinstance(value, Missing):
        return "<no value>"
    if isinstance(value, Time):
        return go_time(value)
    if isinstance(value, str):
        return value
    return _inner(value)


def _inner(value: Any) -> str:
    if value is None:
        return "<nil>"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list | tuple):
        return "[" + " ".join(_inner(item) for item in value) + "]"
    if isinstance(value, dict):
        struct = struct_of(value)
        if struct:
            return "{" + " ".join(_inner(value.get(name, zero)) for name, zero in struct.items()) + "}"
        # A port that is exposed and not published has a list without elements.
        shown = {name: [] if value[name] is None and "/" in name else value[name] for name in value}
        return "map[" + " ".join(f"{name}:{_inner(shown[name])}" for name in sorted(shown)) + "]"
    return str(value)


def _float(value: float) -> str:
    if value == int(value) and abs(value) < 1e21:
        return str(int(value))
    text = repr(value)
    return re.sub(r"e([+-])(\d)$", r"e\g<1>0\2", text)


def true(value: Any) -> bool:
    """Whether Go's `if` takes it for true: not zero, not empty."""
    return bool(value)


def compact_json(value: Any) -> str:
    """JSON on one line, in the order of the document; a row says itself how it is written."""
    as_json = getattr(value, "as_json", None)
    if value is MISSING:
        value = None
    return as_json() if as_json else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def unquote(text: str) -> str:
    """What a Go string literal means."""
    if text.startswith("`"):
        return text[1:-1]
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        raise TemplateProblem("template: :1: invalid syntax") from None


def _printf(form: Any, *values: Any) -> str:
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        flags, verb = match.group(1), match.group(2)
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        return _formatted(flags, verb, rest.pop(0))

    text = re.sub(r"%([-+# 0]*[0-9]*(?:\.[0-9]+)?)([a-zA-Z%])", one, str(form))
    if rest:
        extra = ", ".join(f"{_type(value)}={_inner(value)}" for value in rest)
        text += f"%!(EXTRA {extra})"
    return text


def _formatted(flags: str, verb: str, value: Any) -> str:
    if verb in ("v", "s"):
        return f"%{flags}s" % written(value)
    if verb == "q":
        return f"%{flags}s" % json.dumps(written(value), ensure_ascii=False)
    if verb == "t" and isinstance(value, bool):
        return f"%{flags}s" % _inner(value)
    if verb == "T":
        return _type(value)
    if verb in "doxXcbeEfgG" and isinstance(value, int | float) and not isinstance(value, bool):
        if verb == "b":
            return f"{int(value):b}"
        if isinstance(value, float) == (verb in "eEfgG"):
            return str(f"%{flags}{verb}" % value)
    return f"%!{verb}({_type(value)}={_inner(value)})"


def _type(value: Any) -> str:
    if isinstance(value, dict):
        return "map[string]interface {}"
    if isinstance(value, list):
        return "[]interface {}"
    return {bool: "bool", int: "int", float: "float64", str: "string"}.get(type(value), "<nil>")


def _index(item: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(item, dict):
            if not isinstance(key, str):
                raise TemplateProblem(f"error calling index: value has type {_type(key)}; should be string")
            item = item.get(key, "")
        elif isinstance(item, list | str):
            if not isinstance(key, int):
                raise TemplateProblem(f"error calling index: cannot index slice/array with type {_type(key)}")
            if not 0 <= key < len(item):
                raise TemplateProblem(f"error calling index: index out of range: {key}")
            item = item[key] if isinstance(item, list) else ord(item[key])
        elif item is None:
            raise TemplateProblem("error calling index: index of untyped nil")
        else:
            raise TemplateProblem(f"error calling index: can't index item of type {_type(item)}")
    return item


def _slice(item: Any, *bounds: int) -> Any:
    if not isinstance(item, list | str) or len(bounds) > 3:
        raise TemplateProblem(f"error calling slice: can't slice item of type {_type(item)}")
    start, end = (*bounds, *(0, len(item))[len(bounds) :])[:2]
    for bound in bounds:
        if not 0 <= bound <= len(item):
            raise TemplateProblem(f"error calling slice: index out of range: {bound}")
    if start > end:
        raise TemplateProblem(f"error calling slice: invalid slice index: {start} > {end}")
    return item[start:end]


def _length(item: Any) -> int:
    if isinstance(item, str):
        return len(item.encode())
    if isinstance(item, dict | list):
        return len(item)
    raise TemplateProblem(f"error calling len: len of type {_type(item)}")


def _same_kind(left: Any, right: Any) -> None:
    if isinstance(left, bool) != isinstance(right, bool) or isinstance(left, str) != isinstance(right, str):
        raise TemplateProblem("error calling eq: incompatible types for comparison")


def _equal(left: Any, *others: Any) -> bool:
    if not others:
        raise TemplateProblem("error calling eq: missing argument for comparison")
    for other in others:
        if left is not None and other is not None:
            _same_kind(left, other)
    return any(left == other for other in others)


def _less(left: Any, right: Any) -> bool:
    _same_kind(left, right)
    return bool(left < right)


def _print(*values: Any) -> str:
    """Go puts a blank between two operands when neither is a string."""
    text = ""
    for number, value in enumerate(values):
        if number and not isinstance(value, str) and not isinstance(values[number - 1], str):
            text += " "
        text += written(value)
    return text


def _join(items: Any, separator: Any) -> str:
    return str(separator).join(written(item) for item in items or [])


def _split(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _title(text: str) -> str:
    return re.sub(r"\b[^\W\d_]", lambda match: match.group().upper(), text)


def _pad(text: str, before: int, after: int) -> str:
    return " " * before + text + " " * after if text else text


def _truncate(text: str, length: int) -> str:
    return text[:length]


def _escape_html(*values: Any) -> str:
    marks = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&#34;", "'": "&#39;", "\0": "\ufffd"}
    return "".join(marks.get(letter, letter) for letter in _print(*values))


def _escape_query(*values: Any) -> str:
    from urllib.parse import quote_plus

    return quote_plus(_print(*values))


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "eq": _equal,
    "ge": lambda left, right: not _less(left, right),
    "gt": lambda left, right: not _less(left, right) and left != right,
    "html": _escape_html,
    "index": _index,
    "join": _join,
    "js": lambda *values: json.dumps(_print(*values))[1:-1].replace("'", "\\'"),
    "json": compact_json,
    "le": lambda left, right: _less(left, right) or left == right,
    "len": _length,
    "lower": str.lower,
    "lt": _less,
    "ne": lambda left, right: not _equal(left, right),
    "not": lambda value: not true(value),
    "pad": _pad,
    "print": _print,
    "printf": _printf,
    "println": lambda *values: " ".join(written(value) for value in values) + "\n",
    "slice": _slice,
    "split": _split,
    "title": _title,
    "truncate": _truncate,
    "upper": str.upper,
    "urlquery": _escape_query,
}

# How many arguments each takes; None for as many as there are.
ARITIES: dict[str, tuple[int, int | None]] = {
    **dict.fromkeys(("json", "len", "lower", "not", "title", "upper"), (1, 1)),
    **dict.fromkeys(("ge", "gt", "join", "le", "lt", "ne", "split", "truncate"), (2, 2)),
    "pad": (3, 3),
    **dict.fromkeys(("eq", "index", "printf", "slice"), (1, None)),
}

# Those whose first argument is a text.
OF_TEXT = frozenset(("lower", "pad", "split", "title", "truncate", "upper"))

# These stop at the value that decides, so they are carried out where the arguments are.
LAZY = ("and", "or")
NAMES = frozenset([*FUNCTIONS, *LAZY])
