"""Make one host's place on an overlay network: as the engine does, or by hand; run inside the host.

Its arguments are `fairlead` or `hand`, and the VTEPs of this host and the other.
"""

import asyncio
import ipaddress
import subprocess
import sys
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from fairlead.kernel.links import KernelLinks
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.host import Key, Value, Vxlan
from fairlead.model.network import Network, Pool
from fairlead.model.surroundings import Surroundings
from fairlead.planner import overlay
from fairlead.planner.sandbox import sandbox_state
from fairlead.reconcile.converge import Reconciler

UPLINK = 1500
EXEC_ROOT = "/run/bench-overlay"
INSIDE = "bench-overlay"  # the namespace of the container that the engine's part makes
BY_HAND = "bench-hand"

# A tunnel end that learns nothing in the host's own namespace, and a veth pair, both on a bridge.
HAND = """set -e
ip netns add {inside}
ip link add hand0 type bridge; ip link set hand0 mtu {mtu} up
ip link add handvx mtu {mtu} type vxlan id 4098 local {here} dstport 4789 nolearning proxy udpcsum
ip link set handvx master hand0 up
ip link add hand1 mtu {mtu} master hand0 type veth peer name eth0 netns {inside} mtu {mtu} address {mac}
ip link set hand1 up
ip -n {inside} address add {address} dev eth0; ip -n {inside} link set eth0 up
bridge fdb add {other_mac} dev handvx self dst {there}
bridge fdb add {other_mac} dev handvx master static
ip neighbour add {other} lladdr {other_mac} dev handvx nud permanent
"""


def mac(vtep: IPv4Address) -> str:
    """The hardware address of the container on a host."""
    return f"02:42:0a:00:00:{vtep.packed[3]:02x}"


def address(vtep: IPv4Address, network: int) -> IPv4Interface:
    """The address of the container on a host."""
    return IPv4Interface(f"10.0.{network}.{vtep.packed[3]}/24")


def state(here: IPv4Address, there: IPv4Address) -> dict[Key, Value | None]:
    """The host's desired state; names are left out, since there is no resolver here."""
    network = Network("be" * 32, "bench", "overlay", 0, 1, pools=(Pool(IPv4Network("10.0.1.0/24")),))
    own, sandbox = address(here, 1), Sandbox("5" * 64, "c" * 64, INSIDE)
    endpoint = Endpoint("e" * 64, network.id, "c" * 64, "5" * 64, 1, "eth0", "bench1", mac(here), ipv4=own)
    remote = RemoteEndpoint(
        "f" * 64, network.id, "1" * 64, 1, there, mac(there), "other", ipv4=address(there, 1)
    )
    size = overlay.overlay_mtu(network, here, UPLINK)
    wanted = overlay.overlay_state(network, Vxlan(4097, here, 4789), size)
    wanted |= sandbox_state(sandbox, [(network, endpoint)], Surroundings())
    wanted |= overlay.endpoint_state(network, sandbox, endpoint, size)
    return wanted | overlay.remote_state(network, remote)


async def _converge(wanted: dict[Key, Value | None]) -> None:
    links = KernelLinks(EXEC_ROOT)
    try:
        await Reconciler([links]).converge(wanted)
    finally:
        links.close()


def main() -> None:
    """Make it."""
    kind, here, there = sys.argv[1], *map(ipaddress.IPv4Address, sys.argv[2:])
    if kind == "fairlead":
        asyncio.run(_converge(state(here, there)))
        return
    script = HAND.format(
        inside=BY_HAND,
        mtu=UPLINK - overlay.HEADERS[4],
        here=here,
        there=there,
        mac=mac(here),
        other_mac=mac(there),
        address=address(here, 2),
        other=address(there, 2).ip,
    )
    subprocess.run(["sh", "-c", script], check=True)


if __name__ == "__main__":
    main()
