"""Which records stand under a key, known without a walk over all of them."""

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Index:
    """Ids of records of one kind by what they are looked up by.

    `keys` tells under what a record stands: nothing, one key or several.  Law: `ids(key)` are those
    of all records whose keys hold `key`.
    """

    keys: Callable[[Any], Iterable[Hashable]]
    _ids: dict[Hashable, dict[str, None]] = field(default_factory=dict)

    def ids(self, key: Hashable) -> tuple[str, ...]:
        """The ids of the records that stand under a key."""
        return tuple(self._ids.get(key, ()))

    def change(self, identity: str, before: object | None, after: object | None) -> None:
        """One record was written, or taken away (`after` None); `before` is what it was."""
        old = dict.fromkeys(self.keys(before)) if before is not None else {}
        new = dict.fromkeys(self.keys(after)) if after is not None else {}
        if old == new:
            return
        for key in old.keys() - new.keys():
            del self._ids[key][identity]
            if not self._ids[key]:
                del self._ids[key]
        for key in new.keys() - old.keys():
            self._ids.setdefault(key, {})[identity] = None
