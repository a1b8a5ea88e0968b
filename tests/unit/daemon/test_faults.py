"""Faults armed by files: which calls fail, in which way, and what is told of the points passed."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.daemon import faults
from fairlead.model.errors import Failed, StepFailed

LIVES = """
import asyncio, sys
from fairlead.daemon import faults

class Part:
    async def perform(self, steps):
        print(*steps, sep="", end="", flush=True)
    async def create(self):
        print("c", end="", flush=True)

armed = faults.from_environment()
part = armed.tapped("part", Part())

async def work():
    armed.at("work: begun")
    await part.perform("abcd")
    await part.create()
    await part.perform("ef")

asyncio.run(work())
"""


class Part:
    """A part of the outside world with something to do and something to tell."""

    handles = (int,)

    def __init__(self) -> None:
        self.done: list[str] = []

    async def perform(self, steps: str) -> None:
        self.done += steps

    async def create(self, name: str, *, count: int) -> int:
        self.done.append(name)
        return count


def arm(directory: Path, serial: int = 1, **fault: object) -> None:
    (directory / "armed").write_text(json.dumps({"serial": serial, "fault": fault}))


def passed(directory: Path) -> list[str]:
    lines = (directory / "passed").read_text().splitlines()
    return [line.rpartition("\t")[0].replace("\t", " of ") for line in lines]


def test_without_the_variable_nothing_is_wrapped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(faults.VARIABLE, raising=False)
    part = Part()
    assert faults.from_environment().tapped("part", part) is part


def test_what_is_passed_is_told_and_goes_through(tmp_path: Path) -> None:
    armed, part = faults.ArmedFaults(tmp_path), Part()
    tapped = armed.tapped("part", part)
    armed.at("work: begun")
    asyncio.run(tapped.perform("ab"))
    assert asyncio.run(tapped.create("c", count=3)) == 3
    asyncio.run(tapped.perform("d"))
    assert tapped.handles == (int,) and part.done == ["a", "b", "c", "d"]
    assert passed(tmp_path) == [
        "work: begun 1 of 0",
        "part.perform 1 of 2",
        "part.create 1 of 0",
        "part.perform 2 of 1",
    ]


def test_a_call_fails_as_its_kind_does(tmp_path: Path) -> None:
    part = Part()
    tapped = faults.ArmedFaults(tmp_path).tapped("part", part)
    arm(tmp_path, point="part.create 1", error="ENOSPC")
    with pytest.raises(Failed, match="cannot do part.create 1: No space left on device"):
        asyncio.run(tapped.create("c", count=3))
    asyncio.run(tapped.create("c", count=3))  # the second
    assert part.done == ["c"]


def test_steps_fail_midway_and_say_how_many_were_done(tmp_path: Path) -> None:
    part = Part()
    tapped = faults.ArmedFaults(tmp_path).tapped("part", part)
    arm(tmp_path, point="part.perform 2", error="EIO", when="midway", share=0.5)
    asyncio.run(tapped.perform("ab"))
    with pytest.raises(StepFailed, match="Input/output error") as failure:
        asyncio.run(tapped.perform("cdef"))
    assert failure.value.done == 2 and part.done == ["a", "b", "c", "d"]


def test_the_count_begins_anew_with_each_arming(tmp_path: Path) -> None:
    tapped = faults.ArmedFaults(tmp_path).tapped("part", Part())
    for serial in (1, 2):
        arm(tmp_path, serial, point="part.perform 1", error="EBUSY")
        with pytest.raises(StepFailed, match="busy"):
            asyncio.run(tapped.perform("a"))
        asyncio.run(tapped.perform("a"))


@pytest.mark.parametrize(
    ("fault", "done"),
    [
        ({"point": "work: begun 1"}, ""),
        ({"point": "part.perform 1"}, ""),
        ({"point": "part.perform 1", "when": "midway", "share": 0.75}, "abc"),
        ({"point": "part.create 1", "when": "after"}, "abcdc"),
        ({"point": "part.perform 2", "when": "before"}, "abcdc"),
        ({"point": "part.perform 3"}, None),
    ],
)
def test_a_kill_comes_where_it_was_asked_for(
    tmp_path: Path, fault: dict[str, object], done: str | None
) -> None:
    arm(tmp_path, **fault)
    found = subprocess.run(
        [sys.executable, "-c", LIVES], env={faults.VARIABLE: str(tmp_path)}, capture_output=True, text=True
    )
    assert (found.returncode, found.stdout) == (
        (-signal.SIGKILL, done) if done is not None else (0, "abcdcef")
    )


def test_one_point_can_be_named_in_the_variable() -> None:
    for name, code in (("work: begun", -signal.SIGKILL), ("work: ended", 0)):
        found = subprocess.run(
            [sys.executable, "-c", LIVES], env={faults.VARIABLE: name}, capture_output=True
        )
        assert found.returncode == code
