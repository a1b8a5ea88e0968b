"""Processes by number: never another one than meant."""

import asyncio
import os
import subprocess
import sys

import pytest

from fairlead.runtime import processes


def ended(code: int) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen([sys.executable, "-c", f"raise SystemExit({code})"])
    assert processes.wait_for_end(child.pid, 20)
    return child


@pytest.mark.parametrize("number", [0, -1])
def test_no_number_is_no_process(number: int) -> None:
    child = ended(3)
    assert processes.reap(number) is None
    assert processes.open_process(number) is None
    assert not processes.in_cgroup_of(number, "x") and not processes.runs_with(number, "x")
    assert child.wait() == 3, "somebody else's child was left to its owner"


def test_a_child_is_collected_once() -> None:
    child = ended(5)
    assert processes.reap(child.pid) == 5
    assert processes.reap(child.pid) is None
    assert processes.open_process(child.pid) is None


def test_an_end_by_a_signal_is_counted_as_a_shell_does() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
    assert processes.reap(child.pid) is None, "it lives"
    assert not processes.send(child.pid, 9, lambda: False), "not surely the one that was meant"
    assert processes.send(child.pid, 9, lambda: True)
    assert processes.wait_for_end(child.pid, 20)
    assert processes.reap(child.pid) == 137
    assert not processes.send(child.pid, 9, lambda: True)


def test_arguments_are_compared_whole() -> None:
    code = "print('here', flush=True); import time; time.sleep(1000)"
    child = subprocess.Popen([sys.executable, "-c", code, "/a/bundle"], stdout=subprocess.PIPE)
    try:
        assert child.stdout and child.stdout.readline()
        assert processes.runs_with(child.pid, "/a/bundle")
        assert not processes.runs_with(child.pid, "/a/bun")
        assert child.pid in list(processes.having_argument("/a/bundle"))
    finally:
        child.kill()
        child.communicate()


def test_ends_are_told_once_and_can_be_forgotten() -> None:
    async def story() -> None:
        told: list[str] = []
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        processes.on_end(child.pid, lambda: told.append("first"))
        forget = processes.on_end(child.pid, lambda: told.append("second"))
        forget()
        forget()
        assert child.stdin
        child.stdin.close()
        async with asyncio.timeout(20):
            while not told:
                await asyncio.sleep(0.005)
        child.wait()
        processes.on_end(child.pid, lambda: told.append("gone before"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert told == ["first", "gone before"]

    asyncio.run(story())


def test_pid_files(tmp_path: "os.PathLike[str]") -> None:
    path = os.path.join(tmp_path, "pid")
    assert processes.read_number(path) == 0
    for text, number in (("", 0), ("17\n", 17), ("x", 0)):
        with open(path, "w") as file:
            file.write(text)
        assert processes.read_number(path) == number
