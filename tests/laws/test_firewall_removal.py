"""Laws of the firewall: links open one way, and what goes takes its rules along, in whatever order."""

from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fairlead.firewall import policy
from fairlead.firewall.matching import Packet
from fairlead.firewall.ruleset import Ruleset, edit, value
from fairlead.firewall.walk import Outcome, walk
from fairlead.model.endpoint import Opening
from fairlead.model.host import Key, NftKey, State
from fairlead.model.network import Network
from fairlead.planner.steps import absent, difference
from tests.laws.test_firewall_laws import (
    Place,
    World,
    foreign_host,
    fragments,
    hosts,
    some_foreign,
    steps_to,
    surroundings,
)

PORT = 8080


def without(ruleset: Ruleset, state: State) -> Ruleset:
    """The rule set after all of a state has been taken away, as the engine takes it away."""
    own: dict[Key, object] = {key: each for key, each in state.items() if not isinstance(key, NftKey)}
    observed = {key: value(ruleset, key) for key in own}
    return edit(ruleset, difference(absent(own), observed))[1]  # type: ignore[arg-type]


@given(hosts(), some_foreign, st.randoms())
@settings(max_examples=60, deadline=None)
def test_what_goes_takes_its_rules_along(
    host: tuple[list[Network], list[Place]], foreign: list[str], random: Random
) -> None:
    empty = foreign_host(foreign)
    base, *states = fragments(*host)
    based = edit(empty, steps_to(empty, base))[1]
    ruleset = based
    for state in states:
        ruleset = edit(ruleset, steps_to(ruleset, state))[1]
    random.shuffle(states)
    for state in states:
        ruleset = without(ruleset, state)
    assert ruleset == based
    ruleset = without(ruleset, base)
    assert all(ruleset.content(table) == empty.content(table) for table in ("filter", "nat"))


@given(hosts(), st.randoms())
@settings(max_examples=60, deadline=None)
def test_what_goes_changes_nothing_for_those_who_stay(
    host: tuple[list[Network], list[Place]], random: Random
) -> None:
    """The rules after a removal are those of a host on which it never was."""
    networks, places = host
    assume(places)
    gone = random.choice(places)
    rest = [place for place in places if place is not gone]
    # Two containers with one address, which leases rule out, would share a rule.
    assume(all(place.address != gone.address for place in rest))
    ruleset, never = foreign_host([]), foreign_host([])
    for state in fragments(networks, places):
        ruleset = edit(ruleset, steps_to(ruleset, state))[1]
    for state in fragments(networks, rest):
        never = edit(never, steps_to(never, state))[1]
    assert without(ruleset, fragments([], [gone])[1]) == never


@given(hosts(), st.integers(1, 65535), st.sampled_from(["tcp", "udp"]))
@settings(max_examples=60, deadline=None)
def test_a_link_opens_one_port_one_way(
    host: tuple[list[Network], list[Place]], other_port: int, protocol: str
) -> None:
    world = World(host)
    place = next((each for each in world.places if not each.network.icc and not each.network.internal), None)
    assume(place is not None and other_port != PORT)
    assert place is not None
    target, stranger = (IPv4Address(int(place.address) + each) for each in (50, 60))
    linked = replace(place.endpoint, openings=(Opening(target, PORT, protocol),))
    opened = policy.link_rules(place.network, linked)
    before = world.rules

    def reached(source: IPv4Address, destination: IPv4Address, port: int, source_port: int = 40000) -> bool:
        link = place.network.bridge_name
        packet = Packet(source, destination, protocol, port, source_port=source_port, link=link)
        verdict = walk(world.rules, packet, surroundings(world.networks))
        return verdict.outcome is Outcome.FORWARDED

    assert not reached(place.address, target, PORT)
    world.rules = edit(before, steps_to(before, opened))[1]
    assert reached(place.address, target, PORT)
    assert reached(target, place.address, 40000, source_port=PORT)  # the answer
    assert not reached(place.address, target, other_port)
    assert not reached(target, place.address, PORT)
    assert not reached(stranger, target, PORT)
    assert not reached(place.address, stranger, PORT)
    assert without(world.rules, opened) == before
