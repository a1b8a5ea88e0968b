"""Rounds of starts, stops, cuts and deaths by chance; then everything heals, and all tables are the store's."""

import asyncio
import contextlib
import random

import pytest

from fairlead.model.errors import FairleadError
from fairlead.model.host import FdbKey, NeighbourKey
from fairlead.overlay import keys
from tests.fakes.cluster import FakeCluster
from tests.unit.engine.cluster_hosts import SimulatedHost, hosts, until

ROUNDS = 60


async def one_round(
    shared: FakeCluster, made: list[SimulatedHost], network_id: str, chance: random.Random
) -> None:
    host = chance.choice(made)
    mine = list(host.records.endpoints.values())
    with contextlib.suppress(FairleadError):
        match chance.choice(
            ["join", "join", "join", "take", "part", "cut", "heal", "die", "compact", "expel"]
        ):
            case "join":
                await host.join(network_id, f"c{chance.random()}")
            case "take":
                await host.join(network_id, "heir", wanted=f"10.0.0.{chance.randint(2, 12)}")
            case "part" if mine:
                await host.part(host.cluster.claims.told(chance.choice(mine)))
            case "cut":
                host.way.away = True
            case "heal":
                host.way.away = False
            case "die":
                shared.end(host.cluster.membership.lease)
            case "expel" if any(each.records.endpoints for each in made if each is not host):
                others = [each.id for of in made if of is not host for each in of.records.endpoints.values()]
                await host.cluster.expel(host.records.networks[network_id], chance.choice(others))
            case "compact":
                shared.compact(shared.revision)
    await asyncio.sleep(chance.random() / 200)


def told(host: SimulatedHost) -> tuple[dict[str, object], dict[str, object]]:
    """What a host's tunnel end knows: VTEPs by hardware address, hardware addresses by address."""
    there = {key: value for key, value in host.paper.there.items() if value is not None}
    ways = {key.mac: value for key, value in there.items() if isinstance(key, FdbKey)}
    answers = {
        str(key.address): value
        for key, value in there.items()
        if isinstance(key, NeighbourKey) and key.link == "vxlan0"
    }
    return ways, answers


def right(shared: FakeCluster, made: list[SimulatedHost], network_id: str) -> bool:
    """Whether store, records and tables say the same everywhere."""
    everybody = {
        endpoint.id: (host, endpoint) for host in made for endpoint in host.records.endpoints.values()
    }
    claimed = {keys.claim(network_id, endpoint.addresses[0]) for _, endpoint in everybody.values()}
    said = {keys.endpoint(network_id, identity) for identity in everybody}
    stored = {key for key in shared.entries if "/claims/" in key or "/endpoints/" in key}
    if stored != claimed | said or len(claimed) != len(everybody):
        return False
    for host in made:
        others = [(of, each) for of, each in everybody.values() if of is not host]
        if set(host.records.remotes) != {each.id for _, each in others}:
            return False
        if host.cluster.presence.present(network_id):
            ways = {each.mac: of.paper.own for of, each in others}
            answers = {str(each.addresses[0]): each.mac for _, each in others}
            if told(host) != (ways, answers):
                return False
    return True


@pytest.mark.parametrize("seed", range(4))
def test_after_everything_has_healed_all_tables_are_the_stores(seed: int) -> None:
    async def main() -> None:
        chance, shared = random.Random(seed), FakeCluster()
        async with hosts(shared, 3) as made:
            network = await made[0].create("demo")
            await until(lambda: all(network.id in host.records.networks for host in made))
            for host in made:
                await host.join(network.id, "first")
            for _ in range(ROUNDS):
                await one_round(shared, made, network.id, chance)
            for host in made:
                host.way.away = False
            await until(lambda: right(shared, made, network.id))

    asyncio.run(main())
