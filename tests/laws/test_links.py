"""Laws of links that are made: a failure at any step leaves the host as it was."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fairlead.model.errors import Failed
from fairlead.model.host import Key, Value
from fairlead.reconcile.converge import Reconciler
from tests.contract.test_links import bridge, sandbox
from tests.fakes.links import FakeLinks

numbers = some.integers(min_value=1, max_value=5)


def state(sandboxes: set[int]) -> dict[Key, Value | None]:
    wanted = bridge()
    for number in sandboxes:
        wanted |= sandbox(number)
    return wanted


@given(some.sets(numbers), some.sets(numbers, min_size=1), some.integers(min_value=0, max_value=80))
def test_what_fails_midway_leaves_nothing(there: set[int], more: set[int], fault: int) -> None:
    async def scenario() -> None:
        links = FakeLinks()
        reconciler = Reconciler([links])
        await reconciler.converge(state(there))
        everything = list(state(there | more))
        before = await links.observe(everything)
        links.fail_at(fault)
        try:
            outcome = await reconciler.converge(state(there | more))
        except Failed:
            assert await links.observe(everything) == before
        else:
            assert len(outcome.steps) <= fault
            assert await links.observe(everything) == state(there | more)

    asyncio.run(scenario())


@given(some.sets(numbers), some.sets(numbers))
def test_any_state_can_follow_any_other(one: set[int], other: set[int]) -> None:
    async def scenario() -> None:
        links = FakeLinks()
        reconciler = Reconciler([links])
        await reconciler.converge(state(one))
        gone = dict.fromkeys(state(one))
        await reconciler.converge(gone | state(other))
        assert not (await reconciler.converge(gone | state(other))).changed

    asyncio.run(scenario())


def test_a_fault_is_really_met() -> None:
    async def scenario() -> None:
        links = FakeLinks()
        links.fail_at(7)
        with pytest.raises(Failed, match="a fault was injected"):
            await Reconciler([links]).converge(state({1}))
        assert len(links.performed) == 14  # seven steps and their inverses

    asyncio.run(scenario())
