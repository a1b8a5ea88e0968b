"""What macvlan networks are made of, and which of them may be made."""

from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_network

import pytest

from fairlead.engine.macvlan_rules import links_of_parent, require_macvlan, with_parent, with_shim_reserved
from fairlead.model.commands import CreateNetwork
from fairlead.model.config import Settings
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.errors import Failed, InvalidParameter
from fairlead.model.host import (
    AddressKey,
    Bridge,
    Dummy,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    Macvlan,
    MacvlanMode,
    NamespaceKey,
    Route,
    RouteKey,
    State,
    Step,
    SysctlKey,
    Vlan,
)
from fairlead.model.network import HOST_SHIM, MACVLAN_MODE, PARENT, Network, Pool
from fairlead.model.surroundings import Surroundings
from fairlead.planner.macvlan import endpoint_state, network_state, shim_name
from fairlead.planner.steps import absent, difference

LAN = Pool(ip_network("198.51.100.0/24"), gateway=ip_address("198.51.100.1"))
LAN6 = Pool(ip_network("2001:db8::/64"), gateway=ip_address("2001:db8::1"))
SANDBOX = Sandbox("a" * 64, "c" * 64, "box")
MAC = "02:42:c6:33:64:02"


def network(*pools: Pool, **options: str) -> Network:
    named = {PARENT if name == "parent" else HOST_SHIM: value for name, value in options.items()}
    return Network("1" * 64, "pub", "macvlan", 0, 1, pools=pools or (LAN,), options=named)


def made(each: Network) -> State:
    return network_state(each, Settings(), Surroundings())


def joined(each: Network) -> State:
    endpoint = Endpoint(
        "e" * 64,
        each.id,
        SANDBOX.container_id,
        SANDBOX.id,
        1,
        "eth0",
        "",
        MAC,
        IPv4Interface("198.51.100.2/24"),
        IPv6Interface("2001:db8::2/64"),
        default_route=True,
        gateway4=ip_address("198.51.100.1"),  # type: ignore[arg-type]
        names=("box",),
    )
    return endpoint_state(each, SANDBOX, endpoint, "box", Settings(), Surroundings())


def request(pool: Pool = LAN, **options: str) -> CreateNetwork:
    names = {"parent": PARENT, "mode": MACVLAN_MODE, "shim": HOST_SHIM}
    return CreateNetwork(
        "new", "macvlan", pools=(pool,), options={names[key]: value for key, value in options.items()}
    )


def test_a_given_parent_is_left_alone_and_a_missing_one_is_made() -> None:
    assert made(network(parent="eth0")) == {}
    own = made(network())
    assert own == {
        LinkKey("", "dm-111111111111"): Dummy(),
        LinkSettingKey("", "dm-111111111111", LinkSetting.UP): "on",
    }


def test_a_missing_parent_that_stands_for_a_vlan_is_the_engines_to_make() -> None:
    asked = network(parent="eth0.50")
    there = dict.fromkeys(links_of_parent(asked), Bridge())
    assert with_parent(asked, there) == asked and made(asked) == {}
    missing = {**there, LinkKey("", "eth0.50"): None}
    assert made(with_parent(asked, missing)) == {
        LinkKey("", "eth0.50"): Vlan("eth0", 50),
        LinkSettingKey("", "eth0.50", LinkSetting.UP): "on",
    }


@pytest.mark.parametrize("name", ["eth0", "eth0.x", "eth0.1.2", "eth0.0", "eth0.4095", ".5"])
def test_a_missing_parent_that_stands_for_no_vlan_is_refused(name: str) -> None:
    asked = network(parent=name)
    found = {key: Bridge() if key == LinkKey("", "eth0") else None for key in links_of_parent(asked)}
    with pytest.raises(Failed):
        with_parent(asked, {**found, LinkKey("", name): None})


def test_an_endpoint_has_nothing_on_the_host() -> None:
    state = joined(network(parent="eth0"))
    assert state[LinkKey("box", "eth0")] == Macvlan("eth0", MacvlanMode.BRIDGE, MAC)
    assert {getattr(key, "namespace", "box") for key in state} == {"box"}


def test_the_shim_leads_to_each_address_or_to_the_range_that_they_are_from() -> None:
    shim = shim_name(network())
    alone = network(LAN, LAN6, parent="eth0", shim="198.51.100.250,2001:db8::fa")
    assert AddressKey("", shim, IPv4Interface("198.51.100.250/32")) in made(alone)
    assert made(alone)[SysctlKey("", ("net", "ipv6", "conf", shim, "accept_ra"))] == "0"
    assert made(alone)[SysctlKey("", ("net", "ipv4", "conf", shim, "arp_ignore"))] == "1"
    routes = {key.destination: value for key, value in joined(alone).items() if isinstance(key, RouteKey)}
    assert routes[ip_network("198.51.100.2/32")] == routes[ip_network("2001:db8::2/128")] == Route(None, shim)
    ranged = Pool(LAN.subnet, ip_range=ip_network("198.51.100.0/28"), gateway=LAN.gateway)
    both = network(ranged, parent="eth0", shim="198.51.100.250/24")
    assert made(both)[RouteKey("", ip_network("198.51.100.0/28"))] == Route(None, shim)
    assert RouteKey("", ip_network("198.51.100.2/32")) not in joined(both)


def test_a_macvlan_is_taken_away_before_its_namespace() -> None:
    observed = {NamespaceKey("box"): "alias", **joined(network(parent="eth0"))}
    steps = difference(absent(observed), observed)
    gone = [step.key for step in steps if isinstance(step.key, (LinkKey, NamespaceKey))]
    assert gone == [LinkKey("box", "eth0"), NamespaceKey("box")]
    assert Step(gone[0], Macvlan("eth0", MacvlanMode.BRIDGE, MAC), None) in steps


def test_of_a_parent_there_is_one_network() -> None:
    require_macvlan(request(), [network(parent="eth0"), network()])
    require_macvlan(request(parent="eth1"), [network(parent="eth0")])
    with pytest.raises(Failed, match="network dm-111111111111 is already using parent interface eth0"):
        require_macvlan(request(parent="eth0"), [network(parent="eth0")])


@pytest.mark.parametrize(
    ("shim", "mode", "reason"),
    [
        ("nonsense", "bridge", "'nonsense' is not ADDRESS"),
        ("10.0.0.1", "bridge", "in none of the subnets"),
        ("198.51.100.8,198.51.100.9", "bridge", "more than one address is in 198.51.100.0/24"),
        ("198.51.100.8", "vepa", "in mode vepa"),
    ],
)
def test_a_shim_that_cannot_work_is_refused(shim: str, mode: str, reason: str) -> None:
    with pytest.raises(InvalidParameter, match=reason):
        require_macvlan(request(shim=shim, mode=mode), [])


def test_the_shims_address_is_kept_from_containers() -> None:
    [pool] = with_shim_reserved(request(shim="198.51.100.250/24")).pools
    assert pool.auxiliary == {HOST_SHIM: ip_address("198.51.100.250")}
    assert with_shim_reserved(request()) == request()
