"""Turns of questions: one in a round, in order, and what else is ready comes between."""

import asyncio

from fairlead.api.pace import Pace


def test_one_begins_in_each_round_and_a_change_goes_on_between() -> None:
    said: list[str] = []

    async def question(pace: Pace, number: int) -> None:
        await pace.turn()
        said.append(f"question {number}")

    async def change() -> None:
        for number in range(4):
            await asyncio.sleep(0)
            said.append(f"step {number}")

    async def body() -> None:
        pace = Pace()
        await asyncio.gather(*(question(pace, number) for number in range(20)), change())

    asyncio.run(body())
    assert [each for each in said if each.startswith("question")] == [f"question {n}" for n in range(20)]
    assert said.index("step 3") < 8


def test_who_has_gone_keeps_nobody_waiting() -> None:
    async def body() -> None:
        pace = Pace()
        tasks = [asyncio.create_task(pace.turn()) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[1].cancel()
        async with asyncio.timeout(5):
            await tasks[2]
            await pace.turn()

    asyncio.run(body())
