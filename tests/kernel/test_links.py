"""What the kernel's links do beyond the contract: what other tools see, and what traffic sees."""

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import Callable, Coroutine, Iterator
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest
from pyroute2.netlink.rtnl import RTM_GETLINK

from fairlead.kernel.links import KernelLinks
from fairlead.kernel.namespaces import namespace_path
from fairlead.kernel.netlink import Conversation, Request
from fairlead.model.endpoint import alias_directory
from fairlead.model.errors import Failed, StepFailed
from fairlead.model.host import (
    Bridge,
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
from tests.contract.test_links import bridge, sandbox
from tests.kernel.fresh_host import in_fresh_host, inside

EXEC_ROOT = Path("/run/engine")
ALIASES = Path(alias_directory(str(EXEC_ROOT)))
PINS = Path("/run/netns")


def on_kernel(test: Callable[[KernelLinks], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Run the coroutine function with links in a fresh host."""

    async def body() -> None:
        links = KernelLinks(str(EXEC_ROOT))
        try:
            await test(links)
        finally:
            links.close()

    def run() -> None:
        in_fresh_host(body)

    run.__name__ = test.__name__
    return run


def shell(command: str) -> str:
    return subprocess.run(command, shell=True, check=True, capture_output=True, text=True).stdout


async def converge(links: KernelLinks, desired: dict[Key, Value | None]) -> None:
    await links.perform(difference(desired, await links.observe(list(desired))))
    observed = await links.observe(list(desired))
    assert observed == {key: desired[key] or observed[key] for key in desired}


async def add(links: KernelLinks, key: Key, value: Value) -> None:
    await links.perform([Step(key, None, value)])


async def remove(links: KernelLinks, state: dict[Key, Value | None]) -> None:
    steps = difference(dict.fromkeys(state), await links.observe(list(state)))
    await links.perform(steps)
    observed = await links.observe([step.key for step in steps])
    assert set(observed.values()) == {None}


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come true in ten seconds")


@on_kernel
async def test_the_first_packet_of_a_sandbox_arrives(links: KernelLinks) -> None:
    # Only one try of address resolution: a packet that gets lost at the beginning stays lost.
    one_try = Step(SysctlKey("web1", ("net", "ipv4", "neigh", "eth0", "mcast_solicit")), None, "1")
    for turn in range(20):
        desired = bridge() | sandbox()
        steps = list(difference(desired, await links.observe(list(desired))))
        made = next(number for number, step in enumerate(steps) if step.key == LinkKey("", "veth1"))
        steps.insert(made + 1, one_try)
        await links.perform(steps)
        await links.observe([step.key for step in steps])
        assert echo("web1"), f"in turn {turn}"
        await remove(links, desired)


def echo(name: str) -> bool:
    """Whether one datagram from a sandbox reaches the bridge's address, and its answer the sandbox."""
    with inside(f"/run/netns/{name}"):
        inner = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with inner, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outer:
        outer.bind(("172.30.0.1", 7777))
        inner.sendto(b"ping", ("172.30.0.1", 7777))
        for each in (outer, inner):
            each.settimeout(3)
        try:
            _, sender = outer.recvfrom(100)
            outer.sendto(b"pong", sender)
            return inner.recv(100) == b"pong"
        except OSError:
            return False


@on_kernel
async def test_looking_at_a_port_asks_for_its_bridge_right_after_it(links: KernelLinks) -> None:
    # The kernel notices a carrier when it describes a link; the packet test above sees its absence
    # only now and then, since the kernel may notice by itself in time.
    await converge(links, bridge())
    await converge(links, sandbox())
    asked: list[str | int] = []
    get = Conversation.get

    def recorded(conversation: Conversation, request: Request) -> bytes:
        if request.kind == RTM_GETLINK:
            asked.append(dict(request.message["attrs"]).get("IFLA_IFNAME") or request.message["index"])
        return get(conversation, request)

    Conversation.get = recorded  # type: ignore[method-assign]
    number = socket.if_nametoindex("br0")
    for key in (LinkKey("", "veth1"), LinkSettingKey("", "veth1", LinkSetting.UP)):
        asked.clear()
        await links.observe([LinkKey("", "br0"), key])
        assert asked[:3] == ["br0", "veth1", number]


@on_kernel
async def test_links_look_as_docker_makes_them(links: KernelLinks) -> None:
    await converge(links, bridge())
    await converge(links, sandbox())
    for shown in (shell("ip -d link show veth1"), shell("ip netns exec web1 ip -d link show eth0")):
        assert "numtxqueues 1 " in shown and "numrxqueues 1 " in shown and "qlen" not in shown
    assert "stp_state 0 " in shell("ip -d link show br0") and "qlen" not in shell("ip link show br0")
    inner = shell("ip netns exec web1 ip addr show eth0")
    assert "inet 172.30.0.2/16 brd 172.30.255.255 scope global eth0" in inner
    routes = shell("ip netns exec web1 ip route").splitlines()
    assert [route.strip() for route in routes if "default" in route] == ["default via 172.30.0.1 dev eth0"]


@on_kernel
async def test_an_ipv6_address_is_usable_at_once(links: KernelLinks) -> None:
    await converge(links, bridge())
    await converge(links, sandbox())
    with inside("/run/netns/web1"), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as inner:
        inner.bind(("fd00:30::2", 0))  # refused as long as duplicates are being looked for
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as outer:
        outer.bind(("fd00:30::1", 0))


@on_kernel
async def test_iproute2_sees_the_pins_and_its_own_stay(links: KernelLinks) -> None:
    shell("ip netns add theirs")
    await add(links, NamespaceKey("ours"), "alias1")
    assert sorted(line.split()[0] for line in shell("ip netns list").splitlines()) == ["ours", "theirs"]
    assert "lo" in shell("ip netns exec ours ip link show")
    await links.perform([Step(NamespaceKey("ours"), "alias1", None)])
    assert shell("ip netns list").split() == ["theirs"]


@on_kernel
async def test_pins_are_seen_in_mount_namespaces_that_are_older(links: KernelLinks) -> None:
    await add(links, NamespaceKey("web1"), "alias1")
    with older_mount_namespace() as process:
        await add(links, NamespaceKey("web2"), "alias2")
        assert "lo" in shell(f"nsenter --target {process} --mount ip netns exec web2 ip link show")
        shell(f"nsenter --target {process} --mount ip netns add theirs")
        assert "lo" in shell("ip netns exec theirs ip link show")


@contextlib.contextmanager
def older_mount_namespace() -> Iterator[int]:
    """A process in a mount namespace like this one as it is now."""
    command = ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", "echo; exec sleep 60"]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert holder.stdout is not None and holder.stdout.readline()
        yield holder.pid
    finally:
        holder.kill()
        holder.communicate()


@on_kernel
async def test_a_namespace_ends_though_an_older_mount_namespace_saw_its_pin(links: KernelLinks) -> None:
    await converge(links, bridge())
    await converge(links, sandbox())
    with older_mount_namespace():
        await links.perform([Step(NamespaceKey("web1"), "alias1", None)])
        await until(lambda: "veth1" not in shell("ip -o link"))


@on_kernel
async def test_an_alias_is_a_symbolic_link_that_leads_to_the_namespace(links: KernelLinks) -> None:
    await add(links, NamespaceKey("web1"), "alias1")
    assert os.readlink(ALIASES / "alias1") == namespace_path("web1")
    with open(ALIASES / "alias1") as through_alias, open("/proc/self/ns/net") as home:
        assert not os.path.sameopenfile(through_alias.fileno(), home.fileno())
    assert await links.everything() == {NamespaceKey("web1"): "alias1"}


@on_kernel
async def test_a_pin_whose_alias_is_gone_is_not_ours_any_more(links: KernelLinks) -> None:
    await add(links, NamespaceKey("web1"), "alias1")
    (ALIASES / "alias1").unlink()
    assert await links.observe([NamespaceKey("web1")]) == {NamespaceKey("web1"): None}
    (ALIASES / "alias2").symlink_to("/run/netns/web1")
    assert await links.everything() == {NamespaceKey("web1"): "alias2"}


@on_kernel
async def test_of_several_routes_to_a_destination_the_one_that_is_used_counts(links: KernelLinks) -> None:
    await converge(links, bridge())
    for metric, gateway in ((20, "172.30.0.8"), (10, "172.30.0.9"), (30, "172.30.0.7")):
        shell(f"ip route add 10.9.0.0/24 via {gateway} metric {metric}")
    key = RouteKey("", IPv4Network("10.9.0.0/24"))
    assert await links.observe([key]) == {key: Route(IPv4Address("172.30.0.9"), "br0")}


@pytest.mark.parametrize("leftover", ["alias", "alias and empty file"])
@pytest.mark.parametrize("wanted", [True, False])
def test_what_an_interrupted_change_or_a_reboot_left_is_ours_to_mend(leftover: str, wanted: bool) -> None:
    async def scenario(links: KernelLinks) -> None:
        ALIASES.mkdir(parents=True)
        (ALIASES / "alias1").symlink_to("/run/netns/web1")
        if leftover != "alias":
            PINS.mkdir()
            (PINS / "web1").touch()
        key = NamespaceKey("web1")
        assert await links.observe([key]) == {key: ""}
        assert await links.everything() == {key: "alias1"}
        await links.perform([Step(key, "", "alias1" if wanted else None)])
        assert await links.observe([key]) == {key: "alias1" if wanted else None}
        if not wanted:
            assert not any(ALIASES.iterdir()) and not (PINS / "web1").exists()

    on_kernel(scenario)()


@on_kernel
async def test_another_engine_neither_owns_nor_takes_the_pin(links: KernelLinks) -> None:
    await add(links, NamespaceKey("web1"), "alias1")
    other = KernelLinks("/run/other")
    key = NamespaceKey("web1")
    assert await other.observe([key]) == {key: None} and await other.everything() == {}
    with pytest.raises(StepFailed, match="/run/netns/web1 belongs to somebody else"):
        await other.perform([Step(key, None, "alias1")])
    assert await other.everything() == {}
    await other.perform([Step(key, "alias1", None)])
    other.close()
    assert await links.observe([key]) == {key: "alias1"}


@on_kernel
async def test_a_restarted_engine_finds_what_it_made(links: KernelLinks) -> None:
    await converge(links, bridge())
    await converge(links, sandbox())
    again = KernelLinks(str(EXEC_ROOT))
    desired = bridge() | sandbox()
    assert difference(desired, await again.observe(list(desired))) == ()
    assert await again.observe([LinkKey("", "veth1")]) == {
        LinkKey("", "veth1"): desired[LinkKey("", "veth1")]
    }
    again.close()


@on_kernel
async def test_the_other_end_of_a_veth_in_a_foreign_namespace_is_unknown(links: KernelLinks) -> None:
    shell("ip netns add theirs; ip link add veth9 type veth peer name eth0 netns theirs")
    key = LinkKey("", "veth9")
    assert await links.observe([key]) == {key: Veth("", "", "")}
    await links.perform([Step(key, Veth("gone", "eth0", ""), None)])
    assert await links.observe([key]) == {key: None}


@on_kernel
async def test_nothing_stays_open(links: KernelLinks) -> None:
    await converge(links, bridge())
    counts = set()
    for _ in range(5):
        await converge(links, sandbox())
        await remove(links, sandbox())
        counts.add(len(os.listdir("/proc/self/fd")))
    assert len(counts) == 1
    assert not any(ALIASES.iterdir()) and not any(PINS.iterdir())


@on_kernel
async def test_looking_at_one_sandbox_costs_the_same_however_many_there_are(links: KernelLinks) -> None:
    asked = 0
    receive = Conversation._receive

    def counted(conversation: Conversation) -> bytes:
        nonlocal asked
        asked += 1
        return receive(conversation)

    async def cost() -> int:
        nonlocal asked
        asked = 0
        await links.observe(list(sandbox(1)))
        return asked

    await converge(links, bridge())
    await converge(links, sandbox(1))
    Conversation._receive = counted  # type: ignore[method-assign]
    alone = await cost()
    for number in range(2, 12):
        await converge(links, sandbox(number))
    assert 0 < await cost() == alone


@on_kernel
async def test_a_cancelled_caller_waits_for_what_is_being_done(links: KernelLinks) -> None:
    steps = [Step(NamespaceKey(f"web{number}"), None, f"alias{number}") for number in range(30)]
    work = asyncio.create_task(links.perform(steps))
    await asyncio.sleep(0)  # it has begun
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert len(list(PINS.iterdir())) == 30


@on_kernel
async def test_many_callers_at_once(links: KernelLinks) -> None:
    await converge(links, bridge())
    await asyncio.gather(*(converge(links, sandbox(number)) for number in range(1, 9)))
    everything = bridge()
    for number in range(1, 9):
        everything |= sandbox(number)
    assert difference(everything, await links.observe(list(everything))) == ()
    await asyncio.gather(*(remove(links, sandbox(number)) for number in range(1, 9)))
    assert await links.everything() == {}
    assert "veth" not in shell("ip -o link")


@on_kernel
async def test_a_kernel_that_does_not_answer_is_told_in_a_sentence(links: KernelLinks) -> None:
    await converge(links, bridge())

    def silent(conversation: Conversation) -> bytes:
        raise TimeoutError("timed out")

    Conversation._receive = silent  # type: ignore[method-assign]
    with pytest.raises(Failed, match="^cannot look at the links of this host: timed out"):
        await links.observe([LinkKey("", "br0")])
    for step in (Step(LinkKey("", "br1"), None, Bridge("")), Step(LinkKey("", "br0"), Bridge(""), None)):
        with pytest.raises(StepFailed, match="^cannot (create|delete) link br[01]: timed out"):
            await links.perform([step])


@on_kernel
async def test_a_setting_on_a_read_only_mount_is_refused_unless_it_already_holds(links: KernelLinks) -> None:
    key = SysctlKey("", ("net", "ipv4", "ip_forward"))
    await add(links, key, "1")
    shell("mount --bind /proc/sys /proc/sys && mount -o remount,ro,bind /proc/sys")
    await add(links, key, "1")
    with pytest.raises(StepFailed, match="^cannot set net.ipv4.ip_forward to 0: it is read-only$"):
        await add(links, key, "0")
