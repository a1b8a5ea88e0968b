"""An overlay network's state: all of it in its own namespace, and the way to the others' endpoints told."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.host import (
    AddressKey,
    FdbKey,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    NameKey,
    NamespaceKey,
    NeighbourKey,
    PointerKey,
    Route,
    RouteKey,
    SysctlKey,
    Veth,
    Vxlan,
)
from fairlead.model.network import Network, Pool
from fairlead.planner import overlay
from fairlead.planner.steps import difference

HOME = "overlay-" + "ab" * 6
NETWORK = Network(
    "ab" * 32,
    "shop",
    "overlay",
    0,
    1,
    scope="global",
    pools=(
        Pool(IPv4Network("10.0.1.0/24"), gateway=IPv4Address("10.0.1.1")),
        Pool(IPv4Network("10.0.2.0/24"), gateway=IPv4Address("10.0.2.1")),
        Pool(IPv6Network("fd00:1::/64"), gateway=IPv6Address("fd00:1::1")),
    ),
    enable_ipv6=True,
)
VTEP, OTHER = IPv4Address("198.51.100.11"), IPv4Address("198.51.100.12")
TUNNEL = Vxlan(4097, VTEP, 4789)
REMOTE = RemoteEndpoint(
    id="e2" * 32,
    network_id=NETWORK.id,
    member_id="host2",
    generation=1,
    vtep=OTHER,
    mac="02:42:0a:00:01:03",
    container="db",
    ipv4=IPv4Interface("10.0.1.3/24"),
    ipv6=IPv6Interface("fd00:1::3/64"),
    names=("db", "database"),
)
SANDBOX = Sandbox("5" * 64, "c" * 64, "web")
ENDPOINT = Endpoint(
    "e1" * 32,
    NETWORK.id,
    "c" * 64,
    SANDBOX.id,
    1,
    "eth0",
    "veth1",
    "02:42:0a:00:01:02",
    ipv4=IPv4Interface("10.0.1.2/24"),
    names=("web",),
)


def test_all_of_a_network_is_in_its_own_namespace() -> None:
    state = overlay.overlay_state(NETWORK, TUNNEL, 1450)
    assert state[NamespaceKey(HOME)] == "ab" * 6
    assert state[LinkKey(HOME, "vxlan0")] == TUNNEL
    assert {key.namespace for key in state if not isinstance(key, NamespaceKey)} == {HOME}
    gateways = {str(key.address) for key in state if isinstance(key, AddressKey)}
    assert gateways == {"10.0.1.1/24", "10.0.2.1/24", "fd00:1::1/64"}


def test_without_ipv6_there_is_none_of_it() -> None:
    plain = replace(NETWORK, enable_ipv6=False)
    state = overlay.overlay_state(plain, TUNNEL, 1450) | overlay.remote_state(
        plain, replace(REMOTE, ipv6=None)
    )
    assert not [
        key for key in state if isinstance(key, AddressKey | NeighbourKey) and key.address.version == 6
    ]
    assert [key.path[-2:] for key in state if isinstance(key, SysctlKey) and "ipv6" in key.path] == [
        ("default", "disable_ipv6")
    ]


def test_packets_leave_room_for_the_headers_of_the_tunnel() -> None:
    six = IPv6Address("2001:db8::11")
    assert overlay.overlay_mtu(NETWORK, VTEP, 1500) == 1450
    assert overlay.overlay_mtu(NETWORK, six, 1500) == 1430
    asked = replace(NETWORK, options={"com.docker.network.driver.mtu": "1300"})
    assert overlay.overlay_mtu(asked, VTEP, 1500) == 1300
    assert overlay.overlay_mtu(asked, VTEP, 1200) == 1150


def test_an_endpoint_is_a_port_of_the_bridge_in_that_namespace() -> None:
    state = overlay.endpoint_state(NETWORK, SANDBOX, ENDPOINT, 1450)
    assert state[LinkKey(HOME, "veth1")] == Veth("web", "eth0", "02:42:0a:00:01:02")
    for namespace, link in ((HOME, "veth1"), ("web", "eth0")):
        assert state[LinkSettingKey(namespace, link, LinkSetting.MTU)] == "1450"
    assert state[LinkSettingKey(HOME, "veth1", LinkSetting.MASTER)] == "br0"
    assert state[NameKey(NETWORK.id, "web", IPv4Address("10.0.1.2"))] == ENDPOINT.id


def test_the_other_subnets_of_the_network_are_reached_directly() -> None:
    state = overlay.endpoint_state(NETWORK, SANDBOX, ENDPOINT, 1450)
    routes = {key: value for key, value in state.items() if isinstance(key, RouteKey)}
    assert routes == {RouteKey("web", IPv4Network("10.0.2.0/24")): Route(None, "eth0")}


def test_a_remote_endpoint_is_a_way_its_answers_and_its_names() -> None:
    four, six = IPv4Address("10.0.1.3"), IPv6Address("fd00:1::3")
    assert overlay.remote_state(NETWORK, REMOTE) == {
        FdbKey(HOME, "vxlan0", REMOTE.mac): str(OTHER),
        NeighbourKey(HOME, "vxlan0", four): REMOTE.mac,
        NeighbourKey(HOME, "vxlan0", six): REMOTE.mac,
        **{NameKey(NETWORK.id, name, address): REMOTE.id for name in REMOTE.names for address in (four, six)},
        PointerKey(NETWORK.id, four): "db",
        PointerKey(NETWORK.id, six): "db",
    }


def test_an_endpoint_that_moved_to_another_host_is_one_changed_entry() -> None:
    before = overlay.remote_state(NETWORK, REMOTE)
    [step] = difference(
        overlay.remote_state(NETWORK, replace(REMOTE, vtep=IPv4Address("198.51.100.13"))), before
    )
    assert (step.key, step.before, step.after) == (
        FdbKey(HOME, "vxlan0", REMOTE.mac),
        "198.51.100.12",
        "198.51.100.13",
    )


def test_the_tunnel_end_is_taken_away_before_its_namespace() -> None:
    state = overlay.overlay_state(NETWORK, TUNNEL, 1450) | overlay.remote_state(NETWORK, REMOTE)
    steps = [step.key for step in difference(dict.fromkeys(state), state)]
    assert [key for key in steps if not isinstance(key, NameKey | PointerKey)] == [
        LinkKey(HOME, "vxlan0"),
        NamespaceKey(HOME),
    ]
