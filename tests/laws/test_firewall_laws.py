"""Laws of the firewall: edits on paper are the kernel's, they lead back, packets go where they should."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fairlead.firewall import guards, policy, publish
from fairlead.firewall.iptables_text import parse, script, show
from fairlead.firewall.matching import Packet
from fairlead.firewall.ruleset import HEADS, Ruleset, edit, value
from fairlead.firewall.walk import Outcome, Surroundings, Verdict, interfaces, walk
from fairlead.model.config import Settings
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.guards import Guard
from fairlead.model.host import Family, Key, NftKey, PolicyKey, RuleKey, Step, Value
from fairlead.model.network import BRIDGE_NAME, ENABLE_ICC, ENABLE_MASQUERADE, Network, Pool
from tests.fakes.rules import empty_host, restore

HOST, LAN, WORLD = IPv4Address("198.51.100.10"), IPv4Address("198.51.100.1"), IPv4Address("203.0.113.10")
SIDE, FAMILIES = IPv4Address("192.0.2.10"), (Family.IPV4, Family.IPV6)
FOREIGN = ["-i wg0 -j ACCEPT", "-s 192.0.2.0/24 -j DROP", '-m comment --comment "x y" -o wg1 -j ACCEPT']


@dataclass(frozen=True)
class Place:
    """A container on a network, and what it publishes."""

    network: Network
    endpoint: Endpoint

    @property
    def address(self) -> IPv4Address:
        assert self.endpoint.ipv4 is not None
        return self.endpoint.ipv4.ip


@st.composite
def networks(draw: st.DrawFn) -> list[Network]:
    found = []
    for number in range(draw(st.integers(1, 4))):
        options = {
            BRIDGE_NAME: f"br{number}",
            ENABLE_ICC: draw(st.sampled_from(["true", "true", "false"])),
            ENABLE_MASQUERADE: draw(st.sampled_from(["true", "true", "true", "false"])),
        }
        internal = draw(st.sampled_from([False, False, False, True]))
        pools = (Pool(IPv4Network(f"10.{number}.0.0/16")),)
        found.append(
            Network(
                f"{number:064x}",
                f"n{number}",
                "bridge",
                0,
                number,
                pools=pools,
                internal=internal,
                options=options,
            )
        )
    return found


@st.composite
def hosts(draw: st.DrawFn) -> tuple[list[Network], list[Place]]:
    """Networks, and containers that publish ports: every host port once, as the port holder sees to."""
    made = draw(networks())
    places, free = [], 1000
    for number in range(draw(st.integers(1, 4))):
        network = draw(st.sampled_from(made))
        ports = []
        for _ in range(draw(st.integers(0, 3))):
            count = draw(st.sampled_from([1, 1, 3, 16, 17, 40]))
            inner = draw(st.sampled_from([free, 80, 7000]))
            address = draw(st.sampled_from(["0.0.0.0", "127.0.0.1", str(HOST)]))
            protocol = draw(st.sampled_from(["tcp", "udp"]))
            ports.append(PublishedPort(protocol, IPv4Address(address), free, inner, count))
            free += count + draw(st.integers(0, 1))
        interface = IPv4Interface(f"{network.pools[0].subnet[number + 2]}/16")
        endpoint = Endpoint(
            *(f"{number}", network.id, "", "", number, "eth0", f"v{number}", f"02:42:0a:00:00:0{number}"),
            ipv4=interface,
            ports=tuple(ports),
        )
        places.append(Place(network, endpoint))
    return made, places


def steps_to(ruleset: Ruleset, state: dict[Key, Value]) -> list[Step]:
    own = {key: wanted for key, wanted in state.items() if not isinstance(key, NftKey)}
    return [
        Step(key, there, wanted) for key, wanted in own.items() if (there := value(ruleset, key)) != wanted
    ]


def fragments(made: Sequence[Network], places: Sequence[Place]) -> list[dict[Key, Value]]:
    found = [policy.base(), *(policy.network_rules(each) for each in made)]
    for place in places:
        rules = publish.publish_rules(place.network, place.endpoint)
        found.append({**rules, **publish.publish_elements(place.network, place.endpoint)})
    return found


def guarding(made: Sequence[Network], places: Sequence[Place], chosen: Settings) -> dict[NftKey, str]:
    """The elements of the guards that are on."""
    found: dict[Key, Value | None] = {}
    for network in made:
        found |= guards.network_guards(network, FAMILIES, chosen)
    for place in places:
        found |= guards.endpoint_guards(place.network, place.endpoint, chosen)
        found |= guards.bound_ports(place.network, place.endpoint, FAMILIES, chosen)
    return {key: str(on) for key, on in found.items() if isinstance(key, NftKey) and on is not None}


def foreign_host(chosen: Sequence[str]) -> Ruleset:
    host = empty_host()
    host.chains["filter", "FORWARD"] += chosen
    return host


some_foreign = st.lists(st.sampled_from(FOREIGN), max_size=3, unique=True)


@given(hosts(), some_foreign)
@settings(max_examples=60, deadline=None)
def test_edits_do_in_the_kernel_what_they_do_on_paper(
    host: tuple[list[Network], list[Place]], foreign: list[str]
) -> None:
    paper = foreign_host(foreign)
    kernel = paper.copy()
    for state in fragments(*host):
        edits, paper = edit(paper, steps_to(paper, state))
        restore(kernel, script(edits)[0])
        assert kernel == paper
        assert all(
            value(paper, key) == wanted for key, wanted in state.items() if not isinstance(key, NftKey)
        )
        assert steps_to(paper, state) == []
        assert (
            edit(
                paper,
                [Step(key, None, wanted) for key, wanted in state.items() if not isinstance(key, NftKey)],
            )[0]
            == ()
        )
    assert parse(show(paper)) == paper
    assert [rule for rule in paper.rules("filter", "FORWARD") if rule in foreign] == foreign
    assert tuple(paper.rules("filter", "FORWARD")[:2]) == HEADS["filter", "FORWARD"]


@given(hosts(), some_foreign)
@settings(max_examples=60, deadline=None)
def test_inverses_lead_back(host: tuple[list[Network], list[Place]], foreign: list[str]) -> None:
    ruleset = foreign_host(foreign)
    for state in fragments(*host):
        steps = steps_to(ruleset, state)
        after = edit(ruleset, steps)[1]
        assert edit(after, [step.inverse() for step in reversed(steps)])[1] == ruleset
        ruleset = after


@given(hosts(), some_foreign, st.randoms())
@settings(max_examples=60, deadline=None)
def test_edits_are_taken_back_to_the_very_place(
    host: tuple[list[Network], list[Place]], foreign: list[str], random: Random
) -> None:
    ruleset = foreign_host(foreign)
    states = fragments(*host)
    for state in states:
        ruleset = edit(ruleset, steps_to(ruleset, state))[1]
    # Others may have moved rules about, and written them twice.
    for rules in ruleset.chains.values():
        rules += random.sample(rules, k=min(len(rules), 2))
        random.shuffle(rules)
    wanted = {key: random.choice([value, None]) for state in states for key, value in state.items()}
    steps = [Step(key, None, each) for key, each in wanted.items() if isinstance(key, RuleKey)]
    edits, after = edit(ruleset, steps)
    kernel = restore(after.copy(), script([each.inverse() for each in reversed(edits)])[0])
    assert kernel == ruleset


@given(hosts(), some_foreign, st.randoms())
@settings(max_examples=60, deadline=None)
def test_the_users_chain_comes_first_whatever_others_insert(
    host: tuple[list[Network], list[Place]], foreign: list[str], random: Random
) -> None:
    base, *states = fragments(*host)
    ruleset = edit(foreign_host(foreign), steps_to(empty_host(), base))[1]
    for state in states:
        forward = ruleset.chains["filter", "FORWARD"]
        before = [text for text in forward if text in FOREIGN]
        if foreign:
            forward.insert(0, random.choice(foreign))
            before.insert(0, forward[0])
        edits, after = edit(ruleset, steps_to(ruleset, state))
        forward = after.rules("filter", "FORWARD")
        assert [text for text in forward if text in FOREIGN] == before
        if any(edit.table == "filter" and edit.line.startswith("-I FORWARD") for edit in edits):
            assert forward[:2] == list(HEADS["filter", "FORWARD"])
        ruleset = after


def surroundings(made: Sequence[Network]) -> Surroundings:
    links = {"eth0": interfaces(f"{HOST}/24"), "lo": interfaces("127.0.0.1/8")}
    links["eth1"] = interfaces(f"{SIDE}/24")
    for each in made:
        subnet = each.pools[0].subnet
        links[each.bridge_name] = interfaces(f"{subnet[1]}/{subnet.prefixlen}")
    return Surroundings(links, "eth0")


class World:
    """A host where everything is set up and forwarding is closed but for what the rules open."""

    def __init__(self, host: tuple[list[Network], list[Place]], *allowed: Guard) -> None:
        self.networks, self.places = host
        self.rules = empty_host()
        self.elements: dict[NftKey, str] = {}
        for state in fragments(*host):
            self.rules = edit(self.rules, steps_to(self.rules, state))[1]
            self.elements |= {key: str(content) for key, content in state.items() if isinstance(key, NftKey)}
        self.elements |= guarding(*host, Settings(allow=frozenset(allowed)))
        closed = Step(PolicyKey(Family.IPV4, "filter", "FORWARD"), "ACCEPT", "DROP")
        self.rules = edit(self.rules, [closed])[1]

    def send(
        self,
        source: IPv4Address,
        link: str,
        destination: IPv4Address,
        port: int,
        protocol: str = "tcp",
        behind: str = "",
    ) -> Verdict:
        packet = Packet(source, destination, protocol, port, link=link, bridge_port=behind)
        return walk(self.rules, packet, surroundings(self.networks), self.elements)

    def published(self) -> list[tuple[Place, PublishedPort]]:
        return [
            (place, port)
            for place in self.places
            for port in place.endpoint.ports
            if not place.network.internal
        ]


worlds = hosts().map(World)


@given(worlds, st.integers(1, 65535), st.sampled_from(["tcp", "udp"]))
@settings(max_examples=80, deadline=None)
def test_networks_are_isolated(world: World, port: int, protocol: str) -> None:
    for one in world.places:
        for other in world.places:
            if one.network != other.network:
                verdict = world.send(one.address, one.network.bridge_name, other.address, port, protocol)
                assert verdict.outcome is Outcome.DROPPED


@given(worlds)
@settings(max_examples=80, deadline=None)
def test_neighbours_talk_where_they_may(world: World) -> None:
    for place in world.places:
        neighbour = place.network.pools[0].subnet[200]
        assert isinstance(neighbour, IPv4Address)
        verdict = world.send(neighbour, place.network.bridge_name, place.address, 4321)
        assert (verdict.outcome is Outcome.FORWARDED) == place.network.icc
        assert verdict.packet.source == neighbour


@given(worlds, st.integers(0, 39))
@settings(max_examples=80, deadline=None)
def test_the_lan_reaches_what_is_published_to_it(world: World, offset: int) -> None:
    for place, port in world.published():
        if port.host_address.is_loopback:
            continue
        shift = offset % port.count
        verdict = world.send(LAN, "eth0", HOST, port.host_port + shift, port.protocol)
        assert (verdict.outcome, verdict.link) == (Outcome.FORWARDED, place.network.bridge_name)
        assert (verdict.packet.destination, verdict.packet.port) == (
            place.address,
            port.container_port + shift,
        )
        assert verdict.packet.source == LAN


@given(worlds, st.integers(1, 65535))
@settings(max_examples=80, deadline=None)
def test_the_lan_reaches_nothing_else(world: World, number: int) -> None:
    ports = [port for _, port in world.published()]
    assume(not any(port.host_port <= number < port.host_port + port.count for port in ports))
    assert world.send(LAN, "eth0", HOST, number).outcome is Outcome.DELIVERED
    assert world.send(LAN, "eth0", IPv4Address("127.0.0.1"), number).outcome is Outcome.DROPPED
    for place, port in world.published():
        assert world.send(LAN, "eth0", IPv4Address("127.0.0.1"), port.host_port).outcome is Outcome.DROPPED
        if port.host_address.is_loopback:
            assert world.send(LAN, "eth0", HOST, port.host_port, port.protocol).outcome is Outcome.DELIVERED
        for inner in (number, port.container_port):
            verdict = world.send(LAN, "eth0", place.address, inner, port.protocol)
            assert verdict.outcome is Outcome.DROPPED


@given(worlds, st.integers(0, 39))
@settings(max_examples=80, deadline=None)
def test_the_host_reaches_ports_by_its_loopback_as_the_bridge(world: World, offset: int) -> None:
    loopback = IPv4Address("127.0.0.1")
    for place, port in world.published():
        shift = offset % port.count
        verdict = world.send(loopback, "", loopback, port.host_port + shift, port.protocol)
        if port.host_address == HOST:
            assert verdict.outcome is Outcome.DELIVERED
            continue
        assert (verdict.outcome, verdict.link) == (Outcome.FORWARDED, place.network.bridge_name)
        assert (verdict.packet.destination, verdict.packet.port) == (
            place.address,
            port.container_port + shift,
        )
        assert verdict.packet.source == place.network.pools[0].subnet[1]


@given(worlds, st.integers(0, 39))
@settings(max_examples=80, deadline=None)
def test_containers_use_published_ports_by_the_kernel_or_by_the_relay(world: World, offset: int) -> None:
    for place, port in world.published():
        if port.host_address.is_loopback:
            continue
        number = port.host_port + offset % port.count
        for network in world.networks:
            source = network.pools[0].subnet[200]
            assert isinstance(source, IPv4Address)
            verdict = world.send(source, network.bridge_name, HOST, number, port.protocol)
            if network == place.network and network.icc:
                assert (verdict.outcome, verdict.packet.destination) == (Outcome.FORWARDED, place.address)
                assert verdict.packet.source == network.pools[0].subnet[1]
            elif network.masquerade and not network.internal:
                assert verdict.outcome is Outcome.DELIVERED


@given(worlds)
@settings(max_examples=80, deadline=None)
def test_only_internal_networks_are_kept_in(world: World) -> None:
    for place in world.places:
        verdict = world.send(place.address, place.network.bridge_name, WORLD, 443)
        if place.network.internal:
            assert verdict.outcome is Outcome.DROPPED
            assert world.send(WORLD, "eth0", place.address, 443).outcome is Outcome.DROPPED
        else:
            assert (verdict.outcome, verdict.link) == (Outcome.FORWARDED, "eth0")
            assert verdict.packet.source == (HOST if place.network.masquerade else place.address)


@given(hosts(), st.integers(0, 39))
@settings(max_examples=30, deadline=None)
def test_a_port_on_one_address_is_reached_by_its_link(
    host: tuple[list[Network], list[Place]], offset: int
) -> None:
    world, open_world = World(host), World(host, Guard.WEAK_HOST)
    for place, port in world.published():
        if port.host_address != HOST:
            continue
        asked = (HOST, port.host_port + offset % port.count, port.protocol)
        assert world.send(LAN, "eth0", *asked).packet.destination == place.address
        assert world.send(SIDE + 1, "eth1", *asked).outcome is Outcome.DROPPED
        assert open_world.send(SIDE + 1, "eth1", *asked).packet.destination == place.address


@given(hosts())
@settings(max_examples=30, deadline=None)
def test_what_is_published_is_routed_to_directly_only_where_that_is_allowed(
    host: tuple[list[Network], list[Place]],
) -> None:
    open_world = World(host, Guard.DIRECT_ROUTING)
    for place, port in open_world.published():
        verdict = open_world.send(LAN, "eth0", place.address, port.container_port, port.protocol)
        assert (verdict.outcome, verdict.link) == (Outcome.FORWARDED, place.network.bridge_name)


@given(hosts())
@settings(max_examples=30, deadline=None)
def test_a_container_sends_in_its_own_name_only(host: tuple[list[Network], list[Place]]) -> None:
    world, open_world = World(host), World(host, Guard.SPOOFING)
    for place in world.places:
        if place.network.internal:
            continue
        link, behind = place.network.bridge_name, place.endpoint.host_interface
        assert world.send(place.address, link, WORLD, 443, behind=behind).outcome is Outcome.FORWARDED
        for claimed in (place.network.pools[0].subnet[1], place.address + 1, WORLD):
            assert isinstance(claimed, IPv4Address)
            assert world.send(claimed, link, WORLD, 443, behind=behind).outcome is Outcome.DROPPED
            assert open_world.send(claimed, link, WORLD, 443, behind=behind).outcome is not Outcome.DROPPED
