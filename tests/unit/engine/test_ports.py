"""Which host ports a container gets."""

from ipaddress import ip_address

import pytest

from fairlead.engine.ports import FIRST_CHOSEN, Allocation, exposed_requests, merge
from fairlead.model.container import PortRequest
from fairlead.model.endpoint import PublishedPort
from fairlead.model.errors import Failed
from fairlead.model.records import Place

ANY4, ANY6, LOCAL = ip_address("0.0.0.0"), ip_address("::"), ip_address("127.0.0.1")


def nobody(place: Place) -> None:
    """Every port is free."""


def test_without_an_address_both_families_get_the_same_port() -> None:
    ports = Allocation(nobody, ANY4).publish([PortRequest(80, "tcp", "", "88")], "web")
    assert ports == (PublishedPort("tcp", ANY4, 88, 80), PublishedPort("tcp", ANY6, 88, 80))


def test_a_named_address_gets_that_alone() -> None:
    ports = Allocation(nobody, ANY4).publish([PortRequest(80, "tcp", "127.0.0.1", "88")], "web")
    assert ports == (PublishedPort("tcp", LOCAL, 88, 80),)


def test_addresses_of_an_ip_version_that_nothing_leads_from_are_left_out() -> None:
    wishes = ("", "::1", "127.0.0.1")
    requests = [PortRequest(80 + number, "tcp", each, "88") for number, each in enumerate(wishes)]
    ports = Allocation(nobody, ANY4, versions={4}).publish(requests, "web")
    assert {(port.host_address, port.container_port) for port in ports} == {(ANY4, 80), (LOCAL, 82)}


def test_chosen_ports_follow_each_other_and_pass_what_is_held() -> None:
    held = {("tcp", ANY4, FIRST_CHOSEN): "other"}.get
    ports = Allocation(held, ANY4).publish([PortRequest(80, "tcp"), PortRequest(81, "tcp")], "web")
    chosen = {port.container_port: port.host_port for port in ports}
    assert chosen == {81: FIRST_CHOSEN + 1, 80: FIRST_CHOSEN + 2}


def test_a_taken_port_names_its_holder() -> None:
    held = {("tcp", ANY4, 8080): "winner"}.get
    with pytest.raises(Failed, match="Bind for 0.0.0.0:8080 failed: port is already allocated: .*winner"):
        Allocation(held, ANY4).publish([PortRequest(80, "tcp", "", "8080")], "loser")


def test_the_same_number_of_another_protocol_is_free() -> None:
    held = {("tcp", ANY4, 8080): "winner"}.get
    assert Allocation(held, ANY4).publish([PortRequest(80, "udp", "", "8080")], "web")


def test_a_container_cannot_take_one_port_twice() -> None:
    requests = [PortRequest(80, "tcp", "", "8082"), PortRequest(81, "tcp", "", "8082")]
    with pytest.raises(Failed, match="port is already allocated"):
        Allocation(nobody, ANY4).publish(requests, "twice")


def test_of_a_span_the_first_free_port_is_taken() -> None:
    held = {("tcp", LOCAL, 8000): "other"}.get
    ports = Allocation(held, ANY4).publish([PortRequest(80, "tcp", "127.0.0.1", "8000-8002")], "web")
    assert ports[0].host_port == 8001


def test_a_thousand_neighbours_become_one_run() -> None:
    requests = [PortRequest(port, "tcp", "", str(port + 1000)) for port in range(3000, 4000)]
    ports = Allocation(nobody, ANY4).publish(requests, "web")
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
