"""The lowest free address, and every refusal."""

from ipaddress import IPv4Address, ip_network

import pytest

from fairlead.ipam.leases import lease, lowest_free, reserved
from fairlead.ipam.pools import BUILT_IN, choose, pools_in_force, relevant_routes, unique_local
from fairlead.model.config import AddressPool
from fairlead.model.errors import Conflict, InvalidParameter
from fairlead.model.network import Network, Pool

SMALL = Pool(ip_network("10.0.0.0/29"), gateway=IPv4Address("10.0.0.1"))


def network(*pools: Pool) -> Network:
    return Network("0" * 64, "blue", "bridge", 0, 0, pools=pools)


def test_the_lowest_free_address_comes_first() -> None:
    assert lowest_free(SMALL, set()) == IPv4Address("10.0.0.2")
    assert lowest_free(SMALL, {IPv4Address("10.0.0.2")}) == IPv4Address("10.0.0.3")


def test_a_gap_is_filled_before_the_end() -> None:
    taken = {IPv4Address("10.0.0.2"), IPv4Address("10.0.0.4")}
    assert lowest_free(SMALL, taken) == IPv4Address("10.0.0.3")


def test_network_broadcast_gateway_and_auxiliary_are_never_handed_out() -> None:
    pool = Pool(SMALL.subnet, gateway=SMALL.gateway, auxiliary={"router": IPv4Address("10.0.0.5")})
    handed_out: set[IPv4Address] = set()
    while (address := lowest_free(pool, handed_out)) is not None:
        handed_out.add(address)  # type: ignore[arg-type]
    assert handed_out.isdisjoint(reserved(pool))
    assert len(handed_out) == 8 - 4


@pytest.mark.parametrize(
    ("ip_range", "first"),
    [
        (None, "10.1.0.1"),
        ("10.1.0.64/26", "10.1.0.64"),
        ("10.1.0.0/24", "10.1.0.1"),
        # Ranges that are no part of the subnet are ignored, as with Docker.
        ("10.0.0.0/8", "10.1.0.1"),
        ("10.2.0.0/24", "10.1.0.1"),
        ("fd00::/64", "10.1.0.1"),
    ],
)
def test_addresses_come_from_the_part_of_the_subnet_that_the_range_is(
    ip_range: str | None, first: str
) -> None:
    pool = Pool(ip_network("10.1.0.0/24"), ip_range=ip_network(ip_range) if ip_range else None)
    assert lowest_free(pool, ()) == IPv4Address(first)


def test_a_full_pool_says_which_network_is_full() -> None:
    taken = {IPv4Address(f"10.0.0.{last}") for last in range(2, 7)}
    with pytest.raises(Conflict, match="no available IPv4 addresses .*blue"):
        lease(network(SMALL), 4, taken)


def test_a_wanted_address_must_be_in_a_subnet_and_free() -> None:
    assert lease(network(SMALL), 4, set(), IPv4Address("10.0.0.6")) == IPv4Address("10.0.0.6")
    with pytest.raises(InvalidParameter, match="does not belong"):
        lease(network(SMALL), 4, set(), IPv4Address("10.0.1.6"))
    with pytest.raises(Conflict, match="Address already in use"):
        lease(network(SMALL), 4, {IPv4Address("10.0.0.6")}, IPv4Address("10.0.0.6"))


def test_a_range_limits_what_is_handed_out() -> None:
    pool = Pool(
        ip_network("10.0.0.0/24"), ip_range=ip_network("10.0.0.128/25"), gateway=IPv4Address("10.0.0.1")
    )
    assert lowest_free(pool, set()) == IPv4Address("10.0.0.128")


def test_default_pools_begin_as_dockers_do() -> None:
    assert choose(BUILT_IN, 4, []) == ip_network("172.17.0.0/16")
    assert choose(BUILT_IN, 4, [ip_network("172.17.0.0/16")]) == ip_network("172.18.0.0/16")


def test_subnets_are_chosen_in_turn_and_what_is_to_spare_comes_last() -> None:
    docker0 = ip_network("172.17.0.0/16")
    chosen = [ip_network("172.18.0.0/16")]
    for _ in range(30):  # each network is removed before the next is made
        chosen.append(choose(BUILT_IN, 4, [docker0], chosen[-1]))
    assert chosen[:3] == [ip_network(f"172.{second}.0.0/16") for second in (18, 19, 20)]
    assert chosen[13:15] == [ip_network("172.31.0.0/16"), ip_network("192.168.0.0/20")]
    assert chosen[29:] == [ip_network("192.168.240.0/20"), ip_network("172.18.0.0/16")]
    dockers = [docker0, *chosen]
    spare = choose(BUILT_IN, 4, dockers, chosen[-1])
    assert spare == ip_network("10.128.0.0/24")
    assert choose(BUILT_IN, 4, [*dockers, spare], spare) == ip_network("10.128.1.0/24")


def test_a_route_of_the_host_is_avoided_but_halves_of_the_default_route_are_not() -> None:
    routes = [ip_network("172.16.0.0/12"), ip_network("0.0.0.0/1"), ip_network("128.0.0.0/1")]
    assert choose(BUILT_IN, 4, relevant_routes(routes)) == ip_network("192.168.0.0/20")


def test_five_hundred_networks_fit_without_overlap() -> None:
    used: list = []
    for _ in range(500):
        used.append(choose(BUILT_IN, 4, used))
    ordered = sorted(used)
    assert all(not one.overlaps(other) for one, other in zip(ordered, ordered[1:], strict=False))


def test_exhausted_pools_are_named_as_docker_does() -> None:
    with pytest.raises(Conflict, match="non-overlapping IPv4 address pool"):
        choose(BUILT_IN, 4, [ip_network("0.0.0.0/0")])


def test_ipv6_pools_are_the_engines_own_unless_others_are_configured() -> None:
    mine, again, other = (unique_local(identity).base for identity in ("one", "one", "two"))
    assert mine == again != other
    assert mine.prefixlen == 48 and mine.subnet_of(ip_network("fd00::/8"))
    configured4 = AddressPool(ip_network("10.0.0.0/8"), 24)
    configured6 = AddressPool(ip_network("fd00:9::/48"), 64)
    assert pools_in_force((), "one") == (*BUILT_IN, unique_local("one"))
    assert pools_in_force((configured4,), "one") == (configured4, unique_local("one"))
    assert pools_in_force((configured6,), "one") == (configured6, *BUILT_IN)
    assert str(choose(pools_in_force((), "one"), 6, [])) == str(next(mine.subnets(new_prefix=64)))
