"""The points at which `bench.crashes` breaks an operation off, from what the daemon said that it passed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ERRORS = ("EIO", "ENOSPC", "EBUSY", "ETIMEDOUT")
CHANGING = frozenset(
    "commit perform create start kill pause unpause update delete remove_logs prepare release discard "
    "write_files remove_files make_volume fill_volume mount_volume unmount_volume remove_volume "
    "ensure_directory".split()
)
READING = frozenset("observe everything resolve root alive".split())
LONG = 0.002  # seconds: in a call that takes longer there is a midway


@dataclass(frozen=True, slots=True)
class Point:
    """A place in an operation, and what happens there: `error` is "" for a kill."""

    operation: str
    name: str
    when: str = "before"
    seconds: float = 0.0  # that the call takes
    error: str = ""

    def __str__(self) -> str:
        how = "" if self.when == "before" else f", {self.when}"
        return (
            f"{'' if self.own else self.operation + ': '}{self.name}{how}{self.error and ', ' + self.error}"
        )

    @property
    def own(self) -> bool:
        """Whether it is the engine's own, between two steps, and no call of the outside world."""
        return ":" in self.name

    @property
    def reads(self) -> bool:
        """Whether the call changes nothing."""
        return method(self.name) in READING

    def fault(self, share: float) -> dict[str, object]:
        """As the daemon takes it; midway is that share of the way."""
        return {
            "point": self.name,
            "when": self.when,
            "error": self.error,
            "share": share,
            "seconds": self.seconds * share,
        }


def method(name: str) -> str:
    """What is called at a point, as `perform` of `links.perform 2`; "" at the engine's own."""
    return "" if ":" in name else name.partition(".")[2].partition(" ")[0]


def ways(operation: str, passed: Sequence[str], share: int = 0) -> Iterator[Point]:
    """What may happen at the points that were passed, by the lines of the daemon's `passed`.

    A kill before each call that changes something is one after the call before it; so only the last
    one has an after.  `share` is the number of the round: another error each time.
    """
    last = ""
    for number, line in enumerate(passed):
        name, steps, seconds = line.split("\t")
        called = method(name)
        error = ERRORS[(number + share) % len(ERRORS)]
        if not called:
            yield Point(operation, name)
        if called in CHANGING | READING:
            yield Point(operation, name, error=error)
        if int(steps) > 1:
            yield Point(operation, name, "midway", error=error)
        if called in CHANGING:
            yield Point(operation, name)
            if int(steps) > 1 or called != "perform" and float(seconds) > LONG:
                yield Point(operation, name, "midway", float(seconds))
            last = name
    if last:
        yield Point(operation, last, "after")
