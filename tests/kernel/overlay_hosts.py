"""Hosts with overlay networks, joined by a LAN: each a process in network and mount namespaces of its own.

What is told to one is a desired state; it converges with the real actuator of links.  The LAN is
a bridge in a namespace, where it can be seen what the hosts send to each other.
"""

import contextlib
import multiprocessing
import os
import shlex
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from multiprocessing.connection import Connection
from typing import Any

from fairlead.kernel.links import KernelLinks
from fairlead.kernel.nft import Nftables
from fairlead.model.addresses import Address
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.host import Key, NameKey, PointerKey, State, Value, Vxlan
from fairlead.model.network import Network, Pool
from fairlead.model.surroundings import Surroundings
from fairlead.planner import overlay
from fairlead.planner.sandbox import sandbox_state
from fairlead.reconcile.converge import Reconciler
from tests.kernel.fresh_host import in_fresh_host, inside
from tests.kernel.virtual_host import Node

DEADLINE = 30  # seconds for one answer of a host
VXLAN_PORT = 4789
UPLINK = 1500
ETH_P_ALL = 3
OUTER = 14 + 20 + 8 + 8  # bytes of Ethernet, IP, UDP and VXLAN around a container's frame

NETWORK = Network(
    "ab" * 32,
    "shop",
    "overlay",
    0,
    1,
    scope="global",
    pools=(
        Pool(IPv4Network("10.0.0.0/24"), gateway=IPv4Address("10.0.0.1")),
        Pool(IPv6Network("fd00::/64"), gateway=IPv6Address("fd00::1")),
    ),
    enable_ipv6=True,
)


@dataclass(frozen=True)
class Container:
    """A container that may be on any host: its number, and what differs from that."""

    number: int
    mac: str = ""

    @property
    def name(self) -> str:
        return f"c{self.number}"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(
            id=f"{self.number:064x}",
            network_id=NETWORK.id,
            container_id=f"{self.number:064x}",
            sandbox_id=f"{self.number:064x}",
            sequence=self.number,
            interface="eth0",
            host_interface=f"veth{self.number}",
            mac=self.mac or f"02:42:0a:00:00:{self.number:02x}",
            ipv4=IPv4Interface(f"10.0.0.{self.number}/24"),
            ipv6=IPv6Interface(f"fd00::{self.number}/64"),
        )

    def local(self) -> State:
        """What its own host has of it."""
        sandbox = Sandbox(self.endpoint.sandbox_id[::-1], self.endpoint.container_id, self.name)
        size = overlay.overlay_mtu(NETWORK, IPv4Address("192.0.2.1"), UPLINK)
        inside = sandbox_state(sandbox, [(NETWORK, self.endpoint)], Surroundings())
        return {**inside, **overlay.endpoint_state(NETWORK, sandbox, self.endpoint, size)}

    def remote(self, vtep: Address) -> State:
        """What another host has of it."""
        own = self.endpoint
        remote = RemoteEndpoint(
            own.id, own.network_id, str(vtep), 1, vtep, own.mac, self.name, ipv4=own.ipv4, ipv6=own.ipv6
        )
        return overlay.remote_state(NETWORK, remote)


def network_state(vtep: Address) -> State:
    """What a host has of the network itself."""
    size = overlay.overlay_mtu(NETWORK, vtep, UPLINK)
    return overlay.overlay_state(NETWORK, Vxlan(4097, vtep, VXLAN_PORT), size)


class OverlayHost:
    """One host; `vtep` is its address on the LAN."""

    def __init__(self, vtep: IPv4Interface):
        self.vtep = vtep.ip
        self._connection, other = multiprocessing.Pipe()
        # A thread that waits for the forked host.
        self._waiting = threading.Thread(target=in_fresh_host, args=[lambda: _serve(other)])
        self._waiting.start()
        self.pid = int(self._answer())
        other.close()
        self.run("ip link set lo up")

    def converge(self, *states: State) -> int:
        """Bring the host there; how many steps it took."""
        wanted: dict[Key, Value | None] = {}
        for state in states:
            wanted |= {
                key: value for key, value in state.items() if not isinstance(key, NameKey | PointerKey)
            }
        self._connection.send(wanted)
        return int(self._answer())

    def surplus(self, *states: State) -> set[Key]:
        """What is there of ours that these states do not have."""
        self._connection.send([key for state in states for key in state])
        return set(self._answer())

    def run(self, command: str, check: bool = True) -> str:
        """The standard output of a command on the host, "" for one that fails if that is no matter."""
        self._connection.send((command, check))
        return str(self._answer())

    def inside(self, container: Container, command: str, check: bool = True) -> str:
        """The same, in a container."""
        return self.run(f"ip netns exec {container.name} {command}", check)

    def reaches(self, container: Container, address: str, patience: float = 5) -> bool:
        """Whether a container gets an answer from an address, to the very first packet, in so many seconds."""
        ping = f"ping -n -c 1 -W {patience} {address}"
        return "1 received" in self.inside(container, ping, check=False)

    def close(self) -> None:
        """End the host; its namespaces go with it."""
        with contextlib.suppress(OSError):
            self._connection.send(None)
        self._connection.close()
        self._waiting.join()

    def _answer(self) -> Any:
        assert self._connection.poll(DEADLINE), "a host does not answer"
        answer = self._connection.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer


async def _serve(connection: Connection) -> None:
    """Live as a host: converge to a dictionary, look for what is not in a list, run a command; None ends it."""
    connection.send(os.getpid())
    links, nftables = KernelLinks("/run/engine"), Nftables()
    reconciler = Reconciler([links, nftables])
    while (request := connection.recv()) is not None:
        try:
            if isinstance(request, dict):
                answer: Any = len((await reconciler.converge(request)).steps)
            elif isinstance(request, list):
                answer = list(await reconciler.surplus(dict.fromkeys(request, True)))
            else:
                answer = _shell(*request)
        except Exception as error:
            answer = AssertionError(f"{type(error).__name__}: {error}")
        connection.send(answer)
    links.close()
    nftables.close()


def _shell(command: str, check: bool) -> str:
    finished = subprocess.run(
        shlex.split(command), capture_output=True, text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL
    )
    assert not check or not finished.returncode, f"{command}: {finished.stdout}{finished.stderr}"
    return finished.stdout


@dataclass
class Lan:
    """The LAN with its hosts; port hN leads to the Nth."""

    node: Node
    hosts: Sequence[OverlayHost]

    @contextlib.contextmanager
    def seen(self, number: int) -> Iterator[list[bytes]]:
        """All frames that a host sends meanwhile; they are in the list afterwards."""
        frames: list[bytes] = []
        with _watching(self.node.pid, f"h{number}") as watcher:
            yield frames
            watcher.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                while True:
                    frame, (_, _, direction, *_) = watcher.recvfrom(65536)
                    if direction != socket.PACKET_OUTGOING:
                        frames.append(frame)


@contextlib.contextmanager
def _watching(pid: int, link: str) -> Iterator[socket.socket]:
    """A packet socket in the namespace of a process."""
    with inside(f"/proc/{pid}/ns/net"):
        watcher = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        watcher.bind((link, ETH_P_ALL))
    with watcher:
        yield watcher


@contextlib.contextmanager
def lan(count: int) -> Iterator[Lan]:
    """That many hosts at 10.8.0.1, .2, ... on one LAN."""
    with contextlib.ExitStack() as stack:
        node = Node()
        stack.callback(node.close)
        node.run("ip link add lan type bridge && ip link set lan up")
        hosts = []
        for number in range(1, count + 1):
            host = OverlayHost(IPv4Interface(f"10.8.0.{number}/24"))
            stack.callback(host.close)
            port = f"ip link add h{number} type veth peer name eth0 netns {host.pid}"
            node.run(f"{port} && ip link set h{number} master lan up")
            host.run(f"ip address add {host.vtep}/24 dev eth0")
            host.run("ip link set eth0 up")
            hosts.append(host)
        yield Lan(node, hosts)


def inner(frames: Sequence[bytes]) -> list[bytes]:
    """The frames of containers among those of the LAN."""
    return [
        frame[OUTER:]
        for frame in frames
        if (frame[12:14], frame[23]) == (b"\x08\x00", socket.IPPROTO_UDP)
        and frame[36:38] == VXLAN_PORT.to_bytes(2, "big")
    ]
