"""A packet is followed up to what decides, on a host that exists on paper only."""

from dataclasses import replace
from ipaddress import ip_address, ip_interface, ip_network

import pytest

from fairlead.explain.path import Question, explain
from fairlead.explain.scene import (
    Inside,
    LinkFacts,
    Listening,
    Membership,
    Party,
    Publication,
    RouteFacts,
    Scene,
)
from tests.fakes.rules import empty_host

WORLD = ip_address("203.0.113.10")
GATEWAY = ip_address("10.1.0.1")


def party(number: int, **different: object) -> Party:
    """A container at 10.1.0.NUMBER on br0; its link's other end is number 10 + NUMBER of the host."""
    address = ip_address(f"10.1.0.{number}")
    inside = Inside(
        {"eth0": LinkFacts(True, (ip_interface(f"{address}/24"),), 2, 10 + number)},
        (
            RouteFacts(ip_network("10.1.0.0/24"), "eth0"),
            RouteFacts(ip_network("0.0.0.0/0"), "eth0", GATEWAY),
        ),
        (Listening("tcp", ip_address("::"), 80),),
    )
    usual: dict[str, object] = {
        "name": f"box{number}",
        "running": True,
        "memberships": (Membership("blue", "br0", (address,)),),
        "inside": inside,
    }
    return Party(**(usual | different))  # type: ignore[arg-type]


def broken_inside(number: int, **different: object) -> Party:
    whole = party(number)
    assert whole.inside is not None
    return replace(whole, inside=replace(whole.inside, **different))  # type: ignore[arg-type]


def scene(*parties: Party, down: str = "", bridged: bool = True) -> Scene:
    links = {
        "eth0": LinkFacts(down != "eth0", (ip_interface("198.51.100.10/24"),), 2),
        "br0": LinkFacts(down != "br0", (ip_interface(f"{GATEWAY}/24"),), 3),
    }
    links |= {f"veth{each}": LinkFacts(down != f"veth{each}", (), 10 + each, 2, "br0") for each in (2, 3)}
    routes = (
        RouteFacts(ip_network("198.51.100.0/24"), "eth0"),
        RouteFacts(ip_network("10.1.0.0/24"), "br0"),
        RouteFacts(ip_network("0.0.0.0/0"), "eth0", ip_address("198.51.100.1")),
    )
    return Scene(Inside(links, routes), {4: empty_host()}, {}, parties, bridged)


def asked(where: Scene, port: int = 80) -> str:
    found = explain(where, Question(where.parties[0], where.parties[1], "tcp", port))
    return f"{'yes' if found.reaches else 'no'}: {found.sentence}"


def test_neighbours_reach_each_other() -> None:
    for bridged in (True, False):
        where = scene(party(2), party(3), bridged=bridged)
        assert asked(where) == "yes: It arrives at port 80/tcp of container box3, as 10.1.0.2."
        assert asked(where, 0) == "yes: It arrives at container box3, as 10.1.0.2."
        assert "nobody listens" in asked(where, 81)


@pytest.mark.parametrize(
    ("where", "says"),
    [
        (scene(party(2, running=False), party(3)), "Container box2 does not run."),
        (scene(party(2), party(3, running=False)), "Container box3 does not run."),
        (scene(party(2), party(3, memberships=())), "on no network"),
        (scene(party(2), party(3), down="br0"), "The link br0 of the host (network blue) is down."),
        (scene(party(2), party(3), down="veth2"), "The link veth2 of the host"),
        (scene(party(2), party(3), down="veth3"), "The link veth3 of the host"),
        (scene(broken_inside(2, links={}), party(3)), "no link eth0 in container box2"),
        (scene(broken_inside(2, routes=()), party(3)), "has no route to 10.1.0.3"),
        (scene(party(2), broken_inside(3, links={})), "has lost its address 10.1.0.3"),
        (scene(party(2), broken_inside(3, routes=())), "no route back to 10.1.0.2"),
        (
            scene(broken_inside(2, routes=(RouteFacts(ip_network("0.0.0.0/0"), "eth0", WORLD),)), party(3)),
            "nobody that the host knows, not the host",
        ),
    ],
)
def test_what_is_broken_is_named(where: Scene, says: str) -> None:
    answer = asked(where)
    assert answer.startswith("no: ")
    assert says in answer


def test_the_world_is_left_to() -> None:
    where = scene(party(2))
    found = explain(where, Question(where.parties[0], WORLD, "tcp", 443))
    assert found.reaches
    assert found.sentence == "It leaves the host by eth0, as 10.1.0.2."


def test_the_rule_that_drops_is_told() -> None:
    where = scene(party(2), party(3))
    where.rules[4].chains["filter", "FORWARD"].append("-i br0 -j DROP")
    assert asked(where) == "no: The host drops it, by filter FORWARD: -i br0 -j DROP."


@pytest.mark.parametrize("running", [True, False])
def test_what_is_published_elsewhere_is_told(running: bool) -> None:
    web = party(3, running=running, published=(Publication("tcp", ip_address("127.0.0.1"), 8080, 80),))
    host = ip_address("198.51.100.10")
    found = explain(scene(web), Question(ip_address("198.51.100.1"), host, "tcp", 8080))
    assert not found.reaches
    words = (
        "publishes port 8080/tcp on 127.0.0.1 only"
        if running
        else "container box3, which would, does not run"
    )
    assert words in found.sentence


def test_the_port_holder_carries_what_the_kernel_does_not() -> None:
    web = party(3, published=(Publication("tcp", ip_address("0.0.0.0"), 8080, 80),))
    where = scene(web)
    listening = (Listening("tcp", ip_address("0.0.0.0"), 8080),)
    where = replace(where, host=replace(where.host, listening=listening))
    found = explain(where, Question(None, ip_address("127.0.0.1"), "tcp", 8080))
    assert found.sentence == "The port holder carries it to port 80 of container box3."
