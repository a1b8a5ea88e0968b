"""Who attacks, from a container or from the LAN, gets nowhere; with the guard switched off, the same succeeds.

Every attack is sent a hundred times and carries its mark; it succeeds as often as its mark is
heard where it should never arrive.  All attacks are made in one go, in each state of the daemon.
"""

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from scapy.layers.inet import IP, TCP, UDP
from scapy.layers.inet6 import (
    ICMPv6ND_NA,
    ICMPv6ND_NS,
    ICMPv6ND_RA,
    ICMPv6ND_Redirect,
    ICMPv6NDOptDstLLAddr,
    ICMPv6NDOptSrcLLAddr,
    IPv6,
    IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether
from scapy.packet import Packet, Raw

from fairlead.lab import addresses
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.model.addresses import link_local_from_mac
from fairlead.model.guards import Guard
from tests.engine.wire import Wire, entered, namespace

pytestmark = pytest.mark.engine

TRIES = 100
EVERYBODY = "ff:ff:ff:ff:ff:ff"
ALL_NODES, ALL_NODES_MAC = "ff02::1", "33:33:00:00:00:01"
SIDE = "192.0.2.1"  # an address of the host on another link than the LAN's
LAN = addresses.GATEWAY
PATIENCE, LONGEST = 0.4, 10.0  # seconds until what was sent has arrived

SET_UP = f"""
ip link add side type veth peer name nobody; ip address add {SIDE}/24 dev side; ip link set side up
ip link set nobody up
docker network create --ipv6 --subnet 10.1.0.0/24 --subnet fd00:1::/64 blue
docker network create --subnet 10.2.0.0/24 -o com.docker.network.bridge.enable_icc=false strict
docker network create --subnet 10.3.0.0/24 red
docker network create --subnet 10.4.0.0/24 --internal inner
docker run -d --name victim --network blue --ip 10.1.0.2 --ip6 fd00:1::2 -p 127.0.0.1:8080:80 -p {SIDE}:8081:80 -p 8082:80 web
docker run -d --name thief --network blue --ip 10.1.0.3 --ip6 fd00:1::3 busybox sleep 1000
docker run -d --name quiet --network strict --ip 10.2.0.2 web
docker run -d --name loud --network strict --ip 10.2.0.3 busybox sleep 1000
docker run -d --name other --network red --ip 10.3.0.3 busybox sleep 1000
docker run -d --name inside --network inner --ip 10.4.0.3 busybox sleep 1000
iptables -P FORWARD ACCEPT; ip6tables -P FORWARD ACCEPT
"""
# What no switch of the engine takes away is taken away by hand.
BARE = "nft delete element ip fairlead loopback { 127.0.0.0/8 }; iptables -I DOCKER-USER -j ACCEPT"


Frames = Callable[[bytes], Packet | list[Packet]]


@dataclass(frozen=True)
class Attack:
    """What is sent, who sends it, and who must not hear its mark."""

    name: str
    attacker: str
    victim: str
    frames: Frames

    @property
    def mark(self) -> bytes:
        return f"<{self.name}>".ljust(32, ".").encode()


class Scene:
    """The containers, the LAN and the host's loopback, with an ear at each."""

    def __init__(self, lab: Lab, host: Host) -> None:
        self.host, self.lab = host, lab
        names = ("victim", "thief", "quiet", "loud", "other", "inside")
        self.wires = {name: Wire(namespace(host, name), "eth0") for name in names}
        self.wires["lan"] = Wire(namespace(lab.outside), "lan")
        # The lan is a bridge: what it hears comes from the hosts, what is sent there goes to them.
        self.mac = {name: wire.mac for name, wire in self.wires.items()}
        self.mac |= {"host": addresses.host_mac(1)}
        for name, network in (("blue", "blue"), ("strict", "strict"), ("red", "red")):
            bridge = host.run(f"docker network inspect -f '{{{{.Id}}}}' {network}", check=True).stdout[:12]
            self.mac[name] = host.run(f"cat /sys/class/net/br-{bridge}/address", check=True).stdout.strip()
        with entered(namespace(host)):
            self.loopback = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.loopback.setsockopt(socket.SOL_SOCKET, 33, 1 << 20)
            self.loopback.bind(("127.0.0.1", 9000))
        self.loopback.setblocking(False)

    def close(self) -> None:
        self.loopback.close()
        for wire in self.wires.values():
            wire.close()

    def heard(self) -> dict[str, list[bytes]]:
        heard = {name: wire.heard() for name, wire in self.wires.items()}
        heard["loopback"] = []
        with contextlib.suppress(BlockingIOError):
            while True:
                heard["loopback"].append(self.loopback.recv(2048))
        return heard

    def run(self, attacks: list[Attack]) -> dict[str, int]:
        """How often each attack succeeded."""
        self.heard()
        for each in attacks:
            made = each.frames(each.mark)
            once = [bytes(frame) for frame in (made if isinstance(made, list) else [made])]
            self.wires[each.attacker].send(once * TRIES)
        for asker, label in (("inside", b"inner-query"), ("thief", b"outer-query")):
            self._ask(asker, label)
        heard: dict[str, list[bytes]] = {}
        limit = time.monotonic() + LONGEST
        while True:
            time.sleep(PATIENCE)
            for name, frames in self.heard().items():
                heard.setdefault(name, []).extend(frames)
            # What is asked for last, and honestly, has arrived: so has all the rest.
            if any(b"outer-query" in frame for frame in heard["lan"]) or time.monotonic() > limit:
                break
        counts = {each.name: sum(each.mark in frame for frame in heard[each.victim]) for each in attacks}
        for label in (b"inner-query", b"outer-query"):
            counts[label.decode()] = len({f for f in heard["lan"] if label in f})
        return counts

    def _ask(self, container: str, label: bytes) -> None:
        """Ask the container's resolver for as many names of the world outside."""
        with entered(namespace(self.host, container)):
            asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with asking:
            for number in range(TRIES):
                name = bytes([len(label)]) + label + b"\x03%03d" % number + b"\x07example\x00"
                question = number.to_bytes(2, "big") + bytes.fromhex("01000001000000000000") + name
                asking.sendto(question + b"\x00\x01\x00\x01", ("127.0.0.11", 53))


def option(mark: bytes) -> Raw:
    """A mark as an option of neighbour discovery that nobody knows."""
    return Raw(bytes([253, (len(mark) + 8) // 8]) + bytes(6) + mark)


def attacks(scene: Scene) -> list[Attack]:
    mac = scene.mac

    def lan(destination: str, port: int) -> Frames:
        return lambda mark: (
            Ether(src=mac["lan"], dst=mac["host"])
            / IP(src=LAN, dst=destination)
            / TCP(sport=20000, dport=port)
            / mark
        )

    def lan6(destination: str, port: int) -> Frames:
        return lambda mark: (
            Ether(src=mac["lan"], dst=mac["host"])
            / IPv6(src=addresses.GATEWAY_IPV6, dst=destination)
            / TCP(sport=20000, dport=port)
            / mark
        )

    def udp(
        attacker: str, to: str, destination: str, source: str, port: int = 9000, sender: str = ""
    ) -> Frames:
        ip = IPv6(src=source, dst=destination) if ":" in source else IP(src=source, dst=destination)
        ether = Ether(src=sender or mac[attacker], dst=mac.get(to, to))
        return lambda mark: ether / ip / UDP(sport=20000, dport=port) / mark

    def arp(claimed: str, sender: str = "", to: str = EVERYBODY, kind: int = 2) -> Frames:
        return lambda mark: (
            Ether(src=mac["thief"], dst=to)
            / ARP(op=kind, hwsrc=sender or mac["thief"], psrc=claimed, hwdst=to, pdst="10.1.0.2")
            / Raw(mark)
        )

    def nd(body: Packet, source: str = "fd00:1::3", more: Packet | None = None) -> Frames:
        link = Ether(src=mac["thief"], dst=ALL_NODES_MAC)
        start = link / more if more is not None else link
        return lambda mark: start / IPv6(src=source, dst=ALL_NODES, hlim=255) / body / option(mark)

    own = str(link_local_from_mac(mac["thief"]))
    router = str(link_local_from_mac(mac["blue"]))
    neighbour = str(link_local_from_mac(mac["victim"]))

    def advertised(address: str) -> Packet:
        return ICMPv6ND_NA(tgt=address, R=0, S=0, O=1) / ICMPv6NDOptDstLLAddr(lladdr=mac["thief"])

    def fragments(mark: bytes) -> list[Packet]:
        """A router advertisement behind a header that fills the first fragment: it shows in the second."""
        hidden = bytes(IPv6(src=own, dst=ALL_NODES, hlim=255) / ICMPv6ND_RA(routerlifetime=1800))[40:]
        header = bytes([58, 4, 0x1E, 36]) + mark + bytes(4)
        return [
            Ether(src=mac["thief"], dst=ALL_NODES_MAC)
            / IPv6(src=own, dst=ALL_NODES, hlim=hops)
            / IPv6ExtHdrFragment(nh=60, offset=offset, m=more)
            / Raw(content)
            for hops, offset, more, content in ((255, 0, 1, header), (64, 5, 0, hidden))
        ]

    advertisement = ICMPv6ND_RA(routerlifetime=1800)
    redirect = ICMPv6ND_Redirect(tgt=own, dst="2001:db8:113::10")
    return [
        # From the LAN, with every packet straight to the host.
        Attack("direct: a published port", "lan", "victim", lan("10.1.0.2", 80)),
        Attack("direct: an unpublished port", "lan", "victim", lan("10.1.0.2", 81)),
        Attack("direct: without icc", "lan", "quiet", lan("10.2.0.2", 80)),
        Attack("direct: by IPv6", "lan", "victim", lan6("fd00:1::2", 80)),
        Attack("published on loopback", "lan", "victim", lan("127.0.0.1", 8080)),
        Attack("published elsewhere", "lan", "victim", lan(SIDE, 8081)),
        # From a container, beyond its network.
        Attack("another network", "other", "victim", udp("other", "red", "10.1.0.2", "10.3.0.3")),
        Attack("loopback of the host", "thief", "loopback", udp("thief", "blue", "127.0.0.1", "10.1.0.3")),
        # From a container to neighbours that it may not talk to.
        Attack("icc: a packet", "loud", "quiet", udp("loud", "quiet", "10.2.0.2", "10.2.0.3")),
        Attack("icc: by the gateway", "loud", "quiet", udp("loud", "strict", "10.2.0.2", "10.2.0.3")),
        Attack("icc: for everybody", "loud", "quiet", udp("loud", EVERYBODY, "10.2.0.255", "10.2.0.3")),
        Attack("icc: as the gateway", "loud", "quiet", udp("loud", "quiet", "10.2.0.2", "10.2.0.1")),
        Attack(
            "icc: some frame", "loud", "quiet",
            lambda mark: Ether(src=mac["loud"], dst=mac["quiet"], type=0x88B5) / Raw(mark),
        ),
        # From a container to its neighbours, in another's name.
        Attack("router advertisement", "thief", "victim", nd(advertisement, own)),
        Attack("tagged router advertisement", "thief", "victim", nd(advertisement, own, Dot1Q(vlan=0))),
        Attack(
            "advertisement behind options", "thief", "victim",
            nd(IPv6ExtHdrDestOpt() / advertisement, own),
        ),
        Attack("redirect", "thief", "victim", nd(redirect, own)),
        Attack("ARP: the gateway", "thief", "victim", arp("10.1.0.1")),
        Attack("ARP: a neighbour", "thief", "victim", arp("10.1.0.4", to=mac["victim"])),
        Attack("ARP: asking as the gateway", "thief", "victim", arp("10.1.0.1", kind=1)),
        Attack("ARP: with a foreign MAC", "thief", "victim", arp("10.1.0.3", sender="02:42:0a:01:00:09")),
        Attack("ND: the gateway", "thief", "victim", nd(advertised("fd00:1::1"))),
        Attack("ND: the gateway's own", "thief", "victim", nd(advertised(router))),
        Attack("ND: a neighbour", "thief", "victim", nd(advertised("fd00:1::4"))),
        Attack("ND: as the gateway", "thief", "victim", nd(advertised("fd00:1::1"), router)),
        Attack("ND: behind options", "thief", "victim", nd(IPv6ExtHdrDestOpt() / advertised("fd00:1::1"))),
        Attack("ND: tagged", "thief", "victim", nd(advertised("fd00:1::1"), more=Dot1Q(vlan=0))),
        Attack(
            "ND: asking as the gateway", "thief", "victim",
            nd(ICMPv6ND_NS(tgt="fd00:1::2") / ICMPv6NDOptSrcLLAddr(lladdr=mac["thief"]), "fd00:1::1"),
        ),
        Attack("ND: this address is mine", "thief", "victim", nd(ICMPv6ND_NS(tgt="fd00:1::2"), "::")),
        Attack(
            "spanning tree",
            "thief",
            "victim",
            lambda mark: Ether(src=mac["thief"], dst="01:80:c2:00:00:00", type=64) / Raw(b"\x42\x42\x03" + mark),
        ),
        Attack("foreign MAC", "thief", "victim", udp("thief", "victim", "10.1.0.2", "10.1.0.3", sender=mac["blue"])),
        Attack("foreign IPv4 address", "thief", "victim", udp("thief", "victim", "10.1.0.2", "10.1.0.1")),
        Attack("an address of the world", "thief", "lan", udp("thief", "blue", LAN, "203.0.113.77")),
        Attack("no address", "thief", "victim", udp("thief", "victim", "10.1.0.2", "0.0.0.0")),
        Attack("foreign IPv6 address", "thief", "victim", udp("thief", "victim", "fd00:1::2", "fd00:1::1")),
        Attack("foreign local address", "thief", "victim", udp("thief", "victim", neighbour, router)),
        Attack("in fragments", "thief", "victim", fragments),
    ]  # fmt: skip


@pytest.fixture(scope="module")
def scene(lab: Lab, host: Host) -> Iterator[Scene]:
    host.run(f"set -e; {SET_UP}", check=True)
    made = Scene(lab, host)
    yield made
    made.close()


def bring(scene: Scene, state: str) -> None:
    """The host in a state of its daemon; with or without br_netfilter, which no guard may need."""
    host, netfilter = scene.host, "1"
    if state == "restarted":
        host.stop_engine()
        host.start_engine()
        netfilter = "0"
    elif state == "dead":
        host.kill_engine()
    elif state == "killed":
        host.start_engine()
    elif state == "closed again":
        host.stop_engine()
        # Connections that were made while it was allowed live on.
        host.run("iptables -D DOCKER-USER -j ACCEPT; conntrack -F", check=True)
        host.start_engine()
    elif state == "allowed":
        host.stop_engine()
        # What opens the host here by hand, the daemon would close again.
        host.start_engine("--repair=false", *(f"--allow={guard}" for guard in Guard))
        host.run(BARE, check=True)
        netfilter = "0"
    settings = " ".join(f"net.bridge.bridge-nf-call-{tool}={netfilter}" for tool in ("iptables", "ip6tables"))
    host.run(f"sysctl -qw {settings}", check=True)


@pytest.mark.parametrize("state", ["fresh", "restarted", "dead", "killed"])
def test_no_attack_succeeds(scene: Scene, state: str) -> None:
    bring(scene, state)
    counts = scene.run(attacks(scene))
    assert counts.pop("outer-query") > 0
    assert {name: count for name, count in counts.items() if count} == {}


HONEST = {
    "ping": "docker exec thief ping -c 2 -i 0.2 -W 2 victim",
    "ping6": "docker exec thief ping -6 -c 2 -i 0.2 -W 2 victim",
    "large ping6 in fragments": "docker exec thief ping -6 -c 1 -s 5000 -W 2 fd00:1::2",
    "TCP": "docker exec thief wget -O - http://victim/",
    "TCP by IPv6": "docker exec thief wget -O - 'http://[fd00:1::2]/'",
    "UDP": "docker exec thief nslookup -timeout=2 www.example.com 198.51.100.1",
    "DNS": "docker exec thief nslookup -timeout=2 victim",
    "its own name for ARP": "docker exec thief arping -U -c 1 -w 1 -I eth0 10.1.0.3; true",
    "is an address free": "docker exec thief arping -D -c 1 -w 1 -I eth0 10.1.0.99",
    "the world": "docker exec thief ping -c 1 -W 2 203.0.113.10",
    "the world by IPv6": "docker exec thief ping -6 -c 1 -W 2 2001:db8:113::10",
    "a published port from the host": "curl -sSf -m 2 http://127.0.0.1:8080/",
    "a published port on another link": f"curl -sSf -m 2 http://{SIDE}:8081/",
    "the gateway": "docker exec thief ping -c 1 -W 2 10.1.0.1",
    "both of its networks": "docker network connect red thief; docker exec thief ping -c 1 -W 2 10.3.0.3;"
    " docker exec thief ping -c 1 -W 2 -I 10.1.0.3 10.3.0.1; docker network disconnect red thief",
    "by a way that icc leaves open": "docker exec loud ping -c 1 -W 2 10.2.0.1",
}


def dropped(host: Host) -> dict[str, int]:
    """What the guards have dropped so far."""
    listing = host.run("nft list counters", check=True).stdout
    return {name: int(count) for name, count in re.findall(r"counter (\w+) \{\s+packets (\d+)", listing)}


def test_honest_traffic_is_unhurt(scene: Scene) -> None:
    scene.host.stop_engine()
    scene.host.start_engine()
    before = dropped(scene.host)
    results = {name: scene.host.run(command) for name, command in HONEST.items()}
    assert {name: result.stdout + result.stderr for name, result in results.items() if not result.ok} == {}
    assert dropped(scene.host) == before
    outside = scene.lab.outside.run(f"curl -sSf -m 2 http://{scene.host.address}:8082/")
    assert "It works" in outside.stdout


def test_what_was_dropped_is_counted(scene: Scene) -> None:
    before = dropped(scene.host)
    scene.run(attacks(scene))
    after = dropped(scene.host)
    counters = {"loopback", "direct_routing", "weak_host", "spoofing", "router_advertisements"}
    assert {name for name in counters if after[name] == before[name]} == set()


def test_every_attack_succeeds_where_it_is_allowed(scene: Scene) -> None:
    bring(scene, "allowed")
    counts = scene.run(attacks(scene))
    assert counts.pop("inner-query") == 0
    assert {name: count for name, count in counts.items() if count < TRIES // 2} == {}


def test_what_was_allowed_is_closed_again(scene: Scene) -> None:
    bring(scene, "closed again")
    counts = scene.run(attacks(scene))
    assert counts.pop("outer-query") > 0
    assert {name: count for name, count in counts.items() if count} == {}
