"""At every call of the outside world the engine may die or the call may fail: nothing is left, and all goes on.

The calls are found by doing each operation once, so that a new one is tested as soon as it is there.
"""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from fairlead.model.errors import FairleadError
from tests.fakes.faults import READING, Killed, Way
from tests.fakes.host import MemoryHost, memory_host
from tests.fakes.operations import DONE_ALREADY, OPERATIONS, Operation, clear

DEADLINE = 20.0  # seconds for one operation, which takes milliseconds
KILLS = (Way.KILL, Way.KILL_HALFWAY, Way.KILL_AFTER)
# All of it takes minutes: what the short form leaves out is mostly what another point shows as well.
EVERYTHING = bool(os.environ.get("FAIRLEAD_EVERY_WAY"))
WAYS = tuple(Way) if EVERYTHING else (Way.KILL, Way.KILL_HALFWAY, Way.FAIL, Way.FAIL_HALFWAY)
COMPOUND = (
    "start again",
    "kill",
    "restart",
    "remove by force",
    "disconnect the way out",
    "stop of a link's target",
)
CHOSEN = [name for name in OPERATIONS if EVERYTHING or name not in COMPOUND]

Point = tuple[str, int]


async def done(host: MemoryHost, work: Coroutine[Any, Any, object]) -> BaseException | None:
    """Do it, until the engine dies; what it raised."""
    own = asyncio.current_task()
    assert own is not None
    task, death = asyncio.create_task(work), asyncio.create_task(host.faults.died.wait())
    host.spared, host.faults.acting = {own, death}, task
    async with asyncio.timeout(DEADLINE):
        await asyncio.wait([task, death], return_when=asyncio.FIRST_COMPLETED)
    death.cancel()
    if not task.done():
        task.cancel()
        await asyncio.wait([task])
    host.faults.died.clear()
    if task.cancelled():
        return asyncio.CancelledError()
    error = task.exception()
    if error is not None and not isinstance(error, (Killed, FairleadError)):
        raise error
    return error


async def settled(host: MemoryHost) -> list[str]:
    """What is still wrong when nothing goes on any longer: the end of a process is dealt with behind its client."""
    for _ in range(50):
        found = await host.findings()
        if not found:
            break
        await asyncio.sleep(0.01)
    return found


async def points_of(host: MemoryHost, operation: Operation) -> list[Point]:
    """Every call that the operation makes, as its name and the so many'th time."""
    await operation.prepare(host)
    host.faults.disarm()
    await operation.act(host)
    passed = Counter(host.faults.trace)
    await clear(host)
    return [(name, number + 1) for name, count in passed.items() for number in range(count)]


def worth_it(point: Point, way: Way) -> bool:
    """Whether a point can end in this way differently from others."""
    reading = (
        point[0].partition(".")[2] in READING or point[0].startswith("machine.") and "e_" not in point[0]
    )
    if reading and (way in KILLS or not EVERYTHING):
        return False
    return point[0] == "links.perform" or way not in (Way.KILL_HALFWAY, Way.FAIL_HALFWAY)


async def at_point(host: MemoryHost, operation: Operation, point: Point, way: Way) -> list[str]:
    """What is wrong after the operation met its fault there."""
    await operation.prepare(host)
    before = await host.findings()
    host.faults.arm(*point, way)
    error = await done(host, operation.act(host))
    wrong = [f"before: {each}" for each in before]
    if way in KILLS or not host.begun:
        host.faults.disarm()
        await host.restart()
    else:
        if isinstance(error, FairleadError) and ("\n" in error.message or not error.message):
            wrong.append(f"the error is no sentence: {error.message!r}")
        host.faults.disarm()
    wrong += [each for each in await settled(host) if way in KILLS or operation.leaves not in each]
    host.faults.disarm()
    try:
        async with asyncio.timeout(DEADLINE):
            await operation.act(host)
    except FairleadError as refused:
        # What was killed, given up or forgiven may have been done.
        if (error is not None and way is Way.FAIL) or not DONE_ALREADY.search(refused.message):
            wrong.append(f"the second time failed: {refused.message}")
    wrong += [f"after the second time: {each}" for each in await settled(host)]
    await clear(host)
    wrong += [f"cleared: {each}" for each in await settled(host)]
    return wrong


@pytest.mark.parametrize("name", CHOSEN)
def test_nothing_is_left_and_all_goes_on(name: str, tmp_path: Path) -> None:
    async def every_point() -> tuple[int, dict[str, list[str]]]:
        passed, wrong = 0, {}
        async with memory_host(tmp_path) as host:
            for point in await points_of(host, OPERATIONS[name]):
                for way in (way for way in WAYS if worth_it(point, way)):
                    found = await at_point(host, OPERATIONS[name], point, way)
                    passed += 1
                    if found:
                        wrong[f"{way} {point[0]} {point[1]}"] = found
                        return passed, wrong  # what comes after would only follow from it
        return passed, wrong

    logging.disable(logging.CRITICAL)
    try:
        passed, wrong = asyncio.run(every_point())
    finally:
        logging.disable(logging.NOTSET)
    assert wrong == {}
    assert passed > 3
