"""What our own table gets for a published port, and its text."""

from collections.abc import Sequence
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, ip_address

import pytest

from fairlead.firewall import nft_text, policy, publish
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.errors import InvalidParameter
from fairlead.model.host import Family, NftKey, Step
from fairlead.model.network import BRIDGE_NAME, ENABLE_ICC, HOST_IPV4, Network, Pool


def network(internal: bool = False, **options: str) -> Network:
    return Network(
        "0" * 64, "net", "bridge", 0, 0,
        pools=(Pool(IPv4Network("10.1.0.0/24")),), internal=internal, options={BRIDGE_NAME: "br1", **options},
    )  # fmt: skip


def elements(ports: Sequence[str], where: Network, forwarding: bool = True) -> dict[str, dict[str, object]]:
    """Elements by shelf for ports given as "tcp 0.0.0.0 88 80 COUNT?"."""
    spelt = []
    for text in ports:
        protocol, address, *numbers = text.split()
        spelt.append(PublishedPort(protocol, ip_address(address), *map(int, numbers)))
    place = Endpoint(
        "e", "n", "c", "s", 0, "eth0", "veth", "",
        ipv4=IPv4Interface("10.1.0.2/24"), ipv6=IPv6Interface("fd00::2/64"), ports=tuple(spelt),
    )  # fmt: skip
    found: dict[str, dict[str, object]] = {}
    for key, content in publish.publish_elements(where, place, forwarding).items():
        assert isinstance(key, NftKey)
        found.setdefault(key.name, {})[key.element] = content
    return found


def test_a_port_on_every_address_is_led_from_loopback_and_from_neighbours() -> None:
    assert elements(["tcp 0.0.0.0 88 80"], network()) == {
        "ports": {'"lo" . tcp . 88': "10.1.0.2 . 80", '"br1" . tcp . 88': "10.1.0.2 . 80"}
    }


def test_a_port_on_loopback_is_led_from_the_host_only() -> None:
    assert elements(["udp 127.0.0.1 88 80"], network()) == {
        "address_ports": {'"lo" . 127.0.0.1 . udp . 88': "10.1.0.2 . 80"}
    }


def test_a_port_on_one_address_is_led_from_neighbours_only() -> None:
    assert elements(["sctp 192.0.2.1 88 80"], network()) == {
        "address_ports": {'"br1" . 192.0.2.1 . sctp . 88': "10.1.0.2 . 80"}
    }


def test_a_run_that_keeps_its_numbers_is_one_element() -> None:
    assert elements(["tcp 0.0.0.0 3000 3000 1000", "tcp 192.0.2.1 5000 5000 2"], network()) == {
        "runs": {
            '"lo" . 127.0.0.0/8 . tcp . 3000-3999': "10.1.0.2",
            '"br1" . 0.0.0.0/0 . tcp . 3000-3999': "10.1.0.2",
            '"br1" . 192.0.2.1 . tcp . 5000-5001': "10.1.0.2",
        }
    }


def test_a_run_that_shifts_its_numbers_is_an_element_for_each() -> None:
    found = elements(["tcp 0.0.0.0 3000 80 50"], network())
    assert found.keys() == {"ports"}
    assert found["ports"]['"lo" . tcp . 3049'] == "10.1.0.2 . 129"
    assert len(found["ports"]) == 100


def test_neighbours_that_may_not_talk_get_no_way_to_each_other() -> None:
    strict = network(**{ENABLE_ICC: "false"})
    assert elements(["tcp 0.0.0.0 88 80", "tcp 192.0.2.1 89 80"], strict) == {
        "ports": {'"lo" . tcp . 88': "10.1.0.2 . 80"}
    }
    assert not [key for key in policy.network_rules(strict) if isinstance(key, NftKey)]


def test_a_host_that_does_not_forward_gives_neighbours_no_way() -> None:
    assert elements(["tcp 0.0.0.0 88 80"], network(), forwarding=False) == {
        "ports": {'"lo" . tcp . 88': "10.1.0.2 . 80"}
    }


@pytest.mark.parametrize("port", ["tcp :: 88 80", "tcp ::1 88 80", "dccp 0.0.0.0 88 80"])
def test_what_the_kernel_cannot_lead_gets_no_element(port: str) -> None:
    assert elements([port], network()) == {}


def test_an_internal_network_publishes_nothing() -> None:
    assert elements(["tcp 0.0.0.0 88 80"], network(internal=True)) == {}


def test_a_network_hides_its_own_sources() -> None:
    keys = [key for key in policy.network_rules(network()) if isinstance(key, NftKey)]
    assert keys == [NftKey("networks", '"br1" . 10.1.0.0/24')]


def test_the_guard_of_the_loopback_is_part_of_the_base() -> None:
    assert NftKey("loopback", "127.0.0.0/8") in policy.base()
    assert not [key for key in policy.base(Family.IPV6) if isinstance(key, NftKey)]


@pytest.mark.parametrize(
    "name", ['x" drop', "br 1", "br+", "-j", "!eth0", "br1\nCOMMIT", "a" * 16, "..", "br/1"]
)
def test_a_name_that_could_change_a_rule_is_refused(name: str) -> None:
    hostile = Network("0" * 64, "net", "bridge", 0, 0, options={BRIDGE_NAME: name})
    with pytest.raises(InvalidParameter, match="cannot write firewall rules for the network net"):
        policy.network_rules(hostile)


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="cannot masquerade the network net"):
        policy.network_rules(network(**{HOST_IPV4: "1.2.3.4 -j ACCEPT"}))


def test_removals_come_before_additions() -> None:
    old, new = (
        NftKey("runs", '"lo" . 127.0.0.0/8 . tcp . 1-9'),
        NftKey("runs", '"lo" . 127.0.0.0/8 . tcp . 5-20'),
    )
    port = NftKey("ports", '"lo" . tcp . 88')
    steps = [
        Step(new, None, "10.1.0.2"),
        Step(port, "10.1.0.2 . 80", "10.1.0.3 . 80"),
        Step(old, "10.1.0.2", None),
    ]
    assert nft_text.commands(steps).splitlines() == [
        'delete element ip fairlead ports { "lo" . tcp . 88 }',
        'delete element ip fairlead runs { "lo" . 127.0.0.0/8 . tcp . 1-9 }',
        'add element ip fairlead runs { "lo" . 127.0.0.0/8 . tcp . 5-20 : 10.1.0.2 }',
        'add element ip fairlead ports { "lo" . tcp . 88 : 10.1.0.3 . 80 }',
    ]


LISTING = """table ip fairlead {
\tset loopback {
\t\ttype ipv4_addr
\t\tflags interval
\t\telements = { 127.0.0.0/8 }
\t}

\tmap ports {
\t\ttype ifname . inet_proto . inet_service : ipv4_addr . inet_service
\t\telements = { "lo" . tcp . 88 : 10.1.0.2 . 80,
\t\t\t     "br1" . tcp . 88 : 10.1.0.2 . 80 }
\t}

\tchain guard {
\t\ttype filter hook prerouting priority raw; policy accept;
\t\tiifname != "lo" ip daddr @loopback drop
\t}
}
"""


def test_a_listing_is_read() -> None:
    found = nft_text.parse(LISTING)
    assert found.elements == {
        NftKey("loopback", "127.0.0.0/8"): "",
        NftKey("ports", '"lo" . tcp . 88'): "10.1.0.2 . 80",
        NftKey("ports", '"br1" . tcp . 88'): "10.1.0.2 . 80",
    }
    assert found.tables["ip"].rules == {"guard": 1}
    assert not found.intact
    assert nft_text.parse("").elements == {}


def test_complaints_are_told_in_one_line() -> None:
    text = "Error: Could not process rule: File exists\nadd element ...\n      ^^^\n"
    assert nft_text.tidy_complaint(text) == "Could not process rule: File exists"
    assert nft_text.tidy_complaint("") == "it gives no reason"
