"""What the engine has counted since it began, by name."""

from collections import Counter
from collections.abc import Mapping


class Counters:
    """Numbers that only grow.  `values` may be read at any time, by anybody."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    @property
    def values(self) -> Mapping[str, int]:
        """All of them; what has never happened is not there."""
        return dict(self._counts)

    def add(self, name: str, count: int = 1) -> None:
        """So many more."""
        self._counts[name] += count
