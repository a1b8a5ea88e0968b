"""Killed anywhere, the next daemon finds its way: nothing is left over, and the same works again.

The short form of `python -m bench crashes`: every point that the engine passes between two steps, and
a few of the calls of the outside world, once each.  The engine's own points are found in its sources,
so that a new one is tested as soon as it is there.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import fairlead.engine
from bench.crash_host import CrashHost
from bench.crash_operations import OPERATIONS
from bench.crashes import Crashes, Plan, Tally
from fairlead.lab.lab import Lab

SOURCES = Path(fairlead.engine.__file__).parent.glob("*.py")
POINTS = sorted({name for source in SOURCES for name in re.findall(r'\.at\("([^"]+)"\)', source.read_text())})
PLAN = Plan(rounds=1, points=1, calls=1, once=True, anew=False)  # the next point makes the same anew


@pytest.fixture(scope="module")
def crashes(lab: Lab) -> Iterator[Crashes]:
    host = CrashHost(lab.host(1))
    host.prepare()
    yield Crashes(host, PLAN)
    host.stop()


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_is_broken_off_leaves_nothing(crashes: Crashes, name: str) -> None:
    tally = Tally()
    crashes.operation(name, tally)
    assert tally.wrong == []
    assert tally.kills >= 1


def test_every_point_was_one_of_them(crashes: Crashes, request: pytest.FixtureRequest) -> None:
    asked = [item for item in request.session.items if item.path == request.path]
    if len(asked) <= len(OPERATIONS):
        pytest.skip("not every operation was asked for")
    assert len(POINTS) >= 30
    assert set(POINTS) <= {name.rpartition(" ")[0] for name in crashes.killed}
