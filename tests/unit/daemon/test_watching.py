"""Hints become looks at what they are about, one at a time, and what nothing tells of is looked at anyhow."""

import asyncio
from collections.abc import Callable, Collection

from fairlead.daemon.watching import Watching
from fairlead.planner.deviation import Part


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


def test_hints_are_gathered_and_none_is_lost_while_a_look_is_under_way() -> None:
    looks: list[set[Part]] = []
    go_on = asyncio.Event()

    async def look(parts: Collection[Part]) -> None:
        looks.append(set(parts))
        await go_on.wait()

    async def body() -> None:
        watching = Watching(look, {})
        watching.begin()
        await until(lambda: looks)
        assert looks == [set(Part)]
        for _ in range(3):
            watching.hint(Part.RULES)
            watching.hint(Part.LINKS)
        assert len(looks) == 1
        go_on.set()
        await until(lambda: {Part.RULES, Part.LINKS} <= set().union(*looks[1:]))
        await watching.finish()

    asyncio.run(body())


def test_settings_are_looked_at_again_and_again_and_a_look_that_fails_is_not_the_last() -> None:
    looks: list[set[Part]] = []

    async def look(parts: Collection[Part]) -> None:
        looks.append(set(parts))
        raise RuntimeError("something")

    async def body() -> None:
        watching = Watching(look, {})
        watching.begin()
        await until(lambda: sum(Part.SETTINGS in each for each in looks) > 2)
        await watching.finish()

    asyncio.run(body())


def test_rules_are_looked_at_during_the_rest_after_a_long_look() -> None:
    looks: list[set[Part]] = []

    async def look(parts: Collection[Part]) -> None:
        looks.append(set(parts))
        if Part.LINKS in parts:
            await asyncio.sleep(0.3)

    async def body() -> None:
        watching = Watching(look, {})
        watching.begin()
        await until(lambda: looks)
        watching.hint(Part.LINKS)
        await until(lambda: len(looks) > 1)
        looks.clear()
        watching.hint(Part.RULES)
        watching.hint(Part.LINKS)
        await until(lambda: any(Part.LINKS in each for each in looks))
        assert any(Part.RULES in each for each in looks)
        await watching.finish()

    asyncio.run(body())


def test_requests_go_first_but_what_is_urgent_waits_for_nobody_and_the_rest_not_for_ever() -> None:
    looks: list[set[Part]] = []
    requests = 0

    def changes() -> int:
        nonlocal requests
        requests += 1  # each time that it is asked something has changed again
        return requests

    async def look(parts: Collection[Part]) -> None:
        looks.append(set(parts))

    async def body() -> None:
        watching = Watching(look, {}, changes)
        watching.hint(Part.LINKS, Part.RULES)
        task = asyncio.create_task(watching._work())
        await until(lambda: looks)
        assert looks == [{Part.RULES}]
        await until(lambda: len(looks) > 1)
        assert looks[1:] == [{Part.LINKS}]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(body())
