"""Macvlan links and the links that lead nowhere: the kernel's and the fake's behave alike."""

from ipaddress import IPv4Interface

from fairlead.model.host import (
    AddressKey,
    Bridge,
    Dummy,
    Foreign,
    Key,
    LinkKey,
    LinkSetting,
    LinkSettingKey,
    Macvlan,
    MacvlanMode,
    NamespaceKey,
    Step,
    Value,
    Veth,
)
from fairlead.planner.steps import difference
from tests.contract.test_links import Host, converge, look, make, on_both, refusal, remove

UP, MTU = LinkSetting.UP, LinkSetting.MTU
MAC, OTHER_MAC = "02:42:c6:33:64:02", "02:42:c6:33:64:03"
PARENT = LinkKey("", "dm-000000000000")
WIRE = LinkKey("", "wire")


def place(
    number: int = 1, mac: str = MAC, mode: MacvlanMode = MacvlanMode.BRIDGE, parent: LinkKey = PARENT
) -> dict[Key, Value | None]:
    """A namespace with a macvlan link under a name that the host's namespace may have too."""
    name = f"web{number}"
    return {
        NamespaceKey(name): f"alias{number}",
        LinkKey(name, "eth0"): Macvlan(parent.name, mode, mac),
        LinkSettingKey(name, "eth0", UP): "on",
        AddressKey(name, "eth0", IPv4Interface(f"198.51.100.{number}/24")): True,
    }


async def make_parent(host: Host) -> None:
    await make(host, PARENT, Dummy())
    await make(host, LinkSettingKey("", PARENT.name, UP), "on")


@on_both
async def test_a_link_that_leads_nowhere_is_made_and_removed(host: Host) -> None:
    await make_parent(host)
    await remove(host, PARENT)
    host.foreign_link("eth0", "ifb")
    assert await look(host, LinkKey("", "eth0")) == [Foreign("ifb")]


@on_both
async def test_a_macvlan_is_there_as_wanted_when_performed_also_beside_a_namesake(host: Host) -> None:
    await make_parent(host)
    await make(host, LinkKey("", "eth0"), Bridge("02:42:00:00:00:01"))
    for number, mode in enumerate((MacvlanMode.BRIDGE, MacvlanMode.PRIVATE, MacvlanMode.VEPA), 1):
        await converge(host, place(number, f"02:42:c6:33:64:{number:02x}", mode))
    desired = place(1, "02:42:c6:33:64:01")
    assert difference(desired, await host.links.observe(list(desired))) == ()
    assert await look(host, LinkKey("", "eth0")) == [Bridge("02:42:00:00:00:01")]


@on_both
async def test_the_inverses_of_any_number_of_steps_lead_back(host: Host) -> None:
    await make_parent(host)
    desired = place()
    first = await host.links.observe([*desired, PARENT])
    steps = difference(desired, first)
    for count in range(len(steps) + 1):
        await host.links.perform(steps[:count])
        for step in reversed(steps[:count]):
            await host.links.perform([step.inverse()])
        assert await host.links.observe([*desired, PARENT]) == first, steps[:count]


@on_both
async def test_the_inverse_of_a_removal_leads_back_also_for_the_parent(host: Host) -> None:
    await make_parent(host)
    step = Step(PARENT, Dummy(), None)
    await host.links.perform([step, step, step.inverse(), step.inverse()])
    assert await look(host, PARENT) == [Dummy()]
    await host.links.perform([step.inverse().inverse()])
    assert await look(host, PARENT) == [None]


@on_both
async def test_what_a_namespace_has_of_a_parent_is_free_as_soon_as_it_is_gone(host: Host) -> None:
    await make(host, WIRE, Veth("", "far", "02:42:c6:33:64:09"))
    for mode in (MacvlanMode.BRIDGE, MacvlanMode.PASSTHRU):
        for number in (1, 2, 1):
            desired = place(number, mode=mode, parent=WIRE)
            await converge(host, desired)
            await converge(host, dict.fromkeys(desired))


@on_both
async def test_two_links_of_a_parent_cannot_have_one_hardware_address(host: Host) -> None:
    await make_parent(host)
    await converge(host, place(1))
    steps = difference(place(2), await host.links.observe(list(place(2))))
    message, _ = await refusal(host, *steps)
    assert message.startswith("cannot raise link eth0 in namespace web2: ")


@on_both
async def test_passthru_has_its_parent_to_itself_and_the_address_that_it_wants(host: Host) -> None:
    await make(host, WIRE, Veth("", "far", "02:42:c6:33:64:09"))
    await converge(host, place(1, mode=MacvlanMode.PASSTHRU, parent=WIRE))
    await make(host, NamespaceKey("web2"), "alias2")
    for mode in MacvlanMode:
        step = Step(LinkKey("web2", "eth0"), None, Macvlan(WIRE.name, mode, OTHER_MAC))
        message = "cannot create link eth0 in namespace web2: Invalid argument"
        assert await refusal(host, step) == (message, 0)
    assert await look(host, LinkKey("web1", "eth0")) == [Macvlan(WIRE.name, MacvlanMode.PASSTHRU, MAC)]


@on_both
async def test_another_address_is_given_and_another_mode_makes_another_link(host: Host) -> None:
    await make_parent(host)
    await converge(host, place())
    key = LinkKey("web1", "eth0")
    await make(host, key, Macvlan(PARENT.name, MacvlanMode.BRIDGE, OTHER_MAC))
    assert await look(host, LinkSettingKey("web1", "eth0", UP)) == ["on"]
    await make(host, key, Macvlan(PARENT.name, MacvlanMode.PRIVATE, OTHER_MAC))
    assert await look(host, LinkSettingKey("web1", "eth0", UP)) == ["off"]
    await host.links.perform([Step(LinkKey("web1", "eth1"), None, Macvlan(PARENT.name, MacvlanMode.BRIDGE))])
    await host.links.perform([Step(LinkKey("web1", "eth1"), None, Macvlan(PARENT.name, MacvlanMode.BRIDGE))])


@on_both
async def test_a_macvlan_has_the_mtu_of_its_parent_and_goes_with_it(host: Host) -> None:
    await make_parent(host)
    await make(host, LinkSettingKey("", PARENT.name, MTU), "1400")
    await converge(host, place())
    await make(host, LinkKey("", "shim"), Macvlan(PARENT.name, MacvlanMode.BRIDGE, OTHER_MAC))
    assert await look(host, LinkSettingKey("web1", "eth0", MTU)) == ["1400"]
    await remove(host, PARENT)
    assert await look(host, LinkKey("web1", "eth0"), LinkKey("", "shim")) == [None, None]


@on_both
async def test_a_parent_that_is_missing_is_the_reason(host: Host) -> None:
    await make(host, NamespaceKey("web1"), "alias1")
    step = Step(LinkKey("web1", "eth0"), None, Macvlan(PARENT.name, MacvlanMode.BRIDGE, MAC))
    assert await refusal(host, step) == (
        "cannot create link eth0 in namespace web1: its parent dm-000000000000 is not there",
        0,
    )


@on_both
async def test_a_link_that_is_no_macvlan_is_left_alone(host: Host) -> None:
    await make_parent(host)
    await make(host, LinkKey("", "left"), Veth("", "right", MAC))
    wanted = Macvlan(PARENT.name, MacvlanMode.BRIDGE, OTHER_MAC)
    for step in (Step(LinkKey("", "left"), None, wanted), Step(LinkKey("", "left"), wanted, None)):
        message, done = await refusal(host, step)
        assert message.endswith("link left: a link of kind veth has that name") and done == 0
