"""Laws of an overlay's forwarding: whoever comes, goes or moves, what leads to those who stay is never taken away."""

import asyncio
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from hypothesis import given
from hypothesis import strategies as some

from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.errors import Failed
from fairlead.model.host import FdbKey, Key, NameKey, NeighbourKey, PointerKey, Value, Vxlan
from fairlead.model.network import Network, Pool
from fairlead.planner.overlay import overlay_state, remote_state
from fairlead.planner.steps import difference, replay, transition
from fairlead.reconcile.converge import Reconciler
from tests.fakes.links import FakeLinks

NETWORK = Network("ab" * 32, "shop", "overlay", 0, 1, pools=(Pool(IPv4Network("10.0.0.0/24")),))
TUNNEL = Vxlan(4097, IPv4Address("198.51.100.1"), 4789)
# Where each container is: its number to its host's.
HOSTS = some.dictionaries(some.integers(2, 8), some.integers(2, 4), max_size=5)


def remote(container: int, host: int) -> RemoteEndpoint:
    return RemoteEndpoint(
        id=f"{container:064x}",
        network_id=NETWORK.id,
        member_id=str(host),
        generation=1,
        vtep=IPv4Address(f"198.51.100.{host}"),
        mac=f"02:42:0a:00:00:{container:02x}",
        container=f"c{container}",
        ipv4=IPv4Interface(f"10.0.0.{container}/24"),
        names=(f"c{container}",),
    )


def links_of(places: dict[int, int]) -> dict[Key, Value | None]:
    """The network's links, and the entries for containers on other hosts, without their names."""
    state = overlay_state(NETWORK, TUNNEL, 1450)
    for container, host in places.items():
        state |= remote_state(NETWORK, remote(container, host))
    return {key: value for key, value in state.items() if not isinstance(key, NameKey | PointerKey)}


@given(HOSTS, HOSTS)
def test_one_step_for_each_entry_that_differs_and_never_none_for_who_stays(
    before: dict[int, int], after: dict[int, int]
) -> None:
    there, wanted = links_of(before), links_of(after)
    desired = transition(there, wanted)
    steps = difference(desired, {key: there.get(key) for key in desired})
    assert replay({key: there.get(key) for key in desired}, steps) == desired
    moved = {container for container in before.keys() & after if before[container] != after[container]}
    changed = [step for step in steps if step.before is not None and step.after is not None]
    assert {step.key.mac for step in changed if isinstance(step.key, FdbKey)} == {
        remote(container, 2).mac for container in moved
    }
    assert len(changed) == len(moved)
    for step in steps:
        if isinstance(step.key, FdbKey | NeighbourKey) and step.after is None:
            assert step.key not in wanted


@given(HOSTS, HOSTS, some.integers(0, 12))
def test_what_fails_midway_leaves_every_entry_as_it_was(
    before: dict[int, int], after: dict[int, int], fault: int
) -> None:
    async def scenario() -> None:
        links = FakeLinks()
        reconciler = Reconciler([links])
        await reconciler.converge(links_of(before))
        desired = transition(links_of(before), links_of(after))
        there = await links.observe(list(desired))
        links.fail_at(fault)
        try:
            await reconciler.converge(desired)
        except Failed:
            assert await links.observe(list(desired)) == there
        else:
            assert await links.observe(list(desired)) == desired

    asyncio.run(scenario())


@given(HOSTS, HOSTS)
def test_what_nobody_explains_is_found_and_goes(explained: dict[int, int], there: dict[int, int]) -> None:
    async def scenario() -> None:
        links = FakeLinks()
        reconciler = Reconciler([links])
        await reconciler.converge(links_of(explained))
        await reconciler.converge(links_of(there))
        surplus = await reconciler.surplus(links_of(explained))
        assert set(surplus) == links_of(there).keys() - links_of(explained).keys()
        await reconciler.converge({**links_of(explained), **surplus})
        assert await reconciler.surplus(links_of(explained)) == {}

    asyncio.run(scenario())
