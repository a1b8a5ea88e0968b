"""Links for VLANs: the kernel's and the fake's behave alike, where the kernel has them."""

import functools
import subprocess

import pytest

from fairlead.model.host import (
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
    Vlan,
)
from tests.contract.test_links import FakeHost, Host, converge, look, make, on_both, refusal

WIRE, FIFTY, SIXTY = LinkKey("", "wire"), LinkKey("", "wire.50"), LinkKey("", "wire.60")
NO_VLANS = "operation not supported: this kernel has no VLAN links (8021q)"


@functools.cache
def kernel_has_vlans() -> bool:
    """Asked in a network namespace that is gone afterwards."""
    probe = "ip link add a type veth peer name b && ip link add link a name a.9 type vlan id 9"
    return subprocess.run(["unshare", "-n", "sh", "-c", probe], capture_output=True).returncode == 0


@pytest.fixture(autouse=True)
def on_this_kernel(request: pytest.FixtureRequest) -> None:
    """Skip what takes a kernel with VLANs, or one without."""
    if request.node.callspec.params["kind"] == "kernel":
        without = "without" in request.node.name
        if kernel_has_vlans() == without:
            pytest.skip(f"the kernel has {'' if without else 'no '}VLAN links (8021q)")


async def wire(host: Host) -> None:
    """Make a link that VLANs can be on."""
    await make(host, WIRE, Veth("", "far", "02:42:c6:33:64:09"))


def desired() -> dict[Key, Value | None]:
    return {FIFTY: Vlan("wire", 50), LinkSettingKey("", "wire.50", LinkSetting.UP): "on"}


@on_both
async def test_a_vlan_is_there_as_wanted_when_performed_and_gone_when_removed(host: Host) -> None:
    await wire(host)
    await converge(host, desired())
    assert not await converge(host, desired())
    await converge(host, {FIFTY: None})
    assert await look(host, FIFTY, WIRE) == [None, Veth("", "far", "02:42:c6:33:64:09")]


@on_both
async def test_the_inverses_lead_back(host: Host) -> None:
    await wire(host)
    step = Step(FIFTY, None, Vlan("wire", 50))
    await host.links.perform([step, step, step.inverse(), step.inverse()])
    assert await look(host, FIFTY) == [None]
    await host.links.perform([step, step.inverse().inverse()])
    assert await look(host, FIFTY) == [Vlan("wire", 50)]


@on_both
async def test_what_is_on_a_vlan_sees_it_as_its_parent_and_goes_with_it(host: Host) -> None:
    await wire(host)
    await converge(host, desired())
    container = LinkKey("web1", "eth0")
    await make(host, NamespaceKey("web1"), "alias1")
    await make(host, container, Macvlan("wire.50", MacvlanMode.BRIDGE, "02:42:c6:33:64:02"))
    await host.links.perform([Step(FIFTY, Vlan("wire", 50), None)])
    assert await look(host, container) == [None]


@on_both
async def test_it_is_refused_with_who_is_in_its_way(host: Host) -> None:
    await wire(host)
    await converge(host, desired())
    sixty = await refusal(host, Step(SIXTY, None, Vlan("wire", 50)))
    assert sixty == ("cannot create link wire.60: wire has a link for VLAN 50 already", 0)
    nowhere = await refusal(host, Step(LinkKey("", "no.5"), None, Vlan("no", 5)))
    assert nowhere == ("cannot create link no.5: its parent no is not there", 0)
    host.foreign_link("wire.60", "ifb")
    namesake = await refusal(host, Step(SIXTY, None, Vlan("wire", 60)))
    assert namesake == ("cannot create link wire.60: a link of kind ifb has that name", 0)
    assert await look(host, SIXTY) == [Foreign("ifb")]


@on_both
async def test_a_kernel_without_them_says_so_and_nothing_changes(host: Host) -> None:
    if isinstance(host, FakeHost):
        host.links.has_vlans = False
    await wire(host)
    assert await refusal(host, Step(FIFTY, None, Vlan("wire", 50))) == (
        f"cannot create link wire.50: {NO_VLANS}",
        0,
    )
    assert await look(host, FIFTY) == [None]
