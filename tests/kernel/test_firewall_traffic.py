"""Real packets through the real rules: who reaches a published port, and which client it sees."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address

import pytest

from fairlead.firewall import nft_text
from fairlead.firewall.iptables_text import parse
from fairlead.firewall.matching import Packet
from fairlead.firewall.ruleset import Ruleset
from fairlead.firewall.walk import Outcome, Surroundings, interfaces, walk
from fairlead.model.host import NftKey, RuleKey
from fairlead.model.network import TRUSTED_LINKS
from tests.kernel.firewall_host import (
    NO,
    FirewallHost,
    ask,
    ask_one,
    bridge_network,
    endpoint,
    published,
    server,
)
from tests.kernel.virtual_host import Node, private_namespace, run

pytestmark = pytest.mark.kernel

DOCKER0 = bridge_network(1, "docker0", "172.17.0.0/16")
RED = bridge_network(2, "br-red", "10.10.0.0/24")
STRICT = bridge_network(3, "br-strict", "10.20.0.0/24", icc=False)


@pytest.fixture
def host() -> Iterator[FirewallHost]:
    with private_namespace():
        made = FirewallHost()
        try:
            yield made
        finally:
            made.close()


WEB = "web 80 saw 172.17.0.1"
BOUND = "web 81 saw 172.17.0.1"
TARGETS = (
    "tcp 127.0.0.1:88",
    "udp 127.0.0.1:88",
    "tcp 127.5.6.7:88",
    "tcp 172.17.0.1:88",
    "udp 172.17.0.1:88",
    "tcp 198.51.100.10:88",
    "udp 198.51.100.10:88",
    "tcp 198.51.100.10:89",
    "tcp 127.0.0.1:8080",
    "tcp 127.0.0.2:8080",
    "tcp 198.51.100.10:8080",
    "tcp 172.17.0.1:8080",
    "tcp 127.0.0.1:8081",
    "tcp 198.51.100.10:8081",
    "tcp 172.17.0.1:8081",
)


def column(*answers: str) -> dict[str, str]:
    return dict(zip(TARGETS, answers, strict=True))


HIDDEN = column(NO, NO, NO, WEB, WEB, WEB, WEB, NO, NO, NO, NO, NO, NO, BOUND, NO)
HOST_SEEN = "web 80 saw 198.51.100.10"
EXPECTED = {
    "host": column(
        *(WEB, WEB, WEB, WEB, WEB, HOST_SEEN, HOST_SEEN, NO, BOUND, NO, NO, NO, NO),
        *("web 81 saw 198.51.100.10", NO),
    ),
    # The LAN routes to the bridge's address by this host here, so it may use it.
    "lan": column(
        *(NO, NO, NO, *["web 80 saw 198.51.100.1"] * 4, NO, NO, NO, NO, NO, NO),
        *("web 81 saw 198.51.100.1", NO),
    ),
    "other": HIDDEN,
    "web": HIDDEN,
}


@pytest.mark.parametrize("br_netfilter", ["1", "0"])
def test_who_reaches_a_published_port(host: FirewallHost, br_netfilter: str) -> None:
    run(f"sysctl -qw net.bridge.bridge-nf-call-iptables={br_netfilter}")
    host.bridge(DOCKER0)
    web, other = host.container(DOCKER0, 2), host.container(DOCKER0, 3)
    web.serve(server("web", 80, 81))
    place = endpoint(
        DOCKER0,
        2,
        *[published(protocol, "0.0.0.0", 88, 80) for protocol in ("tcp", "udp")],
        published("tcp", "127.0.0.1", 8080, 81),
        published("tcp", "198.51.100.10", 8081, 81),
    )
    state = host.publish(DOCKER0, place)

    places = {"host": None, "lan": host.lan, "other": other, "web": web}
    assert {name: ask(where, *TARGETS) for name, where in places.items()} == EXPECTED

    host.apply(dict.fromkeys(state))
    for where in places.values():
        assert set(ask(where, "tcp 198.51.100.10:88", "udp 127.0.0.1:88").values()) == {NO}


def test_other_networks_and_networks_without_icc_are_left_to_the_relay(host: FirewallHost) -> None:
    host.bridge(DOCKER0)
    host.bridge(RED)
    host.bridge(STRICT)
    web, red, strict = host.container(DOCKER0, 2), host.container(RED, 2), host.container(STRICT, 2)
    neighbour = host.container(STRICT, 3)
    web.serve(server("web", 80))
    strict.serve(server("strict", 80))
    host.publish(DOCKER0, endpoint(DOCKER0, 2, published("tcp", "0.0.0.0", 88, 80)))
    host.publish(STRICT, endpoint(STRICT, 2, published("tcp", "0.0.0.0", 89, 80)))
    host.serve(server("relay", 88, 89))  # where the port holder will listen

    assert ask(red, "tcp 198.51.100.10:88", "tcp 172.17.0.1:88", "tcp 172.17.0.2:80") == {
        "tcp 198.51.100.10:88": "relay 88 saw 10.10.0.2",
        "tcp 172.17.0.1:88": "relay 88 saw 10.10.0.2",
        "tcp 172.17.0.2:80": NO,  # isolated
    }
    for each in (strict, neighbour):
        assert ask_one(each, "tcp 198.51.100.10:89").startswith("relay 89 saw 10.20.0.")
    assert ask_one(neighbour, "tcp 10.20.0.2:80") == NO
    assert ask_one(None, "tcp 127.0.0.1:89") == "strict 80 saw 10.20.0.1"
    assert ask_one(host.lan, "tcp 198.51.100.10:89") == "strict 80 saw 198.51.100.1"
    assert ask_one(host.lan, "tcp 198.51.100.10:88") == "web 80 saw 198.51.100.1"


def test_the_loopback_of_the_host_is_reached_from_the_host_only(host: FirewallHost) -> None:
    host.bridge(DOCKER0)
    web, attacker = host.container(DOCKER0, 2), host.container(DOCKER0, 3)
    web.serve(server("web", 80))
    host.publish(DOCKER0, endpoint(DOCKER0, 2, published("tcp", "127.0.0.1", 8080, 80)))
    host.serve(server("secret", 9000, address="127.0.0.1"))
    for node, gateway in ((attacker, "172.17.0.1"), (host.lan, "198.51.100.10")):
        node.run("ip route del local 127.0.0.0/8 table local; ip addr del 127.0.0.1/8 dev lo", check=False)
        node.run("sysctl -qw net.ipv4.conf.all.route_localnet=1")
        node.run(f"ip route add 127.0.0.0/8 via {gateway} dev eth0 src $(hostname -I | cut -d' ' -f1)")
    attacks = ("tcp 127.0.0.1:9000", "tcp 127.0.0.1:8080")
    assert ask(attacker, *attacks) == dict.fromkeys(attacks, NO)
    assert ask(host.lan, *attacks) == dict.fromkeys(attacks, NO)
    assert ask_one(None, "tcp 127.0.0.1:9000") == "secret 9000 saw 127.0.0.1"

    run("nft delete element ip fairlead loopback { 127.0.0.0/8 }")  # the attacks are real
    assert ask_one(attacker, "tcp 127.0.0.1:9000") == "secret 9000 saw 172.17.0.3"
    assert ask_one(host.lan, "tcp 127.0.0.1:8080") == "web 80 saw 198.51.100.1"


@pytest.mark.parametrize("outer", [3000, 5000])
def test_long_runs_lead_each_port_to_its_own(host: FirewallHost, outer: int) -> None:
    host.bridge(DOCKER0)
    web, other = host.container(DOCKER0, 2), host.container(DOCKER0, 3)
    web.serve(server("web", 3000, 3001, 3500, 3999, 4000))
    place = endpoint(DOCKER0, 2, *[published(each, "0.0.0.0", outer, 3000, 1000) for each in ("tcp", "udp")])
    state = host.publish(DOCKER0, place)
    for where, address in (
        (None, "127.0.0.1"),
        (None, "198.51.100.10"),
        (host.lan, "198.51.100.10"),
        (other, "198.51.100.10"),
        (web, "172.17.0.1"),
    ):
        expected = {
            f"{protocol} {address}:{outer + offset}": f"web {3000 + offset}"
            for protocol in ("tcp", "udp")
            for offset in (0, 1, 500, 999)
        }
        answers = ask(where, *expected, f"tcp {address}:{outer + 1000}")
        assert answers.pop(f"tcp {address}:{outer + 1000}") == NO
        assert {target: answer.partition(" saw")[0] for target, answer in answers.items()} == expected
    assert len([key for key in state if isinstance(key, RuleKey)]) == 6


def test_a_hairpin_teaches_the_container_no_wrong_way(host: FirewallHost) -> None:
    run("sysctl -qw net.bridge.bridge-nf-call-iptables=0")  # so that the host routes between bridge ports
    host.bridge(DOCKER0)
    web, other = host.container(DOCKER0, 2), host.container(DOCKER0, 3)
    web.serve(server("web", 80))
    host.serve(server("own", 9000))
    host.publish(DOCKER0, endpoint(DOCKER0, 2, published("tcp", "0.0.0.0", 88, 80)))
    for _ in range(5):
        assert ask_one(other, "tcp 198.51.100.10:88") == WEB
    assert ask_one(other, "tcp 198.51.100.10:9000") == "own 9000 saw 172.17.0.3"
    assert "172.17.0.2" not in other.run("ip route get 198.51.100.10; ip route show cache")


def test_a_rule_in_docker_user_still_decides(host: FirewallHost) -> None:
    host.bridge(DOCKER0)
    web = host.container(DOCKER0, 2)
    web.serve(server("web", 80))
    host.publish(DOCKER0, endpoint(DOCKER0, 2, published("tcp", "0.0.0.0", 88, 80)))
    run("iptables -I DOCKER-USER -i eth0 -s 198.51.100.1 -j DROP")
    assert ask_one(host.lan, "tcp 198.51.100.10:88") == NO
    host.bridge(RED)
    assert ask_one(host.lan, "tcp 198.51.100.10:88") == NO
    run("iptables -D DOCKER-USER -i eth0 -s 198.51.100.1 -j DROP")
    assert ask_one(host.lan, "tcp 198.51.100.10:88") == "web 80 saw 198.51.100.1"


# Connects and says what its side of the connection sends at most at once.
SEGMENT = """
import socket
with socket.create_connection(("{address}", {port}), 2) as s:
    s.recv(100)
    print(s.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
"""


def test_connections_with_the_world_agree_on_segments_that_fit_the_way(host: FirewallHost) -> None:
    host.bridge(DOCKER0)
    web, other = host.container(DOCKER0, 2), host.container(DOCKER0, 3)
    run("ip link set eth0 mtu 1400")  # as a VPN has it; the LAN's end and the container know nothing of it
    host.publish(DOCKER0, endpoint(DOCKER0, 2, published("tcp", "0.0.0.0", 88, 80)))
    web.serve(server("web", 80))
    host.lan.serve(server("world", 80))

    def segment(where: Node, address: str, port: int) -> int:
        return int(where.run(f"python3 -c '{SEGMENT.format(address=address, port=port)}'"))

    options = 20 + 20 + 12  # bytes of headers, time stamps included
    assert segment(web, "198.51.100.1", 80) == 1400 - options
    assert segment(host.lan, "198.51.100.10", 88) == 1400 - options
    assert segment(other, "172.17.0.2", 80) == 1500 - options


@pytest.mark.parametrize("trusted", ["eth0", "wg0"])
def test_a_trusted_link_reaches_published_ports_directly(host: FirewallHost, trusted: str) -> None:
    options = {**DOCKER0.options, TRUSTED_LINKS: f"tun7:{trusted}"}
    host.bridge(replace(DOCKER0, options=options))
    web = host.container(DOCKER0, 2)
    web.serve(server("web", 80, 81))
    host.publish(DOCKER0, endpoint(DOCKER0, 2, published("tcp", "127.0.0.1", 8080, 80)))
    answers = ask(host.lan, "tcp 172.17.0.2:80", "tcp 172.17.0.2:81")
    expected = "web 80 saw 198.51.100.1" if trusted == "eth0" else NO
    assert answers == {"tcp 172.17.0.2:80": expected, "tcp 172.17.0.2:81": NO}


# What the matrix sends from where: (link, source) of a packet as it comes to the host.
SENDERS = {
    "lan": ("eth0", "198.51.100.1"),
    "other": ("docker0", "172.17.0.3"),
    "web": ("docker0", "172.17.0.2"),
}


def told(rules: Ruleset, elements: dict[NftKey, str], sender: str, target: str) -> str:
    """What `walk` says a target answers, in the words of the server."""
    protocol, _, rest = target.partition(" ")
    address, _, port = rest.partition(":")
    # A process of the host speaks from the address it speaks to, when that is the host's own.
    link, source = SENDERS.get(sender, ("", address))
    packet = Packet(ip_address(source), ip_address(address), protocol, int(port), link=link)
    links = {
        "eth0": interfaces("198.51.100.10/24"),
        "eth1": interfaces("192.0.2.10/24"),
        "docker0": interfaces("172.17.0.1/16"),
    }
    verdict = walk(rules, packet, Surroundings(links, "eth0"), elements)
    assert verdict.unread == ()
    if verdict.outcome is not Outcome.FORWARDED or verdict.packet.destination != ip_address("172.17.0.2"):
        return NO
    return f"web {verdict.packet.port} saw {verdict.packet.source}"


def test_walk_tells_where_the_kernel_leads_a_packet(host: FirewallHost) -> None:
    run(
        "ip link add eth1 type veth peer name other1; ip addr add 192.0.2.10/24 dev eth1; ip link set eth1 up"
    )
    host.bridge(DOCKER0)
    web, other = host.container(DOCKER0, 2), host.container(DOCKER0, 3)
    web.serve(server("web", 80, 81, 3000, 3016, 82))
    place = endpoint(
        DOCKER0,
        2,
        published("tcp", "0.0.0.0", 88, 80),
        published("tcp", "127.0.0.1", 8080, 81),
        published("udp", "198.51.100.10", 8081, 81),
        published("tcp", "0.0.0.0", 3000, 3000, 17),
        published("udp", "0.0.0.0", 4000, 3000, 17),
        published("tcp", "192.0.2.10", 8082, 80),
    )
    host.publish(DOCKER0, place)
    run("iptables -I DOCKER-USER -s 198.51.100.0/24 -p tcp -m tcp --dport 3016 -j DROP")
    targets = [
        f"{protocol} {address}:{port}"
        for protocol in ("tcp", "udp")
        for address in ("127.0.0.1", "127.0.0.9", "172.17.0.1", "198.51.100.10")
        for port in (88, 8080, 8081, 3000, 3016, 3017, 4000, 4016, 4017, 80)
    ]
    targets += ["tcp 192.0.2.10:8082", "tcp 198.51.100.10:8082"]
    direct = [f"{protocol} 172.17.0.2:{port}" for protocol in ("tcp", "udp") for port in (80, 82, 3000)]
    rules = parse(run("iptables-save"))
    elements = nft_text.parse(run("nft list table ip fairlead; nft list table inet fairlead")).elements
    for sender, where in {"": None, "lan": host.lan, "other": other, "web": web}.items():
        # What goes to a machine's own loopback or to itself never comes to the host.
        asked = [target for target in targets if not sender or "127.0.0." not in target]
        asked += direct if sender == "lan" else []
        answers = ask(where, *asked)
        assert answers == {target: told(rules, elements, sender, target) for target in asked}, sender
        assert set(answers.values()) > {NO}
