"""The `filters` query of the list, prune and event routes, and the ways in which its values match.

Values of one name are alternatives; different names must all match.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from fairlead.dockerapi.jsonwords import complaint
from fairlead.model.errors import InvalidParameter

_TRUE = frozenset({"1", "true", "True", "TRUE", "t", "T"})
_FALSE = frozenset({"0", "false", "False", "FALSE", "f", "F"})


@dataclass(frozen=True, slots=True)
class Filters:
    """Values by filter name."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return bool(self.values.get(name))

    def get(self, name: str) -> tuple[str, ...]:
        """The values given for a filter."""
        return self.values.get(name, ())

    def require_known(self, known: Collection[str]) -> None:
        """InvalidParameter in Docker's words if another filter is used."""
        for name in self.values:
            if name not in known:
                raise InvalidParameter(f"Invalid filter '{name}'")

    def exact(self, name: str, source: str) -> bool:
        """Whether the filter is not used, or the source is one of its values."""
        return name not in self or source in self.get(name)

    def begins(self, name: str, source: str) -> bool:
        """Whether the filter is not used, or one of its values begins the source."""
        return name not in self or any(source.startswith(value) for value in self.get(name))

    def matches(self, name: str, *sources: str) -> bool:
        """Whether the filter is not used, or a value of its, a regular expression, is found in a source."""
        if name not in self:
            return True
        return any(_found(value, source) for value in self.get(name) for source in sources)

    def labels(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether every value, `key` or `key=value`, is among the labels."""
        return all(_has_label(value, labels) for value in self.get(name))

    def without_labels(self, name: str, labels: Mapping[str, str]) -> bool:
        """Whether no value is among the labels."""
        return not any(_has_label(value, labels) for value in self.get(name))

    def truth(self, name: str) -> bool | None:
        """A filter that is true or false; None when it is not used."""
        values = self.get(name)
        if not values:
            return None
        words = {value in _TRUE for value in values if value in _TRUE | _FALSE}
        if len(words) != 1 or len(values) != 1:
            raise InvalidParameter(f"Invalid filter '{name}=[{' '.join(values)}]'")
        return words.pop()


def _found(pattern: str, source: str) -> bool:
    try:
        return re.search(pattern, source) is not None
    except re.error:
        return False


def _has_label(wanted: str, labels: Mapping[str, str]) -> bool:
    key, has_value, value = wanted.partition("=")
    return key in labels and (not has_value or labels[key] == value)


def parse_filters(text: str) -> Filters:
    """Reads both of Docker's forms: {"name": ["a"]} and, of old, {"name": {"a": true}}."""
    if not text:
        return Filters()
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = complaint(error) if isinstance(error, ValueError) else error
        raise InvalidParameter(f"invalid filter: {reason}") from error
    if document is None:
        return Filters()
    if not isinstance(document, dict):
        raise InvalidParameter("invalid filter: it must be a JSON object")
    return Filters({name: _values(name, values) for name, values in document.items() if values})


def _values(name: str, values: object) -> tuple[str, ...]:
    if isinstance(values, dict):
        values = [value for value, chosen in values.items() if chosen]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise InvalidParameter(f"invalid filter: the values of '{name}' must be strings")
    return tuple(values)


def glob(pattern: str, texts: Iterable[str]) -> bool:
    """Whether a shell pattern fits one of the texts as a whole; `*` and `?` stop at slashes.

    Source of the rules: Go's `path.Match`.
    """
    wild = {"*": "[^/]*", "?": "[^/]"}
    pieces = re.findall(r"\[[^]]+\]|.", pattern, re.DOTALL)
    translated = "".join(piece if len(piece) > 1 else wild.get(piece, re.escape(piece)) for piece in pieces)
    try:
        return any(re.fullmatch(translated, text) for text in texts)
    except re.error as error:
        raise InvalidParameter(f"invalid reference filter '{pattern}': syntax error in pattern") from error
