"""The kernel tells of what others change, in containers' namespaces too, and fingerprints say where it was."""

import asyncio
import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator

import pytest

from fairlead.kernel.links import KernelLinks
from fairlead.kernel.notices import Notices, rule_notices
from fairlead.model.host import NamespaceKey, Step
from tests.contract.test_links import bridge, sandbox
from tests.kernel.fresh_host import in_fresh_host, inside
from tests.kernel.test_links import EXEC_ROOT, converge, on_kernel, shell, until

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
HOST, BRIDGE, OUTER = ("", ""), ("", "br0"), ("", "veth1")
INNER = ("web1", "eth0")


@contextlib.contextmanager
def listening(made: Callable[[Callable[[], None]], Notices]) -> Iterator[list[bool]]:
    """What is told, as a list that grows."""
    told: list[bool] = []
    notices = made(lambda: told.append(True))
    try:
        yield told
    finally:
        notices.close()


@on_kernel
async def test_changes_here_and_behind_veth_pairs_are_told(links: KernelLinks) -> None:
    await converge(links, bridge() | sandbox())
    for command in (
        "ip link set veth1 down",
        "ip addr del 172.30.0.1/16 dev br0",
        "ip netns exec web1 ip addr add 172.30.0.77/16 dev eth0",
        "ip netns exec web1 ip route add 203.0.113.0/24 dev eth0",
        "ip netns exec web1 ip link del eth0",
    ):
        with listening(Notices) as told:
            shell(command)
            await until(lambda told=told: bool(told))  # type: ignore[misc]


@on_kernel
async def test_what_the_kernel_learns_about_neighbours_is_not_told(links: KernelLinks) -> None:
    await converge(links, bridge())
    with listening(Notices) as told:
        shell("ip neigh add 172.30.0.9 dev br0 lladdr 02:42:ac:1e:00:09 nud stale")
        shell("ip neigh add 172.30.0.10 dev br0 lladdr 02:42:ac:1e:00:0a nud reachable")
        await asyncio.sleep(0)
        assert not told
        shell("ip neigh add 172.30.0.11 dev br0 lladdr 02:42:ac:1e:00:0b nud permanent")
        await until(lambda: bool(told))


def test_changes_of_rules_are_told() -> None:
    async def body() -> None:
        for command in ("iptables-nft -A FORWARD -j ACCEPT", "nft flush ruleset"):
            with listening(rule_notices) as told:
                shell(command)
                await until(lambda told=told: bool(told))  # type: ignore[misc]

    in_fresh_host(body)


@on_kernel
async def test_the_fingerprint_of_what_was_changed_is_another_one_and_no_other_is(links: KernelLinks) -> None:
    await converge(links, bridge() | sandbox())
    changed = {
        "ip link set veth1 down; ip link set veth1 up": set(),
        "bridge link set dev veth1 isolated on": {OUTER},
        "ip link set veth1 mtu 1300": {OUTER},
        "ip addr add 172.30.0.99/16 dev br0": {BRIDGE},
        "ip route del 172.30.0.0/16 dev br0": {BRIDGE},
        "ip netns exec web1 ip route add default via 172.30.0.1 metric 5": {INNER},
        "ip netns exec web1 ip -6 addr add fd00:30::99/64 dev eth0 nodad": {INNER},
        "ip link set veth1 nomaster": {OUTER},
    }
    for command, places in changed.items():
        before = await links.fingerprints(["", "web1"])
        shell(command)
        after = await links.fingerprints(["", "web1"])
        found = {place for place in before if before[place] != after.get(place)}
        # A container's routes may go with the bridge's carrier.
        assert places <= found and found <= places | ({INNER, BRIDGE} if "veth1" in command else set()), (
            command
        )
    shell("ip link del br0")
    after = await links.fingerprints(["", "web1", "nowhere"])
    assert BRIDGE not in after
    assert HOST in after and ("nowhere", "") not in after


@on_kernel
async def test_a_pin_that_was_unmounted_is_made_again_for_who_is_inside(links: KernelLinks) -> None:
    pin = Step(NamespaceKey("web1"), None, "alias1")
    await links.perform([pin])
    before = os.stat("/run/netns/web1").st_ino
    with inside("/run/netns/web1"):
        inhabitant = subprocess.Popen(["sleep", "60"])
    again = KernelLinks(str(EXEC_ROOT), lambda name: inhabitant.pid if name == "web1" else 0)
    try:
        for harm in ("umount /run/netns/web1", "umount /run/netns/web1; rm /run/netns/web1"):
            shell(harm)
            assert await again.observe([pin.key]) == {pin.key: ""}
            await again.perform([Step(pin.key, "", "alias1")])
            assert await again.observe([pin.key]) == {pin.key: "alias1"}
            assert os.stat("/run/netns/web1").st_ino == before
    finally:
        again.close()
        inhabitant.kill()
        inhabitant.wait()
