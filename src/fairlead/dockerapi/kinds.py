"""A kind says how one JSON value becomes a typed value and back; a table of fields does so for an object.

Null and a missing member mean the kind's `empty` value, as in Docker.  Members are found by their
exact name first, then without regard to case, as Go's decoder finds them.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from fairlead.dockerapi.version import OLDEST, Version
from fairlead.model.errors import InvalidParameter

T = TypeVar("T")
Schema = Mapping[str, object]  # JSON Schema, as OpenAPI 3.1 has it

_NOUNS: dict[type, str] = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def mistyped(where: str, wanted: str, value: object) -> InvalidParameter:
    """The error for a value of the wrong JSON type; `where` is the member's path."""
    found = _NOUNS.get(type(value), "something else")
    return InvalidParameter(f"invalid JSON: {where or 'the body'} must be {wanted}, not {found}")


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """How a JSON value is read (`parse` gets the value, never null, and its path) and written.

    `schema` tells clients what `parse` takes.
    """

    parse: Callable[[object, str], T]
    render: Callable[[T], object]
    empty: T
    schema: Schema


@dataclass(frozen=True, slots=True)
class Field:
    """One member of a JSON object and the attribute that holds it.

    `omitted_since`: from this API version on the member is left out while it is empty.
    `null_when_unset`: the attribute cannot say null itself; the object's `unset` names it then.
    """

    json: str
    attribute: str
    kind: Kind[Any]
    omitted_since: Version | None = None
    null_when_unset: bool = False


def optional(json: str, attribute: str, kind: Kind[Any]) -> Field:
    """A member that is left out while it is empty, in every version (Go's `omitempty`)."""
    return Field(json, attribute, kind, omitted_since=OLDEST)


def as_object(value: object, where: str) -> Mapping[str, object]:
    """The value as a JSON object; null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise mistyped(where, "an object", value)
    return value


def member(document: Mapping[str, object], name: str) -> object:
    """The member by its name, else by its name without regard to case, else None."""
    if name in document:
        return document[name]
    folded = name.lower()
    for key, value in document.items():
        if key.lower() == folded:
            return value
    return None


def parse_fields(fields: Sequence[Field], document: object, where: str = "") -> dict[str, Any]:
    """The attributes of an object, by attribute name; InvalidParameter names a mistyped member."""
    members = as_object(document, where)
    attributes: dict[str, Any] = {}
    for field in fields:
        value = member(members, field.json)
        path = f"{where}.{field.json}" if where else field.json
        attributes[field.attribute] = field.kind.empty if value is None else field.kind.parse(value, path)
    return attributes


def unset_fields(fields: Sequence[Field], document: object) -> tuple[str, ...]:
    """The attributes whose members are null or missing and that cannot say so themselves."""
    members = as_object(document, "")
    return tuple(
        field.attribute for field in fields if field.null_when_unset and member(members, field.json) is None
    )


def render_fields(
    fields: Sequence[Field], source: object, version: Version, unset: Sequence[str] = ()
) -> dict[str, object]:
    """The JSON object of a value, in the table's order, as this API version shows it."""
    document: dict[str, object] = {}
    for field in fields:
        value = getattr(source, field.attribute)
        empty = value == field.kind.empty
        if empty and field.omitted_since is not None and version >= field.omitted_since:
            continue
        if empty and field.attribute in unset:
            document[field.json] = None
        else:
            document[field.json] = field.kind.render(value)
    return document


def _plain(value: T) -> object:
    return value


def _boolean(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise mistyped(where, "a boolean", value)
    return value


def _integer(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise mistyped(where, "an integer", value)
    if not -(1 << 63) <= value < 1 << 63:
        raise InvalidParameter(f"invalid JSON: {where} must fit in 64 bits")
    return value


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise mistyped(where, "a string", value)
    return value


def or_null(schema: Schema) -> Schema:
    """The schema of a member: null stands for a missing one."""
    kind = schema.get("type")
    if isinstance(kind, str):
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def object_schema(fields: Sequence[Field], further: Mapping[str, Schema] | None = None) -> Schema:
    """The schema of an object that `parse_fields` reads; `further` members are read beside the table."""
    members = {field.json: or_null(field.kind.schema) for field in fields}
    return {
        "type": "object",
        "properties": members | {name: or_null(schema) for name, schema in (further or {}).items()},
    }


def map_schema(values: Schema) -> Schema:
    """The schema of an object whose members have any names."""
    return {"type": "object", "additionalProperties": values}


def array_schema(items: Schema) -> Schema:
    """The schema of an array."""
    return {"type": "array", "items": items}


BOOLEAN: Kind[bool] = Kind(_boolean, _plain, False, {"type": "boolean"})
INTEGER: Kind[int] = Kind(_integer, _plain, 0, {"type": "integer", "format": "int64"})
TEXT: Kind[str] = Kind(_text, _plain, "", {"type": "string"})


def nullable(kind: Kind[T]) -> Kind[T | None]:
    """The same kind, whose empty value is None and is written as null."""
    return Kind(kind.parse, lambda value: None if value is None else kind.render(value), None, kind.schema)


def list_of(kind: Kind[T]) -> Kind[tuple[T, ...]]:
    """An array as a tuple."""

    def parse(value: object, where: str) -> tuple[T, ...]:
        if not isinstance(value, list):
            raise mistyped(where, "an array", value)
        return tuple(
            kind.empty if item is None else kind.parse(item, f"{where}[{index}]")
            for index, item in enumerate(value)
        )

    return Kind(parse, lambda value: [kind.render(item) for item in value], (), array_schema(kind.schema))


def _mapping(value: object, where: str) -> Mapping[str, str]:
    return {
        key: "" if item is None else _text(item, f"{where}.{key}")
        for key, item in as_object(value, where).items()
    }


def _words(value: object, where: str) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else TEXTS.parse(value, where)


def _keys(value: object, where: str) -> tuple[str, ...]:
    return tuple(as_object(value, where))


TEXTS: Kind[tuple[str, ...]] = list_of(TEXT)
# An array of strings, or one string that stands for an array of one (Docker's `strslice`).
WORDS: Kind[tuple[str, ...]] = Kind(_words, list, (), {"anyOf": [TEXTS.schema, TEXT.schema]})
# {"name": "value"}
TEXT_MAP: Kind[Mapping[str, str]] = Kind(_mapping, dict, {}, map_schema(TEXT.schema))
# {"name": {}}: a set written as an object.
KEYS: Kind[tuple[str, ...]] = Kind(
    _keys, lambda keys: {key: {} for key in keys}, (), map_schema({"type": "object"})
)


def structure(build: Callable[..., T], fields: Sequence[Field], empty: T) -> Kind[T]:
    """A nested object as a dataclass: `build` takes the fields' attributes as keywords."""

    def parse(value: object, where: str) -> T:
        if not isinstance(value, dict):
            raise mistyped(where, "an object", value)
        return build(**parse_fields(fields, value, where))

    return Kind(parse, lambda value: render_fields(fields, value, OLDEST), empty, object_schema(fields))
