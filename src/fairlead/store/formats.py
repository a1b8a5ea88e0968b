"""Records as JSON text and back, driven by their own type annotations.

A field that a stored record lacks takes its default, one that the class no longer has is
dropped: so that records outlive changes of the classes.
"""

import dataclasses
import functools
import ipaddress
import json
import types
import typing
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from fairlead.model.records import Record

ADDRESSES: tuple[type, ...] = (
    ipaddress.IPv4Address,
    ipaddress.IPv6Address,
    ipaddress.IPv4Network,
    ipaddress.IPv6Network,
    ipaddress.IPv4Interface,
    ipaddress.IPv6Interface,
)
Decoder = Callable[[Any], Any]


def encode(record: Record) -> str:
    """The record as one line of JSON."""
    return json.dumps(_plain(record), separators=(",", ":"))


def decode(kind: type[Record], text: str) -> Record:
    """The record that `encode` wrote.  Raises ValueError, KeyError or TypeError when it is damaged."""
    return typing.cast(Record, _decoder(typing.cast(Any, kind))(json.loads(text)))


def checksum(*parts: str) -> str:
    """Eight hexadecimal digits that change with every damaged bit or two of the parts."""
    return f"{zlib.crc32(chr(0).join(parts).encode(errors='surrogatepass')):08x}"


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value):
        return {each.name: _plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, ADDRESSES):
        return str(value)
    return value


@functools.cache
def _decoder(kind: Any) -> Decoder:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _dataclass_decoder(kind)
    if origin in (typing.Union, types.UnionType):
        return _union_decoder(arguments)
    if origin is tuple:
        return _tuple_decoder(arguments)
    if origin is not None and issubclass(origin, Mapping):
        inner = _decoder(arguments[1])
        return lambda value: {key: inner(item) for key, item in value.items()}
    if kind in ADDRESSES:
        return typing.cast(Decoder, kind)
    if kind in (str, int, bool, float):
        return _scalar_decoder(kind)
    raise TypeError(f"cannot store values of type {kind}")


def _scalar_decoder(kind: type) -> Decoder:
    def decode_scalar(value: Any) -> Any:
        if not isinstance(value, kind):
            raise TypeError(f"{value!r} is not of type {kind.__name__}")
        return value

    return decode_scalar


def _tuple_decoder(arguments: tuple[Any, ...]) -> Decoder:
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        inner = _decoder(arguments[0])
        return lambda value: tuple(inner(item) for item in value)
    inners = [_decoder(argument) for argument in arguments]
    return lambda value: tuple(inner(item) for inner, item in zip(inners, value, strict=True))


def _union_decoder(arguments: tuple[Any, ...]) -> Decoder:
    inners = [_decoder(argument) for argument in arguments if argument is not type(None)]

    def decode_union(value: Any) -> Any:
        if value is None:
            return None
        for inner in inners[:-1]:
            try:
                return inner(value)
            except (ValueError, TypeError):
                continue
        return inners[-1](value)

    return decode_union


def _dataclass_decoder(kind: Any) -> Decoder:
    hints = typing.get_type_hints(kind)
    decoders = {each.name: _decoder(hints[each.name]) for each in dataclasses.fields(kind)}

    def decode_dataclass(value: Any) -> Any:
        return kind(**{name: decoders[name](item) for name, item in value.items() if name in decoders})

    return decode_dataclass
