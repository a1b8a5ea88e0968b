"""Fields of a document from the shared store: each is checked, since any host may have written it."""

import json
import re
from collections.abc import Mapping
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.errors import FairleadError
from fairlead.overlay.keys import is_id

SCHEMA = 1
LONGEST_DOCUMENT = 64 * 1024  # characters
LONGEST_NAME = 255
MOST_ENTRIES = 256
LARGEST_VNI = (1 << 24) - 1
_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")


class Refused(FairleadError):
    """A value of the shared store that no host of ours would write: it is left out, and the rest goes on."""


class Document:
    """A JSON object with a schema number, read field by field.  Every method raises Refused."""

    def __init__(self, text: str):
        """Parse the text."""
        if len(text) > LONGEST_DOCUMENT:
            raise Refused(f"{len(text)} characters are too many")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Refused("it is no JSON") from error
        if not isinstance(values, dict):
            raise Refused("it is no JSON object")
        self._values: dict[str, Any] = values
        if values.get("schema") != SCHEMA:
            raise Refused(f"its schema is {values.get('schema')!r}, not {SCHEMA}")

    def text(self, field: str, default: str | None = None, longest: int = LONGEST_NAME) -> str:
        """A text without control characters."""
        return _text(field, self._values.get(field, default), longest)

    def name(self, field: str) -> str:
        """A name: not empty, without blanks and slashes."""
        name = self.text(field)
        if not is_name(name):
            raise Refused(f"its {field} {name[:64]!r} is no name")
        return name

    def names(self, field: str) -> tuple[str, ...]:
        """Several names."""
        values = self._values.get(field, [])
        if not isinstance(values, list) or len(values) > MOST_ENTRIES:
            raise Refused(f"its {field} are no list of names")
        names = tuple(_text(field, value, LONGEST_NAME) for value in values)
        for name in names:
            if not is_name(name):
                raise Refused(f"{name[:64]!r} among its {field} is no name")
        return names

    def identity(self, field: str) -> str:
        """An id."""
        value = self.text(field)
        if not is_id(value):
            raise Refused(f"its {field} {value[:70]!r} is no id")
        return value

    def number(self, field: str, least: int, most: int) -> int:
        """A whole number between two."""
        value = self._values.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise Refused(f"its {field} {str(value)[:40]} is no number from {least} to {most}")
        return value

    def switch(self, field: str, default: bool = False) -> bool:
        """True or false."""
        value = self._values.get(field, default)
        if not isinstance(value, bool):
            raise Refused(f"its {field} is neither true nor false")
        return value

    def mac(self, field: str) -> str:
        """The hardware address of one interface: neither zero nor a group's."""
        value = self.text(field)
        if not _MAC.fullmatch(value) or int(value[:2], 16) & 1 or value == "00:00:00:00:00:00":
            raise Refused(f"its {field} {value[:40]!r} is no hardware address of one interface")
        return value

    def address(self, field: str) -> Address:
        """An address."""
        try:
            return ip_address(self.text(field))
        except ValueError as error:
            raise Refused(f"its {field} is no address") from error

    def interface(self, field: str) -> Interface | None:
        """An address with its prefix length; None if it is not there."""
        if self._values.get(field) is None:
            return None
        try:
            return ip_interface(self.text(field))
        except ValueError as error:
            raise Refused(f"its {field} is no address with a prefix length") from error

    def mapping(self, field: str) -> Mapping[str, str] | None:
        """Texts by name; None if it is not there."""
        values = self._values.get(field)
        if values is None:
            return None
        if not isinstance(values, dict) or len(values) > MOST_ENTRIES:
            raise Refused(f"its {field} are no texts by name")
        return {_text(field, key, 4096): _text(field, value, 4096) for key, value in values.items()}

    def parts(self, field: str) -> list["Part"]:
        """A list of objects."""
        values = self._values.get(field, [])
        if not isinstance(values, list) or len(values) > MOST_ENTRIES:
            raise Refused(f"its {field} are no list")
        return [Part(value) for value in values]


class Part(Document):
    """An object within a document."""

    def __init__(self, values: object):
        """Take an object that has been parsed."""
        if not isinstance(values, dict):
            raise Refused("a part of it is no JSON object")
        self._values = values

    def subnet(self, field: str) -> Subnet | None:
        """A subnet; None if it is not there."""
        if self._values.get(field) is None:
            return None
        try:
            return ip_network(self.text(field))
        except ValueError as error:
            raise Refused(f"its {field} is no subnet") from error

    def addresses(self, field: str) -> dict[str, Address]:
        """Addresses by name."""
        try:
            return {key: ip_address(value) for key, value in (self.mapping(field) or {}).items()}
        except ValueError as error:
            raise Refused(f"its {field} are no addresses") from error


def is_name(text: str) -> bool:
    """Whether a text can be a network's or a container's name everywhere in the cluster."""
    plain = text.isprintable() and not any(character.isspace() for character in text)
    return bool(text) and len(text) <= LONGEST_NAME and plain and "/" not in text


def _text(field: str, value: object, longest: int) -> str:
    if not isinstance(value, str):
        raise Refused(f"its {field} is no text")
    if len(value) > longest:
        raise Refused(f"its {field} has {len(value)} characters, at most {longest} are allowed")
    if not value.isprintable():
        raise Refused(f"its {field} has characters that cannot be printed")
    return value


def document(**values: object) -> str:
    """A document as it is written: its schema first."""
    return json.dumps({"schema": SCHEMA, **values}, separators=(",", ":"))
