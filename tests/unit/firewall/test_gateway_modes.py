"""What a network's gateway mode means in rules and guards, for each IP version by itself."""

from ipaddress import IPv4Interface, IPv6Interface, ip_address, ip_network

import pytest

from fairlead.firewall import guards, policy, publish
from fairlead.model.config import Settings
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.host import Family, Key, NftKey, RuleKey, Value
from fairlead.model.network import BRIDGE_NAME, GATEWAY_MODES, Adoption, Network, Pool

BOTH = (Family.IPV4, Family.IPV6)
PORTS = (
    PublishedPort("tcp", ip_address("0.0.0.0"), 0, 80, 2),
    PublishedPort("tcp", ip_address("::"), 8080, 80),
)


def network(mode4: str = "nat", mode6: str = "nat", adoption: Adoption | None = None) -> Network:
    return Network(
        "1" * 64,
        "own",
        "bridge",
        0,
        1,
        enable_ipv6=True,
        pools=(Pool(ip_network("10.1.0.0/24")), Pool(ip_network("fd00:1::/64"))),
        options={BRIDGE_NAME: "own0", GATEWAY_MODES[4]: mode4, GATEWAY_MODES[6]: mode6},
        adoption=adoption,
    )


def endpoint(*ports: PublishedPort) -> Endpoint:
    addresses = IPv4Interface("10.1.0.2/24"), IPv6Interface("fd00:1::2/64")
    return Endpoint("2" * 64, "1" * 64, "3" * 64, "4" * 64, 2, "eth0", "veth0", "02:42:0a:01:00:02", *addresses,
                    ports=ports)  # fmt: skip


def texts(state: dict[Key, Value], family: Family, table: str) -> list[str]:
    return [
        key.text for key in state if isinstance(key, RuleKey) and (key.family, key.table) == (family, table)
    ]


def test_a_routed_version_has_no_address_translation_and_the_other_has() -> None:
    state = policy.network_rules(network("routed"), BOTH)
    assert texts(state, Family.IPV4, "nat") == []
    assert "-s fd00:1::/64 ! -o own0 -j MASQUERADE" in texts(state, Family.IPV6, "nat")
    assert "! -i own0 -o own0 -p icmp -j ACCEPT" in texts(state, Family.IPV4, "filter")


def test_a_routed_port_is_opened_and_redirected_to_nowhere() -> None:
    state = publish.publish_rules(network("routed"), endpoint(*PORTS), BOTH)
    assert texts(state, Family.IPV4, "nat") == []
    admitted = "-d 10.1.0.2/32 ! -i own0 -o own0 -p tcp -m tcp --dport {} -j ACCEPT"
    assert sorted(texts(state, Family.IPV4, "filter")) == [admitted.format(80), admitted.format(81)]
    assert len(texts(state, Family.IPV6, "nat")) == 2
    assert publish.publish_elements(network("routed"), endpoint(PORTS[0])) == {}


def test_an_unprotected_version_lets_everything_in() -> None:
    state = policy.network_rules(network("nat", "nat-unprotected"), BOTH)
    everything = "! -i own0 -o own0 -j ACCEPT"
    assert everything in texts(state, Family.IPV6, "filter")
    assert everything not in texts(state, Family.IPV4, "filter")
    assert "-s fd00:1::/64 ! -o own0 -j MASQUERADE" in texts(state, Family.IPV6, "nat")


@pytest.mark.parametrize(
    ("modes", "guarded"),
    [
        (("nat", "nat"), ["", ""]),
        (("routed", "nat-unprotected"), ["", None]),
    ],
)
def test_the_guard_of_direct_routing_knows_the_modes(
    modes: tuple[str, str], guarded: list[str | None]
) -> None:
    state = guards.network_guards(network(*modes), BOTH, Settings())
    assert [state[NftKey("guarded", f'"own0" . {family}')] for family in BOTH] == guarded
    assert (NftKey("routed", '"own0" . ipv4') in state) == (modes[0] == "routed")


def test_it_lets_the_opened_ports_pass() -> None:
    state = guards.bound_ports(network("routed"), endpoint(*PORTS), BOTH, Settings())
    assert state == {NftKey("opened_ports", "10.1.0.2 . tcp . 80-81"): ""}


def test_who_else_is_on_a_bridge_of_somebody_else_is_none_of_its_business() -> None:
    state = guards.network_guards(network(adoption=Adoption()), BOTH, Settings())
    assert state[NftKey("guarded", '"own0" . ipv4')] is None
