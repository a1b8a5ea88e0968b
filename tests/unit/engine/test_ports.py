"""Which host ports a container gets."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from fairlead.engine.ports import (
    DYNAMIC_PORTS,
    Allocation,
    ChosenPortTaken,
    Turns,
    exposed_requests,
    merge,
    port_taken,
)
from fairlead.model.container import PortRequest
from fairlead.model.endpoint import PublishedPort
from fairlead.model.errors import Failed, PortTaken
from fairlead.model.records import Place
from tests.unit.engine.places import bridge, container, place

ANY4, ANY6, LOCAL = ip_address("0.0.0.0"), ip_address("::"), ip_address("127.0.0.1")


def nobody(place: Place) -> None:
    """Every port is free."""


def test_without_an_address_both_families_get_the_same_port() -> None:
    ports = Allocation(nobody, ANY4, Turns()).publish([PortRequest(80, "tcp", "", "88")], "web")
    assert ports == (PublishedPort("tcp", ANY4, 88, 80), PublishedPort("tcp", ANY6, 88, 80))


def test_a_named_address_gets_that_alone() -> None:
    ports = Allocation(nobody, ANY4, Turns()).publish([PortRequest(80, "tcp", "127.0.0.1", "88")], "web")
    assert ports == (PublishedPort("tcp", LOCAL, 88, 80),)


def test_addresses_of_an_ip_version_that_nothing_leads_from_are_left_out() -> None:
    wishes = ("", "::1", "127.0.0.1")
    requests = [PortRequest(80 + number, "tcp", each, "88") for number, each in enumerate(wishes)]
    ports = Allocation(nobody, ANY4, Turns(), versions={4}).publish(requests, "web")
    assert {(port.host_address, port.container_port) for port in ports} == {(ANY4, 80), (LOCAL, 82)}


def test_chosen_ports_follow_each_other_and_pass_what_is_held() -> None:
    held = {("tcp", ANY4, DYNAMIC_PORTS[0]): "other"}.get
    ports = Allocation(held, ANY4, Turns()).publish([PortRequest(80, "tcp"), PortRequest(81, "tcp")], "web")
    chosen = {port.container_port: port.host_port for port in ports}
    assert chosen == {81: DYNAMIC_PORTS[0] + 1, 80: DYNAMIC_PORTS[0] + 2}


def test_a_taken_port_names_its_holder() -> None:
    held = {("tcp", ANY4, 8080): "winner"}.get
    with pytest.raises(Failed, match="Bind for 0.0.0.0:8080 failed: port is already allocated: .*winner"):
        Allocation(held, ANY4, Turns()).publish([PortRequest(80, "tcp", "", "8080")], "loser")


def test_the_same_number_of_another_protocol_is_free() -> None:
    held = {("tcp", ANY4, 8080): "winner"}.get
    assert Allocation(held, ANY4, Turns()).publish([PortRequest(80, "udp", "", "8080")], "web")


def test_a_container_cannot_take_one_port_twice() -> None:
    requests = [PortRequest(80, "tcp", "", "8082"), PortRequest(81, "tcp", "", "8082")]
    with pytest.raises(Failed, match="port is already allocated"):
        Allocation(nobody, ANY4, Turns()).publish(requests, "twice")


def test_of_a_span_the_first_free_port_is_taken() -> None:
    held = {("tcp", LOCAL, 8000): "other"}.get
    ports = Allocation(held, ANY4, Turns()).publish([PortRequest(80, "tcp", "127.0.0.1", "8000-8002")], "web")
    assert ports[0].host_port == 8001


def test_a_thousand_neighbours_become_one_run() -> None:
    requests = [PortRequest(port, "tcp", "", str(port + 1000)) for port in range(3000, 4000)]
    ports = Allocation(nobody, ANY4, Turns()).publish(requests, "web")
    assert ports == (
        PublishedPort("tcp", ANY4, 4000, 3000, 1000),
        PublishedPort("tcp", ANY6, 4000, 3000, 1000),
    )


def test_what_does_not_follow_stays_apart() -> None:
    singles = [PublishedPort("tcp", ANY4, 80, 80), PublishedPort("tcp", ANY4, 82, 81)]
    assert merge(singles) == tuple(singles)


def test_an_image_may_expose_spans_and_nonsense() -> None:
    asked = [
        (each.container_port, each.protocol) for each in exposed_requests(["7-9/udp", "80", "x/tcp"], [])
    ]
    assert asked == [(7, "udp"), (8, "udp"), (9, "udp"), (80, "tcp")]


def test_publish_all_adds_what_is_exposed_and_not_named() -> None:
    named = [PortRequest(80, "tcp", "", "8080")]
    assert exposed_requests(["80/tcp", "81/tcp", "53/udp"], named) == [
        PortRequest(81, "tcp"),
        PortRequest(53, "udp"),
    ]


def test_what_was_freed_is_not_chosen_again_at_once() -> None:
    turns, wish = Turns(), PortRequest(80, "tcp", "", "8000-8002")
    chosen = [Allocation(nobody, ANY4, turns).publish([wish], "web")[0].host_port for _ in range(4)]
    assert chosen == [8000, 8001, 8002, 8000]


def test_each_address_and_protocol_has_a_turn_of_its_own() -> None:
    turns = Turns(range(40000, 40010))
    wishes = [PortRequest(80, "tcp"), PortRequest(80, "udp"), PortRequest(80, "tcp", "127.0.0.1")]
    chosen = [Allocation(nobody, ANY4, turns).publish([wish], "web")[0].host_port for wish in wishes]
    assert chosen == [40000, 40000, 40000]
    again = Allocation(nobody, ANY4, turns).publish([PortRequest(80, "tcp")], "web")
    assert {port.host_port for port in again} == {40001}


def test_the_last_free_port_is_found_and_then_there_is_none() -> None:
    held = {("tcp", LOCAL, port): "other" for port in (40000, 40001)}
    turns, wish = Turns(range(40000, 40003)), PortRequest(80, "tcp", "127.0.0.1")
    assert Allocation(held.get, ANY4, turns).publish([wish], "web")[0].host_port == 40002
    held["tcp", LOCAL, 40002] = "web"
    with pytest.raises(Failed, match="all ports are allocated"):
        Allocation(held.get, ANY4, turns).publish([wish], "late")


@pytest.mark.parametrize(
    ("wish", "again"), [("8010", False), ("8010-8012", False), ("", True), ("9000", True)]
)
def test_another_choice_is_worth_trying_unless_the_port_was_named(wish: str, again: bool) -> None:
    named = container("w")
    bindings = (PortRequest(80, "tcp", "", wish),)
    asked = replace(named, host_config=replace(named.host_config, port_bindings=bindings))
    taken = PortTaken("bind: address already in use", protocol="tcp", address="0.0.0.0", port=8010)
    error = port_taken(asked, place(named, bridge(), 2)[1], taken)
    assert isinstance(error, ChosenPortTaken) is again
    assert error.message.endswith("bind: address already in use")
