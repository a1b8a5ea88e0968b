"""Hosts that share a store: networks, addresses, what is believed, and what goes on without the store."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import ip_network

import pytest

from fairlead.boundary.cluster import StoreAway, Write
from fairlead.engine.cluster import cluster, sessions
from fairlead.model.errors import Conflict, Forbidden, NotFound
from fairlead.model.host import FdbKey, NamespaceKey, NeighbourKey, NftKey
from fairlead.model.network import Pool
from fairlead.model.records import Records
from fairlead.overlay import keys
from fairlead.overlay.documents import write_endpoint, write_member
from tests.fakes.cluster import FakeCluster
from tests.unit.engine.cluster_hosts import SimulatedHost, hosts, until


def in_cluster(count: int) -> Callable[[Callable[..., Awaitable[None]]], Callable[[], None]]:
    """Run a test with so many hosts that have joined."""

    def decorate(test: Callable[..., Awaitable[None]]) -> Callable[[], None]:
        def run() -> None:
            async def main() -> None:
                shared = FakeCluster()
                async with hosts(shared, count) as made:
                    await test(shared, *made)

            asyncio.run(main())

        run.__name__ = test.__name__
        return run

    return decorate


async def known(network_id: str, *where: SimulatedHost) -> None:
    await until(lambda: all(network_id in each.records.networks for each in where))


@in_cluster(3)
async def test_a_network_is_everywhere(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost, three: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two, three)
    assert str(three.records.networks[network.id].pools[0].subnet) == "10.0.0.0/24"
    assert three.records.networks[network.id].vni == network.vni
    with pytest.raises(Conflict, match="network with name demo already exists"):
        await two.create("demo")
    await two.cluster.networks.remove(network)
    await until(lambda: not any(network.id in each.records.networks for each in (one, two, three)))
    assert [key for key in shared.entries if "members" not in key] == [keys.POOLS]


@in_cluster(3)
async def test_networks_made_at_once_have_names_subnets_and_vnis_of_their_own(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost, three: SimulatedHost
) -> None:
    made = await asyncio.gather(
        *(host.create(f"n{host.number}-{i}") for i in range(4) for host in (one, two, three))
    )
    assert len({each.pools[0].subnet for each in made}) == len({each.vni for each in made}) == 12
    same = await asyncio.gather(*(host.create("same") for host in (one, two, three)), return_exceptions=True)
    assert sum(isinstance(each, Conflict) for each in same) == 2


@in_cluster(2)
async def test_a_network_gets_a_subnet_of_each_kind_that_it_wants(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    wanted = replace(one.new_network("six"), enable_ipv6=True)
    network = await one.cluster.networks.create(wanted)
    await known(network.id, two)
    assert two.records.networks[network.id].pools == network.pools
    assert [pool.subnet.prefixlen for pool in network.pools] == [24, 64]
    place = await two.join(network.id, "c1")
    assert place.ipv6 is not None
    assert place.ipv6.ip in network.pools[1].subnet
    alone = replace(one.new_network("alone"), enable_ipv6=True, enable_ipv4=False)
    assert [pool.subnet.version for pool in (await one.cluster.networks.create(alone)).pools] == [6]


@in_cluster(2)
async def test_addresses_are_the_lowest_that_nobody_has(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    first = await one.join(network.id, "a")
    await until(lambda: first.id in two.records.remotes)
    second = await two.join(network.id, "b")
    assert [str(first.ipv4), str(second.ipv4)] == ["10.0.0.2/24", "10.0.0.3/24"]
    await one.part(first)
    await until(lambda: first.id not in two.records.remotes)
    third = await two.join(network.id, "c")
    assert str(third.ipv4) == "10.0.0.2/24"
    with pytest.raises(Conflict, match="Address already in use"):
        await one.join(network.id, "d", wanted="10.0.0.2")


@in_cluster(3)
async def test_many_addresses_at_once_from_three_hosts(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost, three: SimulatedHost
) -> None:
    network = await one.create("wide", Pool(ip_network("10.1.0.0/20"), gateway=ip_network("10.1.0.0/20")[1]))
    await known(network.id, two, three)
    each = 200
    places = await asyncio.gather(
        *(host.join(network.id, f"c{number}") for number in range(each) for host in (one, two, three))
    )
    assert len({place.ipv4 for place in places}) == len({place.mac for place in places}) == 3 * each
    await until(lambda: all(len(host.records.remotes) == 2 * each for host in (one, two, three)))


@in_cluster(2)
async def test_a_way_to_each_endpoint_where_the_network_is_used(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    place = await one.join(network.id, "a")
    await until(lambda: place.id in two.records.remotes)
    assert not any(isinstance(key, FdbKey) for key in two.paper.there)
    own = await two.join(network.id, "b")
    await until(lambda: own.id in one.records.remotes)
    ways = {key.mac: value for key, value in two.paper.there.items() if isinstance(key, FdbKey)}
    answers = {
        str(key.address): value for key, value in two.paper.there.items() if isinstance(key, NeighbourKey)
    }
    assert ways == {place.mac: "198.51.100.1"}
    assert answers == {"10.0.0.2": place.mac}
    await two.part(own)
    assert not any(two.paper.there[key] for key in two.paper.there if isinstance(key, NamespaceKey))


def test_what_comes_while_a_host_is_busy_is_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "COMPARISON", 1e6)  # only the watch tells

    async def main() -> None:
        async with hosts(FakeCluster(), 2) as (one, two):
            network = await one.create("demo")
            await known(network.id, two)
            own = await two.join(network.id, "own")
            written = two.context.ledger.store.written  # type: ignore[attr-defined]
            async with two.cluster.presence.turn:
                places = [await one.join(network.id, f"c{number}") for number in range(20)]
                await until(lambda: len(two.copy.believed) == 20)
                before = len(written)
            await until(lambda: len(two.records.remotes) == 20)
            assert len(written) == before + 1
            await until(lambda: sum(isinstance(key, FdbKey) for key in two.paper.there) == len(places))
            assert own.id in one.records.remotes

    asyncio.run(main())


def test_a_session_that_ends_midway_leaves_no_stale_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "COMPARISON", 1e6)
    monkeypatch.setattr(sessions, "REPAIR", 1e6)  # its look would wait too, and keep all others from theirs

    async def main() -> None:
        async with hosts(FakeCluster(), 2) as (one, two):
            network = await one.create("demo")
            await known(network.id, two)
            await two.join(network.id, "own")
            place = await one.join(network.id, "a")
            await until(lambda: any(type(key) is FdbKey and value for key, value in two.paper.there.items()))
            async with two.cluster.presence.turn:
                pass
            go_on, observe = asyncio.Event(), two.paper.observe

            async def slowly(keys):  # type: ignore[no-untyped-def]
                await go_on.wait()
                return await observe(keys)

            monkeypatch.setattr(two.paper, "observe", slowly)
            await one.part(place)
            await until(lambda: place.id not in two.records.remotes)
            two.cluster.shared.lose("it did not answer in time")
            await asyncio.sleep(0.01)
            go_on.set()
            await until(
                lambda: not any(value for key, value in two.paper.there.items() if type(key) is FdbKey)
            )

    asyncio.run(main())


@in_cluster(2)
async def test_a_network_in_use_stays(shared: FakeCluster, one: SimulatedHost, two: SimulatedHost) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    place = await one.join(network.id, "a")
    with pytest.raises(Forbidden, match=f"network demo id {network.id} has active endpoints"):
        await two.cluster.networks.remove(network)
    other = await two.join(network.id, "b")
    await one.part(place)
    await two.part(other)
    await one.cluster.networks.remove(network)


@in_cluster(2)
async def test_without_the_store_all_that_exists_goes_on(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    a, b = await one.join(network.id, "a"), await two.join(network.id, "b")
    await until(lambda: b.id in one.records.remotes and a.id in two.records.remotes)
    one.way.away = two.way.away = True
    await until(lambda: bool(one.cluster.shared.away and two.cluster.shared.away))
    with pytest.raises(StoreAway, match="cannot create network late: the cluster store"):
        await one.create("late")
    with pytest.raises(StoreAway, match="cannot join network demo"):
        await one.join(network.id, "c")
    assert b.id in one.records.remotes
    await one.part(a)  # remembered: the record is gone, so the claim goes when the store is back
    one.way.away = two.way.away = False
    await until(lambda: not one.cluster.shared.away and a.id not in two.records.remotes)
    assert keys.claim(network.id, a.ipv4.ip) not in shared.entries
    assert keys.claim(network.id, b.ipv4.ip) in shared.entries


@in_cluster(2)
async def test_a_daemon_that_starts_without_the_store_knows_what_it_knew(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    a, b = await one.join(network.id, "a"), await two.join(network.id, "b")
    await until(lambda: b.id in one.records.remotes)
    await one.cluster.finish(leave=False)
    next_one = SimulatedHost(
        shared,
        1,
        Records(
            **{
                name: dict(getattr(one.records, name))
                for name in ("networks", "endpoints", "hosts", "members", "remotes")
            }
        ),
    )
    next_one.way.away = True
    await next_one.cluster.begin()
    await next_one.cluster.presence.repair(next_one.records.networks[network.id])
    assert any(isinstance(key, FdbKey) and key.mac == b.mac for key in next_one.paper.there)
    generation = shared.entries[keys.endpoint(network.id, a.id)].value
    next_one.way.away = False
    await until(lambda: not next_one.cluster.shared.away)
    assert shared.entries[keys.endpoint(network.id, a.id)].value == generation, "the lease was taken over"
    await next_one.cluster.finish(leave=False)


def test_a_start_does_not_wait_for_a_store_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        shared, answers = FakeCluster(), asyncio.Event()
        host = SimulatedHost(shared, 1)
        grant = host.way.grant

        async def hang(seconds: int) -> int:
            await answers.wait()
            return await grant(seconds)

        monkeypatch.setattr(host.way, "grant", hang)
        await host.cluster.begin()
        with pytest.raises(StoreAway, match="it has not been reached yet"):
            await host.create("demo")
        answers.set()
        await until(lambda: not host.cluster.shared.away)
        await host.create("demo")
        await host.cluster.finish(leave=False)

    asyncio.run(main())


def test_what_needs_the_store_waits_for_the_first_answer_after_a_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        host = SimulatedHost(FakeCluster(), 1)
        monkeypatch.setattr(cluster, "HEAD_START", 0)
        await host.cluster.begin()
        assert host.cluster.shared.away
        await host.create("demo")
        await host.cluster.finish(leave=False)

    asyncio.run(main())


@in_cluster(2)
async def test_a_dead_hosts_address_goes_to_who_needs_it_and_it_yields(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    kept, moved = await one.join(network.id, "kept"), await one.join(network.id, "moved")
    await until(lambda: moved.id in two.records.remotes)
    with pytest.raises(Conflict, match="Address already in use"):
        await two.join(network.id, "heir", wanted="10.0.0.3")
    one.way.away = True  # paused, or cut off
    shared.end(one.cluster.membership.lease)
    await until(lambda: not two.records.remotes)
    other = await two.join(network.id, "other")
    assert str(other.ipv4) == "10.0.0.4/24", "nobody takes a dead host's address without need"
    heir = await two.join(network.id, "heir", wanted="10.0.0.3")
    one.way.away = False
    await until(lambda: bool(one.yielded))
    assert [each.id for each in one.yielded] == [moved.id]
    await until(lambda: set(two.records.remotes) == {kept.id})
    await until(lambda: {heir.id, other.id} == set(one.records.remotes))
    assert two.records.remotes[kept.id].generation == 2


@in_cluster(2)
async def test_what_a_dead_host_has_left_is_removed_by_force(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    place = await one.join(network.id, "web")
    await until(lambda: place.id in two.records.remotes)
    one.way.away = True
    shared.end(one.cluster.membership.lease)
    await until(lambda: not two.records.remotes)
    with pytest.raises(NotFound, match="endpoint other not found"):
        await two.cluster.expel(network, "other")
    await two.cluster.expel(network, "web")
    assert not [key for key in shared.entries if "/claims/" in key or "/endpoints/" in key]
    heir = await two.join(network.id, "heir")
    assert heir.ipv4 == place.ipv4, "its address is free"
    with pytest.raises(NotFound, match="endpoint web not found"):
        await two.cluster.expel(network, "web")


@in_cluster(3)
async def test_who_lives_yields_what_was_removed_by_force(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost, three: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two, three)
    first, second = await one.join(network.id, "web"), await two.join(network.id, "web")
    await until(lambda: {first.id, second.id} <= set(three.records.remotes))
    with pytest.raises(Conflict, match=f"several hosts have one of that name: .*ep-{first.id}"):
        await three.cluster.expel(network, "web")
    await three.cluster.expel(network, f"ep-{first.id}")
    await until(lambda: bool(one.yielded))
    assert [each.id for each in one.yielded] == [first.id]
    assert not two.yielded
    await until(lambda: set(three.records.remotes) == {second.id} == set(one.records.remotes))
    two.way.away = True  # it hears of it when it is back, with its lease
    await until(lambda: bool(two.cluster.shared.away))
    await three.cluster.expel(network, "web")
    two.way.away = False
    await until(lambda: bool(two.yielded))
    assert not [key for key in shared.entries if "/claims/" in key or "/endpoints/" in key]


@in_cluster(2)
async def test_an_endpoint_that_alone_is_taken_out_of_the_store_is_told_again(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    place = await one.join(network.id, "web")
    key = keys.endpoint(network.id, place.id)
    await until(lambda: place.id in two.records.remotes)
    lease = shared.entries[key].lease
    shared.commit([], [Write(key, None)])
    await until(lambda: key in shared.entries)
    assert shared.entries[key].lease == lease
    await until(lambda: place.id in two.records.remotes)
    assert not one.yielded


@in_cluster(2)
async def test_nothing_is_removed_by_force_while_the_store_is_away(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    await one.join(network.id, "web")
    two.way.away = True
    await until(lambda: bool(two.cluster.shared.away))
    with pytest.raises(StoreAway, match="cannot remove endpoint web from network demo"):
        await two.cluster.expel(network, "web")


@in_cluster(2)
async def test_a_watch_that_is_too_far_behind_reads_again(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    two.way.away = True
    await until(lambda: bool(two.cluster.shared.away))
    places = [await one.join(network.id, f"c{number}") for number in range(5)]
    await one.part(places[0])
    shared.compact(shared.revision)
    two.way.away = False
    await until(lambda: set(two.records.remotes) == {each.id for each in places[1:]})


@in_cluster(2)
async def test_a_store_that_lost_everything_is_told_again(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost
) -> None:
    network = await one.create("demo")
    await known(network.id, two)
    place = await one.join(network.id, "a")
    one.way.away = two.way.away = True
    await until(lambda: bool(one.cluster.shared.away and two.cluster.shared.away))
    shared.entries.clear()
    shared._leases.clear()
    shared.revision = 1
    shared.compact(1)
    one.way.away = two.way.away = False
    await until(lambda: keys.claim(network.id, place.ipv4.ip) in shared.entries)
    await until(lambda: place.id in two.records.remotes)
    assert network.id in one.records.networks and network.id in two.records.networks


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"vtep": "203.0.113.66"}, "is not that of its host"),
        ({"vtep": "127.0.0.1"}, "is no host's address"),
        ({"vtep": "224.0.0.1"}, "is no host's address"),
        ({"mac": "ff:ff:ff:ff:ff:ff"}, "no hardware address of one interface"),
        ({"mac": "01:00:5e:00:00:01"}, "no hardware address of one interface"),
        ({"mac": "00:00:00:00:00:00"}, "no hardware address of one interface"),
        ({"ipv4": "10.9.0.2/24"}, "in no subnet of network demo"),
        ({"ipv4": "10.0.0.1/24"}, "none that network demo gives"),
        ({"ipv4": "10.0.0.9/24"}, "has not claimed its address"),
        ({"names": ["a b"]}, "is no name"),
        ({"names": ["x" * 300]}, "at most 255"),
        ({"container": "a/b"}, "is no name"),
        ({"schema": 2}, "its schema is 2"),
        ({"generation": "1"}, "is no number"),
        ({"id": "0"}, "is no id"),
    ],
)
def test_a_poisoned_endpoint_is_left_out_and_the_rest_goes_on(change: dict[str, object], reason: str) -> None:
    async def main() -> None:
        shared = FakeCluster()
        async with hosts(shared, 2) as (one, two):
            network = await one.create("demo")
            await known(network.id, two)
            place = await one.join(network.id, "a")
            await until(lambda: place.id in two.records.remotes)
            good = json.loads(write_endpoint(place))
            await one.way.commit([], [Write(keys.endpoint(network.id, place.id), json.dumps(good | change))])
            await until(lambda: place.id not in two.records.remotes)
            told = [event for event in two.context.events._kept if event.action == "refuse"]
            assert len(told) == 1
            assert reason in told[0].attributes["reason"]
            assert (await two.join(network.id, "b")).id

    asyncio.run(main())


@pytest.mark.parametrize("value", ["", "[]", "null", "{", '{"schema":1}', "x" * 100_000, "[" * 50_000])
def test_what_is_no_document_hurts_nobody(value: str) -> None:
    async def main() -> None:
        shared = FakeCluster()
        async with hosts(shared, 2) as (one, two):
            for key in (
                "members/" + "a" * 64,
                "networks/" + "a" * 64,
                "claims/" + "a" * 64 + "/10.0.0.2",
                "endpoints/" + "a" * 64 + "/" + "b" * 64,
                "claims/x/y",
                "strange",
            ):
                await one.way.commit([], [Write(keys.ROOT + key, value)])
            network = await one.create("demo")
            await known(network.id, two)
            assert set(two.records.networks) == {network.id}
            assert len([event for event in two.context.events._kept if event.action == "refuse"]) == 6

    asyncio.run(main())


@in_cluster(3)
async def test_packets_are_taken_from_the_hosts_that_are_there(
    shared: FakeCluster, one: SimulatedHost, two: SimulatedHost, three: SimulatedHost
) -> None:
    def taken() -> set[str]:
        return {
            key.element
            for key, value in one.paper.there.items()
            if isinstance(key, NftKey) and key.name == "vteps" and value is not None
        }

    await until(lambda: taken() == {f"198.51.100.{number}" for number in (1, 2, 3)})
    await three.cluster.finish(leave=True)
    await until(lambda: taken() == {f"198.51.100.{number}" for number in (1, 2)})
    assert one.cluster.state()[NftKey("overlay_ports", "4789")] == ""


def network_document(**change: object) -> str:
    pool = {"subnet": "10.3.0.0/24", "gateway": "10.3.0.1"} | change.pop("pool", {})  # type: ignore[operator]
    good = {"schema": 1, "id": "a" * 64, "name": "odd", "created": 1, "vni": 5000, "pools": [pool]}
    return json.dumps(good | {"ipam_driver": "default"} | change)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pool": {"subnet": "0.0.0.0/0"}}, "is too large"),
        ({"pool": {"subnet": "::/0", "gateway": None}}, "is too large"),
        ({"pool": {"subnet": "127.0.0.0/24", "gateway": None}}, "that no container can have"),
        ({"pool": {"subnet": "224.0.0.0/24", "gateway": None}}, "that no container can have"),
        ({"pool": {"subnet": "198.51.100.0/24", "gateway": None}}, "the address of a host"),
        ({"pool": {"gateway": "10.4.0.1"}}, "lies outside it"),
        ({"pools": []}, "it has no subnet"),
        ({"vni": 0}, "is no number"),
        ({"vni": 1 << 24}, "is no number"),
        ({"vni": True}, "is no number"),
        ({"name": "a b"}, "is no name"),
        ({"name": "x" * 300}, "at most 255"),
        ({"name": "a\u0007"}, "cannot be printed"),
        ({"id": "b" * 64}, "speaks of another network"),
        ({"options": {"com.docker.network.driver.mtu": "big"}}, "MTU"),
        ({"options": 1}, "no texts by name"),
    ],
)
def test_a_poisoned_network_is_left_out(change: dict[str, object], reason: str) -> None:
    async def main() -> None:
        shared = FakeCluster()
        async with hosts(shared, 2) as (one, two):
            await one.way.commit([], [Write(keys.network("a" * 64), network_document(**change))])
            await until(lambda: bool(refusals(two)))
            assert reason in refusals(two)[0]
            assert "a" * 64 not in two.records.networks
            assert (await two.create("good")).id

    asyncio.run(main())


def test_a_sound_network_is_taken() -> None:
    async def main() -> None:
        shared = FakeCluster()
        async with hosts(shared, 2) as (one, two):
            await one.way.commit([], [Write(keys.network("a" * 64), network_document())])
            await known("a" * 64, one, two)

    asyncio.run(main())


def test_a_host_that_says_that_it_is_here_is_no_member() -> None:
    async def main() -> None:
        shared = FakeCluster()
        async with hosts(shared, 2) as (one, two):
            stranger = write_member(replace(one.records.members[one.copy.own_id], id="c" * 64))
            await two.way.commit([], [Write(keys.member("c" * 64), stranger)])
            await until(lambda: bool(refusals(one)))
            assert "is this host's own" in refusals(one)[0]
            assert "c" * 64 not in one.records.members

    asyncio.run(main())


def refusals(host: SimulatedHost) -> list[str]:
    return [event.attributes["reason"] for event in host.context.events._kept if event.action == "refuse"]


@pytest.mark.parametrize(
    ("took", "seconds"), [(0.0, 4.0), (0.08, 4.0), (0.2, 10.0), (5.0, 40.0), (-1.0, 4.0)]
)
def test_what_takes_long_is_looked_at_more_rarely(took: float, seconds: float) -> None:
    assert sessions.pause(4.0, took) == pytest.approx(seconds)
