"""Which guards a network and an endpoint get, and which switch takes which away."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

import pytest

from fairlead.firewall import guards
from fairlead.model.addresses import link_local_from_mac
from fairlead.model.config import Settings
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.errors import InvalidParameter
from fairlead.model.guards import EVERY_GUARD, Guard, parse_guards
from fairlead.model.host import Family, NftKey, State, SysctlKey
from fairlead.model.network import (
    ALLOW,
    BRIDGE_NAME,
    DEFAULT_BRIDGE,
    ENABLE_ICC,
    TRUSTED_LINKS,
    Network,
    Pool,
)
from fairlead.model.surroundings import Surroundings
from fairlead.planner.bridge import bridge_state

BOTH = (Family.IPV4, Family.IPV6)
PLACE = Endpoint(
    "e", "n", "c", "s", 0, "eth0", "veth1", "02:42:0a:01:00:02",
    ipv4=IPv4Interface("10.1.0.2/24"),
    ipv6=IPv6Interface("64:ff9b::2/64"),
    ports=(
        PublishedPort("tcp", IPv4Address("192.0.2.1"), 8000, 80, 20),
        PublishedPort("udp", IPv6Address("2001:db8::1"), 53, 53),
        PublishedPort("tcp", IPv4Address("0.0.0.0"), 9000, 80),
        PublishedPort("tcp", IPv4Address("127.0.0.1"), 9001, 80),
    ),
)  # fmt: skip


def network(**options: str) -> Network:
    pools = (Pool(IPv4Network("10.1.0.0/24")), Pool(IPv6Network("64:ff9b::/64")))
    return Network("0" * 64, "net", "bridge", 0, 0, pools=pools, options={BRIDGE_NAME: "br1", **options})


def present(state: State) -> set[tuple[str, str]]:
    return {
        (key.name, key.element) for key, value in state.items() if isinstance(key, NftKey) and value == ""
    }


def everything(where: Network, settings: Settings) -> dict[str, set[str]]:
    """What is there of each shelf, with every guard of a network and its endpoint."""
    state = {
        **guards.network_guards(where, BOTH, settings),
        **guards.endpoint_guards(where, PLACE, settings),
        **guards.bound_ports(where, PLACE, BOTH, settings),
    }
    found: dict[str, set[str]] = {}
    for name, element in present(state):
        found.setdefault(name, set()).add(element)
    return found


ALL = {
    "bridges": {'"br1"'},
    "guarded": {'"br1" . ipv4', '"br1" . ipv6'},
    "endpoints": {'"veth1"'},
    "hardware_addresses": {'"veth1" . 02:42:0a:01:00:02'},
    "ipv4_addresses": {'"veth1" . 10.1.0.2'},
    "ipv6_addresses": {
        '"veth1" . 0x64ff9b000000000000000000000002',
        f'"veth1" . {int(link_local_from_mac(PLACE.mac)):#x}',
    },
    "no_routers": {'"veth1"'},
    "bound_ports": {"192.0.2.1 . tcp . 8000-8019"},
    "bound_ports6": {"2001:db8::1 . udp . 53"},
}
GUARDED_BY = {
    Guard.DIRECT_ROUTING: {"guarded"},
    Guard.WEAK_HOST: {"bound_ports", "bound_ports6"},
    Guard.SPOOFING: {"endpoints", "hardware_addresses", "ipv4_addresses", "ipv6_addresses"},
    Guard.ROUTER_ADVERTISEMENTS: {"no_routers"},
    Guard.LAYER_2: set(),
}


def test_everything_is_guarded_unless_told_otherwise() -> None:
    assert everything(network(), Settings()) == ALL


def test_a_link_local_address_follows_from_the_hardware_address() -> None:
    assert link_local_from_mac("02:42:0a:01:00:02") == IPv6Address("fe80::42:aff:fe01:2")


@pytest.mark.parametrize("guard", Guard)
def test_a_switch_takes_away_its_guard_alone(guard: Guard) -> None:
    kept = ALL.keys() - GUARDED_BY[guard]
    assert everything(network(), Settings(allow=frozenset({guard}))).keys() == kept
    assert everything(network(**{ALLOW: guard}), Settings()).keys() == kept


def test_what_is_switched_off_is_not_wanted_any_more() -> None:
    on = guards.network_guards(network(), BOTH, Settings())
    off = guards.network_guards(network(), BOTH, Settings(allow=EVERY_GUARD))
    assert on.keys() == off.keys()
    assert present(off) == {("bridges", '"br1"')}


def test_a_network_may_name_several() -> None:
    where = network(**{ALLOW: "spoofing, router-advertisements"})
    assert where.allow == {Guard.SPOOFING, Guard.ROUTER_ADVERTISEMENTS}


def test_without_rules_of_the_engine_there_are_no_guards() -> None:
    settings = Settings(iptables=False)
    assert everything(network(), settings) == {}
    assert guards.allowed(network(), settings) == EVERY_GUARD


def test_trusted_links_reach_the_network() -> None:
    found = everything(network(**{TRUSTED_LINKS: "wg0:eth1"}), Settings())
    assert found["trusted"] == {'"wg0" . "br1"', '"eth1" . "br1"'}


def test_a_name_that_is_no_guards_is_refused() -> None:
    with pytest.raises(InvalidParameter, match='cannot allow "everything": it is none of direct-routing, '):
        parse_guards(["spoofing", "everything"])


def test_all_addresses_of_a_container_are_its_own() -> None:
    other = replace(PLACE, host_interface="veth2", ipv4=IPv4Interface("10.2.0.2/24"), ipv6=None)
    state = guards.shared_addresses([(network(), PLACE), (network(), other)], Settings())
    assert present(state) == {
        ("ipv4_addresses", '"veth1" . 10.2.0.2'),
        ("ipv4_addresses", '"veth2" . 10.1.0.2'),
        ("ipv6_addresses", '"veth2" . 0x64ff9b000000000000000000000002'),
    }


PROXY = SysctlKey("", ("net", "ipv4", "conf", "br1", "proxy_arp_pvlan"))


@pytest.mark.parametrize(
    ("options", "settings", "expected"),
    [
        ({}, Settings(), None),
        ({DEFAULT_BRIDGE: "true"}, Settings(), "0"),
        ({DEFAULT_BRIDGE: "true", ENABLE_ICC: "false"}, Settings(), "1"),
        ({ENABLE_ICC: "false"}, Settings(), "1"),
        ({ENABLE_ICC: "false", ALLOW: "layer-2"}, Settings(), "0"),
        ({ENABLE_ICC: "false"}, Settings(iptables=False), "0"),
    ],
)
def test_without_icc_the_host_stands_between(
    options: dict[str, str], settings: Settings, expected: str | None
) -> None:
    state = bridge_state(network(**options), settings, Surroundings())
    assert state.get(PROXY) == expected


def test_tunnels_are_for_the_hosts_of_the_cluster() -> None:
    hosts = [IPv4Address("192.0.2.1"), IPv6Address("2001:db8::1")]
    assert guards.tunnel_guards(hosts, Settings(overlay_port=8472)) == {
        NftKey("overlay_ports", "8472"): "",
        NftKey("vteps", "192.0.2.1"): "",
        NftKey("vteps6", "2001:db8::1"): "",
    }
    assert guards.tunnel_guards(hosts, Settings(iptables=False)) == {}
