"""How long networks take, and whether the five hundredth takes longer than the first."""

from collections.abc import Iterator
from dataclasses import dataclass

from bench.contenders import Contender
from bench.latency import Sample, milliseconds
from bench.results import Measure


@dataclass(frozen=True, slots=True)
class Plan:
    """How often and how many."""

    rounds: int
    count: int

    @staticmethod
    def full() -> "Plan":
        """For numbers to believe."""
        return Plan(rounds=10, count=500)

    @staticmethod
    def quick() -> "Plan":
        """For a look, in a minute or two."""
        return Plan(rounds=3, count=30)


CALL = (
    "curl -sf -o /dev/null -w '%{time_total}' -X POST -H 'Content-Type: application/json'"
    """ -d '{"Name": "bench-network"}' --unix-socket ${DOCKER_HOST#unix://}"""
    " http://localhost/v1.41/networks/create"
)
NEIGHBOURS = 5  # creations around one whose samples are taken together


def one(contender: Contender) -> Iterator[Sample]:
    """create and rm of a network beside no other."""
    yield Measure("network create", "ms"), milliseconds(contender, "network create bench-network")
    yield Measure("network rm", "ms"), milliseconds(contender, "network rm bench-network")
    if contender.name != "podman":  # which has no daemon to be asked
        took = float(contender.host.run(CALL, check=True).stdout) * 1000
        yield Measure("network create, the call alone", "ms"), took
        contender.do("network rm bench-network")


def many(contender: Contender, count: int) -> Iterator[Sample]:
    """That many networks one after the other; dockerd, whose pools have 31, is told their subnets."""
    names = [f"bench-network-{number}" for number in range(count)]
    try:
        for number, name in enumerate(names, 1):
            took = milliseconds(contender, f"network create {_subnet(contender, number)} {name}")
            if number <= NEIGHBOURS:
                yield Measure(f"network create, the first of {count}", "ms"), took
            elif number > count - NEIGHBOURS:
                yield Measure(f"network create, the last of {count}", "ms"), took
        for _ in range(NEIGHBOURS):
            yield Measure(f"network ls with {count}", "ms"), milliseconds(contender, "network ls --quiet")
            took = milliseconds(contender, "run --rm busybox true")
            yield Measure(f"run --rm true with {count} networks", "ms"), took
    finally:
        there = set(contender.host.run(contender.command("network ls --format {{.Name}}")).stdout.split())
        left = [name for name in names if name in there]
        if left:
            took = milliseconds(contender, f"network rm {' '.join(left)}")
    yield Measure(f"network rm, each of {count}", "ms"), took / count


def _subnet(contender: Contender, number: int) -> str:
    return "" if contender.name == "fairlead" else f"--subnet 10.{128 + number // 256}.{number % 256}.0/24"
