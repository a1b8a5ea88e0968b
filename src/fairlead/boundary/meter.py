"""What counts: something that operations and repairs are told to, and that forgets nothing."""

from typing import Protocol


class Meter(Protocol):
    """Counters and durations, by name and labels."""

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """So much more of it has happened."""
        ...

    def time(self, name: str, seconds: float, **labels: str) -> None:
        """It has happened once more, and took so long."""
        ...


class NoMeter:
    """Nobody counts."""

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Nothing."""

    def time(self, name: str, seconds: float, **labels: str) -> None:
        """Nothing."""
