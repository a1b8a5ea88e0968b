"""One suite for the Actuator of flows: the kernel's connection tracking, and the fake."""

import asyncio
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

import pytest

from fairlead.firewall.flows import Flow, Way
from fairlead.kernel.flows import TrackedFlows
from fairlead.model.host import AddressFlowsKey, PortFlowsKey, Step
from tests.fakes.flows import FakeFlows
from tests.kernel.virtual_host import private_namespace, run

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
HOST, LAN, BOX, OTHER = "198.51.100.10", "198.51.100.1", "172.17.0.2", "172.17.0.3"
HOST6, LAN6, BOX6 = "2001:db8::10", "2001:db8::1", "fd00::2"
ANY, ANY6 = ip_address("0.0.0.0"), ip_address("::")


def way(source: str, source_port: int, destination: str, port: int) -> Way:
    return Way(ip_address(source), source_port, ip_address(destination), port)


def led(client: str, asked: str, port: int, target: str, target_port: int, number: int = 4000) -> Flow:
    """A flow that somebody sent to a published port, and that was redirected."""
    return Flow("udp", way(client, number, asked, port), way(target, target_port, client, number))


def plain(client: str, asked: str, port: int, number: int = 4001) -> Flow:
    return Flow("udp", way(client, number, asked, port), way(asked, port, client, number))


def masked(source: str, asked: str, port: int, host: str = HOST) -> Flow:
    return Flow("udp", way(source, 5353, asked, port), way(asked, port, host, 5353))


@dataclass
class Table:
    """An actuator, a way to make flows behind its back, and one to see those there are."""

    actuator: Any

    def make(self, *flows: Flow) -> None:
        if isinstance(self.actuator, FakeFlows):
            self.actuator.flows += flows
            return
        for each in flows:
            there, back = each.there, each.back
            run(
                f"conntrack -I -p udp --timeout 120"
                f" -s {there.source} -d {there.destination} -r {back.source} -q {back.destination}"
                f" --sport {there.source_port} --dport {there.destination_port}"
                f" --reply-port-src {back.source_port} --reply-port-dst {back.destination_port}"
            )

    def left(self) -> set[tuple[str, ...]]:
        """The flows as the program conntrack shows them."""
        if isinstance(self.actuator, FakeFlows):
            return {words(each) for each in self.actuator.flows}
        text = run("conntrack -L -f ipv4; conntrack -L -f ipv6")
        lines = [re.findall(r"(?:src|dst|sport|dport)=(\S+)", line) for line in text.splitlines()]
        return {tuple(line) for line in lines}

    def converge(self, key: AddressFlowsKey | PortFlowsKey) -> None:
        wanted = True if isinstance(key, PortFlowsKey) else None
        asyncio.run(self._converge(Step(key, None, wanted)))

    async def _converge(self, step: Step) -> None:
        observed = await self.actuator.observe([step.key])
        await self.actuator.perform([Step(step.key, observed[step.key], step.after)])
        assert await self.actuator.observe([step.key]) == {step.key: step.after}


def words(flow: Flow) -> tuple[str, ...]:
    return tuple(
        str(word)
        for each in (flow.there, flow.back)
        for word in (each.source, each.destination, each.source_port, each.destination_port)
    )


@pytest.fixture(params=["fake", pytest.param("kernel", marks=[needs_root, pytest.mark.kernel])])
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    if request.param == "fake":
        local = {ip_address(each) for each in (HOST, HOST6, "127.0.0.1", "::1")}
        yield Table(FakeFlows(local=local))
        return
    with private_namespace():
        run(f"ip addr add {HOST}/24 dev lo; ip addr add {HOST6}/64 dev lo nodad")
        # A namespace tracks connections once somebody asks for it.
        run("iptables -A INPUT -m conntrack --ctstate NEW; ip6tables -A INPUT -m conntrack --ctstate NEW")
        actuator = TrackedFlows()
        yield Table(actuator)
        actuator.close()


def check(table: Table, key: AddressFlowsKey | PortFlowsKey, end: list[Flow], stay: list[Flow]) -> None:
    table.make(*end, *stay)
    table.converge(key)
    assert table.left() == {words(each) for each in stay}
    table.converge(key)


def test_what_was_led_to_an_address_ends(table: Table) -> None:
    end = [led(LAN, HOST, 5000, BOX, 53), led("127.0.0.1", "127.0.0.1", 5001, BOX, 53)]
    stay = [led(LAN, HOST, 5002, OTHER, 53), plain(LAN, BOX, 53), masked(BOX, "203.0.113.1", 53)]
    check(table, AddressFlowsKey(ip_address(BOX), led=True), end, stay)


def test_what_leaves_under_another_name_ends(table: Table) -> None:
    end = [masked(BOX, "203.0.113.1", 53)]
    stay = [plain(BOX, OTHER, 80), masked(OTHER, "203.0.113.1", 54), led(LAN, HOST, 5000, BOX, 53)]
    check(table, AddressFlowsKey(ip_address(BOX), led=False), end, stay)


def test_ipv6_is_the_same(table: Table) -> None:
    key = AddressFlowsKey(ip_address(BOX6), led=True)
    check(
        table, key, [led(LAN6, HOST6, 5000, BOX6, 53)], [plain(LAN6, BOX6, 53), led(LAN, HOST, 50, BOX, 53)]
    )


def test_a_published_port_leads_to_its_target(table: Table) -> None:
    end = [led(LAN, HOST, 5000, OTHER, 53), plain(LAN, HOST, 5000), plain("127.0.0.1", "127.0.0.1", 5000, 9)]
    stay = [
        led(LAN, HOST, 5000, BOX, 53, number=4002),
        plain(LAN, HOST, 5001),
        plain(BOX, "203.0.113.1", 5000),  # through the host, not to it
        masked(OTHER, "203.0.113.1", 5000),
    ]
    check(table, PortFlowsKey("udp", ANY, 5000, 1, ip_address(BOX), 53), end, stay)


def test_the_target_has_to_be_the_right_port_too(table: Table) -> None:
    end = [led(LAN, HOST, 5000, BOX, 54)]
    check(table, PortFlowsKey("udp", ANY, 5000, 1, ip_address(BOX), 53), end, [])


def test_a_port_on_one_address_is_that_address_alone(table: Table) -> None:
    key = PortFlowsKey("udp", ip_address(HOST), 5000, 1, ip_address(BOX), 53)
    check(table, key, [led(LAN, HOST, 5000, OTHER, 53)], [led("127.0.0.1", "127.0.0.1", 5000, OTHER, 53)])


def test_each_port_of_a_run_has_its_own_target(table: Table) -> None:
    end = [led(LAN, HOST, 5000 + each, OTHER, 53 + each, number=4000 + each) for each in range(3)]
    end.append(led(LAN, HOST, 5001, BOX, 53, number=4010))
    stay = [led(LAN, HOST, 5000 + each, BOX, 53 + each, number=4020 + each) for each in range(3)]
    stay.append(plain(LAN, HOST, 5003))
    check(table, PortFlowsKey("udp", ANY, 5000, 3, ip_address(BOX), 53), end, stay)


def test_the_relay_keeps_its_flows(table: Table) -> None:
    key = PortFlowsKey("udp", ANY6, 5000, 1, ip_address(BOX6), 53)
    check(table, key, [plain(LAN6, HOST6, 5000)], [plain("::1", "::1", 5000), plain(LAN, HOST, 5000)])


def test_many_ports_are_looked_at_together(table: Table) -> None:
    host, box = ip_address(HOST), ip_address(BOX)
    keys = [PortFlowsKey("udp", ANY, 5000 + each, 1, box, 53) for each in range(0, 20, 2)]
    keys += [
        PortFlowsKey("udp", host, 6000, 3, box, 53),
        PortFlowsKey("udp", ip_address("127.0.0.1"), 6001, 1, box, 80),
        PortFlowsKey("tcp", ANY, 5002, 1, box, 80),
        PortFlowsKey("udp", ANY6, 5002, 1, ip_address(BOX6), 53),
    ]
    table.make(
        led(LAN, HOST, 5002, OTHER, 53),
        led(LAN, HOST, 5004, BOX, 53),
        led(LAN, HOST, 6001, BOX, 80, number=4009),  # as the port on 127.0.0.1 should be led
        plain(BOX, "203.0.113.1", 5006),
    )
    found = asyncio.run(table.actuator.observe(keys))
    assert [key for key in keys if not found[key]] == [keys[1], keys[10]]
