"""One suite for every Actuator of links, on what overlay networks need: VXLAN links and what they are told."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface, IPv6Address
from typing import Any

from fairlead.model.host import (
    AddressKey,
    Bridge,
    FdbKey,
    Foreign,
    Key,
    LinkKey,
    LinkSettingKey,
    NamespaceKey,
    NeighbourKey,
    Step,
    SysctlKey,
    Value,
    Veth,
    Vxlan,
)
from tests.contract.test_links import (
    HAIRPIN,
    LEARNING,
    MASTER,
    MTU,
    UP,
    Host,
    converge,
    look,
    make,
    on_both,
    refusal,
    remove,
)

OVER = "overlay-net1"
LINK = LinkKey(OVER, "vxlan0")
TUNNEL = Vxlan(4097, IPv4Address("10.8.0.1"), 4789)
THERE, ELSEWHERE = "10.8.0.2", "10.8.0.3"
MAC, MAC2 = "02:42:0a:00:00:02", "02:42:0a:00:00:03"
FDB, NEIGHBOUR = FdbKey(OVER, "vxlan0", MAC), NeighbourKey(OVER, "vxlan0", IPv4Address("10.0.0.2"))
NEIGHBOUR6 = NeighbourKey(OVER, "vxlan0", IPv6Address("fd00::2"))


def overlay() -> dict[Key, Value | None]:
    return {
        NamespaceKey(OVER): "net1",
        LinkKey(OVER, "br0"): Bridge("02:42:00:00:00:01"),
        LinkSettingKey(OVER, "br0", UP): "on",
        LINK: TUNNEL,
        LinkSettingKey(OVER, "vxlan0", MTU): "1450",
        LinkSettingKey(OVER, "vxlan0", MASTER): "br0",
        LinkSettingKey(OVER, "vxlan0", LEARNING): "off",
        LinkSettingKey(OVER, "vxlan0", UP): "on",
        FDB: THERE,
        NEIGHBOUR: MAC,
        NEIGHBOUR6: MAC,
    }


@on_both
async def test_an_overlay_is_made_found_and_taken_away(host: Host) -> None:
    await converge(host, overlay())
    await converge(host, dict.fromkeys(overlay()))
    await converge(host, overlay())  # its VNI is free again at once


@on_both
async def test_a_local_address_changes_and_all_that_was_told_stays(host: Host) -> None:
    await converge(host, overlay())
    moved = {**overlay(), LINK: replace(TUNNEL, local=IPv4Address("10.8.0.9"))}
    await converge(host, moved)
    assert await look(host, *moved) == list(moved.values())


@on_both
async def test_a_link_with_another_vni_or_port_is_made_anew_and_all_that_was_told_stays(host: Host) -> None:
    await converge(host, overlay())
    for other in (replace(TUNNEL, vni=4098), replace(TUNNEL, vni=4098, port=4790), TUNNEL):
        moved = {**overlay(), LINK: other}
        await host.links.perform([Step(LINK, (await look(host, LINK))[0], other)])
        assert await look(host, *moved) == list(moved.values())


@on_both
async def test_a_vni_is_one_links_of_the_host_and_its_holder_is_named(host: Host) -> None:
    await converge(host, overlay())
    await make(host, NamespaceKey("overlay-net2"), "net2")
    key = LinkKey("overlay-net2", "vxlan0")
    held = "link vxlan0 in namespace overlay-net1 has its VNI 4097"
    assert await refusal(host, Step(key, None, TUNNEL)) == (
        f"cannot create link vxlan0 in namespace overlay-net2: {held}",
        0,
    )
    await make(host, key, replace(TUNNEL, vni=4098))
    assert await refusal(host, Step(key, replace(TUNNEL, vni=4098), TUNNEL)) == (
        f"cannot create link vxlan0 in namespace overlay-net2: {held}",
        0,
    )
    assert await look(host, key, LINK) == [replace(TUNNEL, vni=4098), TUNNEL]


@on_both
async def test_a_name_of_another_kind_is_not_taken(host: Host) -> None:
    host.foreign_link("vxlan0", "ifb")
    key = LinkKey("", "vxlan0")
    taken = "cannot create link vxlan0: a link of kind ifb has that name"
    assert await refusal(host, Step(key, None, TUNNEL)) == (taken, 0)
    assert await look(host, key) == [Foreign("ifb")]


@on_both
async def test_entries_are_replaced_and_deleted(host: Host) -> None:
    await converge(host, overlay())
    await make(host, FDB, ELSEWHERE)
    await make(host, NEIGHBOUR, MAC2)
    await make(host, NEIGHBOUR6, MAC2)
    assert await look(host, FDB, NEIGHBOUR, NEIGHBOUR6) == [ELSEWHERE, MAC2, MAC2]
    for key in (FDB, NEIGHBOUR, NEIGHBOUR6):
        await remove(host, key)
        await host.links.perform([Step(key, "", None)])  # gone already


@on_both
async def test_an_entry_that_is_there_already_is_no_failure(host: Host) -> None:
    await converge(host, overlay())
    await host.links.perform([Step(FDB, None, THERE), Step(NEIGHBOUR, None, MAC)])
    await host.links.perform([Step(FDB, None, ELSEWHERE)])  # whatever was there before
    assert await look(host, FDB, NEIGHBOUR) == [ELSEWHERE, MAC]


@on_both
async def test_entries_need_their_link_and_its_bridge(host: Host) -> None:
    await make(host, NamespaceKey(OVER), "net1")
    no_link = "there is no link vxlan0 in namespace overlay-net1"
    entry = f"cannot set forwarding entry {MAC} of link vxlan0 in namespace overlay-net1 to {THERE}"
    assert await refusal(host, Step(FDB, None, THERE)) == (f"{entry}: {no_link}", 0)
    assert await refusal(host, Step(NEIGHBOUR, None, MAC)) == (
        f"cannot set neighbour 10.0.0.2 of link vxlan0 in namespace overlay-net1 to {MAC}: {no_link}",
        0,
    )
    await make(host, LINK, TUNNEL)
    assert await refusal(host, Step(FDB, None, THERE)) == (f"{entry}: it is no port of a bridge", 0)


@on_both
async def test_an_entry_that_its_bridge_lost_is_half_there_and_put_right(host: Host) -> None:
    await converge(host, overlay())
    await make(host, LinkSettingKey(OVER, "vxlan0", MASTER), "")
    assert await look(host, FDB) == [""]
    await converge(host, overlay())
    await make(host, LinkSettingKey(OVER, "vxlan0", MASTER), "")
    await remove(host, FDB)


@on_both
async def test_neighbours_go_when_the_link_goes_down_or_loses_ipv6(host: Host) -> None:
    await converge(host, overlay())
    switch = SysctlKey(OVER, ("net", "ipv6", "conf", "vxlan0", "disable_ipv6"))
    await make(host, switch, "1")
    assert await look(host, FDB, NEIGHBOUR, NEIGHBOUR6) == [THERE, MAC, None]
    message, _ = await refusal(host, Step(NEIGHBOUR6, None, MAC))
    assert message.endswith(": IPv6 is disabled on this device")
    await make(host, switch, "0")
    await make(host, LinkSettingKey(OVER, "vxlan0", UP), "off")
    assert await look(host, FDB, NEIGHBOUR) == [THERE, None]
    await converge(host, overlay())


@on_both
async def test_all_that_overlays_were_told_is_found(host: Host) -> None:
    await converge(host, overlay())
    await make(host, FdbKey(OVER, "vxlan0", MAC2), ELSEWHERE)
    named = (NamespaceKey, LinkKey, FdbKey, NeighbourKey)
    everything: dict[Any, Any] = {key: value for key, value in overlay().items() if isinstance(key, named)}
    del everything[LinkKey(OVER, "br0")]
    assert await host.links.everything() == {**everything, FdbKey(OVER, "vxlan0", MAC2): ELSEWHERE}
    await converge(host, dict.fromkeys(overlay()))
    assert await host.links.everything() == {}


@on_both
async def test_a_container_is_a_port_of_the_bridge_in_the_other_namespace(host: Host) -> None:
    await converge(host, overlay())
    place: dict[Key, Value | None] = {
        NamespaceKey("web1"): "alias1",
        LinkKey(OVER, "veth1"): Veth("web1", "eth0", MAC2),
        LinkSettingKey(OVER, "veth1", MTU): "1450",
        LinkSettingKey(OVER, "veth1", MASTER): "br0",
        LinkSettingKey(OVER, "veth1", HAIRPIN): "off",
        LinkSettingKey(OVER, "veth1", UP): "on",
        LinkSettingKey("web1", "eth0", UP): "on",
        AddressKey("web1", "eth0", IPv4Interface("10.0.0.3/24")): True,
    }
    await converge(host, place)
    await make(host, LinkKey(OVER, "veth1"), Veth("web1", "eth0", MAC))
    await converge(host, dict.fromkeys(place))
    assert await look(host, *overlay()) == list(overlay().values())
