"""One suite for every Actuator of links: the kernel's, in a fresh host for each test, and the fake."""

import asyncio
import os
import subprocess
from collections.abc import Callable, Coroutine, Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any, Protocol

import pytest

from fairlead.kernel.links import KernelLinks
from fairlead.model.errors import StepFailed
from fairlead.model.host import (
    AddressKey,
    Bridge,
    Foreign,
    Key,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    NamespaceKey,
    Route,
    RouteKey,
    Step,
    SysctlKey,
    Value,
    Veth,
)
from fairlead.planner.steps import difference
from tests.fakes.links import FakeLinks
from tests.kernel.fresh_host import in_fresh_host

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
ANYWHERE, ANYWHERE6 = IPv4Network("0.0.0.0/0"), IPv6Network("::/0")
ROUTER, ROUTER6 = IPv4Address("172.30.0.1"), IPv6Address("fd00:30::1")
MTU, MASTER, UP, HAIRPIN, ISOLATED, LEARNING, MAC, KEEPS_MAC = LinkSetting


class Host(Protocol):
    """What a test works on: an actuator, and a way to change the host behind its back."""

    links: Any

    def foreign_link(self, name: str, kind: str) -> None: ...

    def foreign_pin(self, name: str) -> None: ...


class FakeHost:
    def __init__(self) -> None:
        self.links = FakeLinks()

    def foreign_link(self, name: str, kind: str) -> None:
        self.links.foreign_link(name, kind)

    def foreign_pin(self, name: str) -> None:
        self.links.foreign_pins.add(name)


class KernelHost:
    def __init__(self) -> None:
        self.links = KernelLinks("/run/engine")

    def foreign_link(self, name: str, kind: str) -> None:
        subprocess.run(["ip", "link", "add", name, "type", kind], check=True)

    def foreign_pin(self, name: str) -> None:
        subprocess.run(["ip", "netns", "add", name], check=True)


def on_both(test: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the coroutine function with a FakeHost, and with a KernelHost where root."""

    async def on_kernel() -> None:
        host = KernelHost()
        try:
            await test(host)
        finally:
            host.links.close()

    def run(kind: str) -> None:
        if kind == "fake":
            asyncio.run(test(FakeHost()))
        else:
            in_fresh_host(on_kernel)

    run.__name__ = test.__name__
    run.__module__ = test.__module__
    kinds = ["fake", pytest.param("kernel", marks=[needs_root, pytest.mark.kernel])]
    return pytest.mark.parametrize("kind", kinds)(run)


State = Mapping[Key, Value | None]


def bridge(name: str = "br0") -> dict[Key, Value | None]:
    return {
        LinkKey("", name): Bridge("02:42:00:00:00:01"),
        LinkSettingKey("", name, UP): "on",
        AddressKey("", name, IPv4Interface("172.30.0.1/16")): True,
        AddressKey("", name, IPv6Interface("fd00:30::1/64")): True,
        SysctlKey("", ("net", "ipv6", "conf", name, "accept_ra")): "0",
    }


def sandbox(number: int = 1) -> dict[Key, Value | None]:
    name, outer, last = f"web{number}", f"veth{number}", number + 1
    return {
        NamespaceKey(name): f"alias{number}",
        LinkSettingKey(name, "lo", UP): "on",
        LinkKey("", outer): Veth(name, "eth0", f"02:42:ac:1e:00:{last:02x}"),
        LinkSettingKey("", outer, MTU): "1400",
        LinkSettingKey(name, "eth0", MTU): "1400",
        LinkSettingKey("", outer, MASTER): "br0",
        LinkSettingKey("", outer, HAIRPIN): "on",
        LinkSettingKey("", outer, UP): "on",
        LinkSettingKey(name, "eth0", UP): "on",
        AddressKey(name, "eth0", IPv4Interface(f"172.30.0.{last}/16")): True,
        AddressKey(name, "eth0", IPv6Interface(f"fd00:30::{last}/64")): True,
        RouteKey(name, ANYWHERE): Route(ROUTER, "eth0"),
        RouteKey(name, ANYWHERE6): Route(ROUTER6, "eth0"),
    }


async def look(host: Host, *keys: Key) -> list[Value | None]:
    observed = await host.links.observe(keys)
    assert set(observed) == set(keys)
    return [observed[key] for key in keys]


async def converge(host: Host, desired: State) -> list[Step]:
    steps = list(difference(desired, await host.links.observe(list(desired))))
    await host.links.perform(steps)
    observed = await host.links.observe(list(desired))
    assert {key: observed[key] for key in desired if desired[key] is not None} == {
        key: value for key, value in desired.items() if value is not None
    }
    return steps


async def make(host: Host, key: Key, value: Value) -> None:
    [before] = await look(host, key)
    await host.links.perform([Step(key, before, value)])
    assert await look(host, key) == [value]


async def remove(host: Host, key: Key) -> None:
    [before] = await look(host, key)
    await host.links.perform([Step(key, before, None)])
    assert await look(host, key) == [None]


async def refusal(host: Host, *steps: Step) -> tuple[str, int]:
    with pytest.raises(StepFailed) as caught:
        await host.links.perform(steps)
    return caught.value.message, caught.value.done


@on_both
async def test_every_key_asked_for_is_answered_and_what_is_not_there_is_none(host: Host) -> None:
    everything = [
        *bridge(),
        *sandbox(),
        LinkKey("web1", "eth0"),
        SysctlKey("web1", ("net", "ipv4", "ip_forward")),
    ]
    assert await look(host, *everything) == [None] * len(everything)
    assert await look(host) == []


@on_both
async def test_a_bridge_and_a_sandbox_are_there_as_wanted_when_performed(host: Host) -> None:
    await converge(host, bridge())
    await converge(host, sandbox())
    steps = difference(bridge() | sandbox(), await host.links.observe([*bridge(), *sandbox()]))
    assert steps == ()


@on_both
async def test_a_step_whose_outcome_already_holds_is_done(host: Host) -> None:
    steps = [*await converge(host, bridge()), *await converge(host, sandbox())]
    await host.links.perform(steps)
    await converge(host, bridge() | sandbox())


@on_both
async def test_the_inverses_of_any_number_of_steps_newest_first_lead_back(host: Host) -> None:
    await converge(host, bridge())
    desired = sandbox()
    first = await host.links.observe([*desired, *bridge()])
    steps = difference(desired, first)
    for count in range(len(steps) + 1):
        await host.links.perform(steps[:count])
        for step in reversed(steps[:count]):
            await host.links.perform([step.inverse()])
        assert await host.links.observe([*desired, *bridge()]) == first, steps[:count]


@on_both
async def test_the_inverses_of_removals_lead_back(host: Host) -> None:
    desired = bridge() | sandbox()
    await converge(host, bridge())
    await converge(host, sandbox())
    steps = difference(dict.fromkeys(sandbox()), await host.links.observe(list(desired)))
    await host.links.perform(steps)
    assert set(await look(host, *sandbox())) == {None}
    await converge(host, desired)


@on_both
async def test_removing_what_has_gone_is_done(host: Host) -> None:
    await converge(host, bridge())
    await converge(host, sandbox())
    gone = [Step(key, value, None) for key, value in reversed(list((bridge() | sandbox()).items()))]
    await host.links.perform(gone)
    await host.links.perform(gone)
    there = await host.links.observe([step.key for step in gone if not isinstance(step.key, SysctlKey)])
    assert set(there.values()) == {None}


@on_both
async def test_a_failing_step_tells_its_number_and_leaves_later_ones_undone(host: Host) -> None:
    host.foreign_link("br1", "ifb")
    steps = [Step(LinkKey("", name), None, Bridge("")) for name in ("br0", "br1", "br2")]
    assert await refusal(host, *steps) == ("cannot create link br1: a link of kind ifb has that name", 1)
    assert isinstance((await look(host, LinkKey("", "br0")))[0], Bridge)
    assert await look(host, LinkKey("", "br1"), LinkKey("", "br2")) == [Foreign("ifb"), None]


@on_both
async def test_a_link_of_another_kind_is_never_changed_or_deleted(host: Host) -> None:
    host.foreign_link("br0", "ifb")
    key = LinkKey("", "br0")
    taken = "a link of kind ifb has that name"
    for before, after in (
        (Foreign("ifb"), Bridge("")),
        (Bridge(""), Veth("", "x", "")),
        (None, Veth("", "x", "")),
    ):
        assert await refusal(host, Step(key, before, after)) == (f"cannot create link br0: {taken}", 0)
    for before in (Foreign("ifb"), Bridge("")):
        assert await refusal(host, Step(key, before, None)) == (f"cannot delete link br0: {taken}", 0)
    assert await look(host, key) == [Foreign("ifb")]


@on_both
async def test_a_bridge_with_another_address_holds_its_name_and_can_be_given_the_address(host: Host) -> None:
    key, one, other = LinkKey("", "br0"), Bridge("02:42:00:00:00:01"), Bridge("02:42:00:00:00:02")
    await make(host, key, one)
    assert await refusal(host, Step(key, None, other)) == (
        "cannot create link br0: a link of kind bridge has that name",
        0,
    )
    await host.links.perform([Step(key, one, other)])
    assert await look(host, key) == [other]


@on_both
async def test_several_links_are_deleted_together_up_to_one_that_is_not_ours(host: Host) -> None:
    for name in ("br0", "br1", "br3"):
        await make(host, LinkKey("", name), Bridge("02:42:00:00:00:01"))
    host.foreign_link("br2", "ifb")
    steps = [Step(LinkKey("", f"br{number}"), Bridge(""), None) for number in range(4)]
    assert await refusal(host, *steps) == ("cannot delete link br2: a link of kind ifb has that name", 2)
    found = await look(host, *(step.key for step in steps))
    assert found == [None, None, Foreign("ifb"), Bridge("02:42:00:00:00:01")]


@on_both
async def test_a_name_that_no_link_can_have_is_absent_and_refused(host: Host) -> None:
    key = LinkKey("", "a-name-too-long-for-a-link")
    assert await look(host, key) == [None]
    message, _ = await refusal(host, Step(key, None, Bridge("")))
    assert message.startswith("cannot create link a-name-too-long-for-a-link: ")


@on_both
async def test_a_veth_whose_other_end_cannot_be_made_is_not_made(host: Host) -> None:
    await make(host, NamespaceKey("web1"), "alias1")
    await make(host, LinkKey("", "veth1"), Veth("web1", "eth0", "02:42:ac:1e:00:02"))
    taken = "its other end is eth0 in namespace web1, and a link of kind veth has that name"
    assert await refusal(host, Step(LinkKey("", "veth2"), None, Veth("web1", "eth0", ""))) == (
        f"cannot create link veth2: {taken}",
        0,
    )
    missing = "there is no network namespace web2 of ours"
    assert await refusal(host, Step(LinkKey("", "veth2"), None, Veth("web2", "eth0", ""))) == (
        f"cannot create link veth2: {missing}",
        0,
    )
    assert await look(host, LinkKey("", "veth2")) == [None]


@on_both
async def test_a_veth_is_described_from_both_ends(host: Host) -> None:
    await make(host, NamespaceKey("web1"), "alias1")
    await make(host, LinkKey("", "veth1"), Veth("web1", "eth0", "02:42:ac:1e:00:02"))
    [mac, inner] = await look(host, LinkSettingKey("", "veth1", MAC), LinkKey("web1", "eth0"))
    assert inner == Veth("", "veth1", str(mac))


@on_both
async def test_both_ends_of_a_veth_can_be_in_the_same_namespace(host: Host) -> None:
    await make(host, LinkKey("", "left"), Veth("", "right", "02:42:ac:1e:00:02"))
    await remove(host, LinkKey("", "right"))
    assert await look(host, LinkKey("", "left")) == [None]


@on_both
async def test_a_veth_can_change_its_peers_address_or_its_peer(host: Host) -> None:
    key = LinkKey("", "veth1")
    for number in (1, 2):
        await make(host, NamespaceKey(f"web{number}"), f"alias{number}")
    await make(host, key, Veth("web1", "eth0", "02:42:ac:1e:00:02"))
    await make(host, LinkSettingKey("", "veth1", MTU), "1400")
    await make(host, key, Veth("web1", "eth0", "02:42:ac:1e:00:03"))
    assert await look(host, LinkSettingKey("", "veth1", MTU)) == ["1400"]
    await make(host, key, Veth("web2", "eth1", "02:42:ac:1e:00:03"))
    assert await look(host, LinkKey("web1", "eth0")) == [None]


@on_both
async def test_namespaces_have_links_and_settings_of_their_own(host: Host) -> None:
    for number in (1, 2):
        await make(host, NamespaceKey(f"web{number}"), f"alias{number}")
        await make(host, LinkKey(f"web{number}", "br0"), Bridge(f"02:42:00:00:00:0{number}"))
    forwarding = [SysctlKey(f"web{number}", ("net", "ipv4", "ip_forward")) for number in (1, 2)]
    at_first = await look(host, *forwarding)
    await make(host, forwarding[0], "1" if at_first[0] == "0" else "0")
    assert (await look(host, *forwarding))[1] == at_first[1]
    assert await look(host, LinkKey("web1", "br0"), LinkKey("", "br0")) == [Bridge("02:42:00:00:00:01"), None]


@on_both
async def test_loopback_is_down_until_it_is_raised(host: Host) -> None:
    await make(host, NamespaceKey("web1"), "alias1")
    up, address = LinkSettingKey("web1", "lo", UP), AddressKey("web1", "lo", IPv4Interface("127.0.0.1/8"))
    assert await look(host, up, address, LinkKey("web1", "lo")) == ["off", None, Foreign("loopback")]
    await make(host, up, "on")
    assert await look(host, address) == [True]


@on_both
async def test_a_pin_of_somebody_else_is_neither_taken_nor_entered_nor_removed(host: Host) -> None:
    host.foreign_pin("web1")
    key = NamespaceKey("web1")
    assert await look(host, key, LinkSettingKey("web1", "lo", UP)) == [None, None]
    assert await refusal(host, Step(key, None, "alias1")) == (
        "cannot create network namespace web1: /run/netns/web1 belongs to somebody else",
        0,
    )
    message, _ = await refusal(host, Step(LinkSettingKey("web1", "lo", UP), None, "on"))
    assert message == "cannot raise link lo in namespace web1: there is no network namespace web1 of ours"
    await host.links.perform([Step(key, None, None), Step(key, "alias1", None)])
    assert (await refusal(host, Step(key, None, "alias1")))[1] == 0


@on_both
async def test_an_alias_leads_to_one_namespace(host: Host) -> None:
    await make(host, NamespaceKey("web1"), "alias1")
    assert await refusal(host, Step(NamespaceKey("web2"), None, "alias1")) == (
        "cannot create network namespace web2: its alias alias1 is that of /run/netns/web1",
        0,
    )
    assert await look(host, NamespaceKey("web1"), NamespaceKey("web2")) == ["alias1", None]


@on_both
async def test_an_alias_can_be_changed_and_the_namespace_stays(host: Host) -> None:
    await make(host, NamespaceKey("web1"), "alias1")
    await make(host, LinkSettingKey("web1", "lo", UP), "on")
    await make(host, NamespaceKey("web1"), "alias2")
    assert await look(host, LinkSettingKey("web1", "lo", UP)) == ["on"]
    await make(host, NamespaceKey("web2"), "alias1")


@on_both
async def test_a_namespace_that_is_made_again_is_a_new_one(host: Host) -> None:
    key, up = NamespaceKey("web1"), LinkSettingKey("web1", "lo", UP)
    again = [
        Step(key, "alias1", None),
        Step(key, None, "alias1"),
        Step(LinkKey("web1", "br0"), None, Bridge("")),
    ]
    await host.links.perform([Step(key, None, "alias1"), Step(up, None, "on"), *again])
    assert (await look(host, up, *(step.key for step in again[1:])))[:2] == ["off", "alias1"]
    assert isinstance((await look(host, LinkKey("web1", "br0")))[0], Bridge)


@on_both
async def test_the_other_end_of_a_veth_goes_with_its_namespace(host: Host) -> None:
    await make(host, NamespaceKey("web1"), "alias1")
    await make(host, LinkKey("", "veth1"), Veth("web1", "eth0", "02:42:ac:1e:00:02"))
    await remove(host, NamespaceKey("web1"))
    for _ in range(500):  # the kernel does that in its own time
        if await look(host, LinkKey("", "veth1")) == [None]:
            return
        await asyncio.sleep(0.01)
    raise AssertionError("veth1 is still there")


@on_both
async def test_a_port_can_change_its_bridge_and_leave_it(host: Host) -> None:
    for name in ("br0", "br1"):
        await make(host, LinkKey("", name), Bridge("02:42:00:00:00:01"))
    await make(host, LinkKey("", "left"), Veth("", "right", "02:42:ac:1e:00:02"))
    master, hairpin = LinkSettingKey("", "left", MASTER), LinkSettingKey("", "left", HAIRPIN)
    isolated = LinkSettingKey("", "left", ISOLATED)
    assert await look(host, master, hairpin, isolated) == ["", "off", "off"]
    await make(host, master, "br0")
    await make(host, hairpin, "on")
    await make(host, isolated, "on")
    await make(host, hairpin, "off")
    assert await look(host, master, hairpin, isolated) == ["br0", "off", "on"]
    await make(host, master, "br1")
    await make(host, master, "")
    assert await look(host, master, hairpin, isolated) == ["", "off", "off"]


@on_both
async def test_what_is_missing_for_a_setting_is_named(host: Host) -> None:
    await make(host, LinkKey("", "left"), Veth("", "right", "02:42:ac:1e:00:02"))

    async def told(link: str, setting: LinkSetting, value: str) -> str:
        return (await refusal(host, Step(LinkSettingKey("", link, setting), None, value)))[0]

    assert await told("none", MTU, "1400") == "cannot set mtu of link none to 1400: there is no link none"
    assert await told("left", MASTER, "br0") == "cannot attach link left to bridge br0: there is no link br0"
    assert (
        await told("left", MASTER, "right")
        == "cannot attach link left to bridge right: right is a link of kind veth"
    )
    assert (
        await told("left", HAIRPIN, "on")
        == "cannot switch hairpin on on link left: it is no port of a bridge"
    )
    assert await told("left", MTU, "9") == "cannot set mtu of link left to 9: mtu less than device minimum"


@on_both
async def test_mtu_and_hardware_address_can_be_set(host: Host) -> None:
    await make(host, LinkKey("", "left"), Veth("", "right", "02:42:ac:1e:00:02"))
    await make(host, LinkSettingKey("", "left", MTU), "9000")
    await make(host, LinkSettingKey("", "left", MAC), "02:42:ac:1e:00:09")
    assert await look(host, LinkSettingKey("", "right", MTU)) == ["1500"]


@on_both
async def test_a_bridge_of_somebody_else_keeps_its_hardware_address(host: Host) -> None:
    host.foreign_link("br7", "bridge")
    before = await look(host, LinkKey("", "br7"), LinkSettingKey("", "br7", KEEPS_MAC))
    assert before[1] == "off"
    await make(host, LinkSettingKey("", "br7", KEEPS_MAC), "on")
    await make(host, LinkKey("", "left"), Veth("", "right", "02:42:ac:1e:00:02"))
    await make(host, LinkSettingKey("", "left", MAC), "02:00:00:00:00:01")
    await make(host, LinkSettingKey("", "left", MASTER), "br7")
    assert await look(host, LinkKey("", "br7")) == before[:1]


@on_both
async def test_a_setting_that_is_no_longer_wanted_stays(host: Host) -> None:
    await make(host, LinkKey("", "br0"), Bridge("02:42:00:00:00:01"))
    await make(host, LinkSettingKey("", "br0", UP), "on")
    forwarding = SysctlKey("", ("net", "ipv4", "ip_forward"))
    await make(host, forwarding, "1")
    await host.links.perform([Step(LinkSettingKey("", "br0", UP), "on", None), Step(forwarding, "1", None)])
    assert await look(host, LinkSettingKey("", "br0", UP), forwarding) == ["on", "1"]


@on_both
async def test_a_link_has_several_addresses_and_each_goes_alone(host: Host) -> None:
    await converge(host, bridge())
    addresses = [IPv4Interface("172.30.0.1/16"), IPv4Interface("10.9.0.1/24"), IPv6Interface("fd00:30::1/64")]
    keys = [AddressKey("", "br0", address) for address in addresses]
    await make(host, keys[1], True)
    await remove(host, keys[0])
    await remove(host, keys[2])
    other_length = AddressKey("", "br0", IPv4Interface("10.9.0.1/16"))
    assert await look(host, *keys, other_length) == [None, True, None, None]


@on_both
async def test_an_address_needs_its_link_and_ipv6(host: Host) -> None:
    key = AddressKey("", "br0", IPv4Interface("10.9.0.1/24"))
    assert await refusal(host, Step(key, None, True)) == (
        "cannot add address 10.9.0.1/24 to link br0: there is no link br0",
        0,
    )
    await make(host, LinkKey("", "br0"), Bridge("02:42:00:00:00:01"))
    await make(host, SysctlKey("", ("net", "ipv6", "conf", "br0", "disable_ipv6")), "1")
    key = AddressKey("", "br0", IPv6Interface("fd00::1/64"))
    message, _ = await refusal(host, Step(key, None, True))
    assert message == "cannot add address fd00::1/64 to link br0: IPv6 is disabled on this device"


@on_both
async def test_a_route_needs_a_link_that_is_up_and_a_gateway_that_it_reaches(host: Host) -> None:
    destination = IPv4Network("10.9.0.0/24")
    key = RouteKey("", destination)

    async def told(gateway: str | None, link: str) -> str:
        route = Route(IPv4Address(gateway) if gateway else None, link)
        return (await refusal(host, Step(key, None, route)))[0]

    assert await told(None, "br0") == "cannot add route 10.9.0.0/24: there is no link br0"
    await make(host, LinkKey("", "br0"), Bridge("02:42:00:00:00:01"))
    assert (await told(None, "br0")).startswith("cannot add route 10.9.0.0/24: ")
    await converge(host, bridge())
    assert await told("192.0.2.1", "br0") == "cannot add route 10.9.0.0/24: Nexthop has invalid gateway"
    assert await look(host, key) == [None]


@on_both
async def test_routes_go_by_a_gateway_or_a_link_and_can_be_replaced_and_deleted(host: Host) -> None:
    await converge(host, bridge())
    key = RouteKey("", IPv4Network("10.9.0.0/24"))
    by_gateway, by_link = Route(IPv4Address("172.30.0.9"), "br0"), Route(None, "br0")
    await make(host, key, by_gateway)
    assert await refusal(host, Step(key, None, by_link)) == (
        "cannot add route 10.9.0.0/24: another route to it leads via 172.30.0.9 on br0",
        0,
    )
    await make(host, key, by_link)
    await remove(host, key)
    await make(host, key, by_gateway)
    await remove(host, key)
    await host.links.perform([Step(key, None, Route(IPv4Address("172.30.0.9"), ""))])
    assert await look(host, key) == [by_gateway]
    six = RouteKey("", IPv6Network("fd00:9::/64"))
    await make(host, six, Route(IPv6Address("fd00:30::9"), "br0"))
    await make(host, six, Route(IPv6Address("fd00:30::8"), "br0"))
    await remove(host, six)


@on_both
async def test_the_network_of_an_address_is_a_route_by_its_link(host: Host) -> None:
    await converge(host, bridge())
    key = RouteKey("", IPv4Network("172.30.0.0/16"))
    assert await look(host, key) == [Route(None, "br0")]
    await make(host, LinkSettingKey("", "br0", UP), "off")
    assert await look(host, key) == [None]


@on_both
async def test_an_address_counts_only_with_that_route_and_brings_it_back(host: Host) -> None:
    await converge(host, bridge())
    route = RouteKey("", IPv4Network("172.30.0.0/16"))
    address = AddressKey("", "br0", IPv4Interface("172.30.0.1/16"))
    await host.links.perform([Step(route, Route(None, "br0"), None)])
    assert await look(host, route, address) == [None, None]
    await make(host, address, True)
    assert await look(host, route, address) == [Route(None, "br0"), True]


@on_both
async def test_kernel_settings_that_cannot_be_written_say_why(host: Host) -> None:
    async def told(*path: str, value: str = "1") -> str:
        return (await refusal(host, Step(SysctlKey("", path), None, value)))[0]

    assert (
        await told("net", "ipv4", "no_such_thing")
        == "cannot set net.ipv4.no_such_thing to 1: the kernel has no such setting"
    )
    assert await told("kernel", "osrelease") == "cannot set kernel.osrelease to 1: it is read-only"
    assert (
        await told("net", "ipv4", "ip_forward", value="maybe")
        == "cannot set net.ipv4.ip_forward to maybe: the kernel does not accept that value"
    )
    assert await look(host, SysctlKey("", ("net", "ipv4", "..", "ipv4", "ip_forward"))) == [None]


@on_both
async def test_a_setting_of_a_link_whose_name_has_a_dot(host: Host) -> None:
    await make(host, LinkKey("", "br.0"), Bridge("02:42:00:00:00:01"))
    await make(host, SysctlKey("", ("net", "ipv4", "conf", "br.0", "route_localnet")), "1")


def test_the_fake_fails_where_it_is_told_and_only_once() -> None:
    async def scenario() -> None:
        links = FakeLinks()
        links.fail_at(1)
        steps = [Step(LinkKey("", name), None, Bridge("")) for name in ("br0", "br1")]
        with pytest.raises(StepFailed) as caught:
            await links.perform(steps)
        assert caught.value.done == 1
        await links.perform(steps)
        assert links.performed == [steps[0], *steps]

    asyncio.run(scenario())


@on_both
async def test_links_of_the_host_are_ours_where_they_show_it(host: Host) -> None:
    """A network's bridge by its hardware address, a veth by its name and its bridge or its other end."""
    own, others = "br-0123456789ab", "br-ba9876543210"
    pairs = {"veth0123456": own, "veth1234567": others, "veth2345678": "", "other": own}
    desired: dict[Key, Value | None] = {
        NamespaceKey("web1"): "alias1",
        LinkKey("", own): Bridge("02:42:01:23:45:67"),
        LinkKey("", others): Bridge("02:42:00:00:00:01"),
        LinkKey("", "br0"): Bridge("02:42:01:23:45:67"),
    }
    for number, (name, master) in enumerate(pairs.items()):
        desired[LinkKey("", name)] = Veth("web1", f"eth{number}", f"02:42:ac:1e:00:{number:02x}")
        desired[LinkSettingKey("", name, MASTER)] = master
    await converge(host, desired)
    host.foreign_link("br-aaaaaaaaaaaa", "bridge")
    found = await host.links.everything()
    ours = [NamespaceKey("web1"), *(LinkKey("", each) for each in (own, *pairs) if each != "other")]
    assert found.keys() == set(ours)
