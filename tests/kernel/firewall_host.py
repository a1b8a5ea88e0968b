"""A network namespace as an engine's host, with bridges, containers, a LAN and the firewall's actuators."""

import asyncio
import json
import subprocess
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from fairlead.firewall import guards, policy, publish
from fairlead.kernel.nft import Nftables
from fairlead.kernel.rules import Iptables
from fairlead.model.config import Settings
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.host import Family, Key, Step, Value
from fairlead.model.network import BRIDGE_NAME, ENABLE_ICC, Network, Pool
from tests.kernel.virtual_host import Node, end, run, serve

# A server that tells each client which address it saw, on some TCP and UDP ports.
SERVER = """
import selectors, socket
selector = selectors.DefaultSelector()
for port in {ports}:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        each = socket.socket(socket.AF_INET, kind)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        each.bind(("{address}", port))
        if kind == socket.SOCK_STREAM:
            each.listen(50)
        selector.register(each, selectors.EVENT_READ, port)
print("ready", flush=True)
while True:
    for key, _ in selector.select():
        if key.fileobj.type == socket.SOCK_STREAM:
            client, peer = key.fileobj.accept()
            client.sendall(f"{name} {{key.data}} saw {{peer[0]}}".encode())
            client.close()
        else:
            _, peer = key.fileobj.recvfrom(100)
            key.fileobj.sendto(f"{name} {{key.data}} saw {{peer[0]}}".encode(), peer)
"""

# Asks all targets ("tcp 1.2.3.4:80") at once and prints the answers as JSON.
CLIENT = """
import concurrent.futures, json, socket, sys
def ask_one(target):
    protocol, _, rest = target.partition(" ")
    address, _, port = rest.partition(":")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as s:
        s.settimeout(1)
        try:
            s.connect((address, int(port)))
            if protocol == "udp":
                s.send(b"x")
            return s.recv(100).decode() or "no answer"
        except OSError:
            return "no answer"
targets = sys.argv[1].split(",")
with concurrent.futures.ThreadPoolExecutor(len(targets)) as pool:
    print(json.dumps(dict(zip(targets, pool.map(ask_one, targets)))))
"""
NO = "no answer"


def server(name: str, *ports: int, address: str = "0.0.0.0") -> str:
    """The code of a server that answers "NAME PORT saw CLIENT"."""
    return SERVER.format(name=name, ports=ports, address=address)


def ask(where: Node | None, *targets: str) -> dict[str, str]:
    """What each target answers to somebody on a node, or on the host itself."""
    command = f"python3 -c '{CLIENT}' '{','.join(targets)}'"
    answers: dict[str, str] = json.loads(where.run(command) if where else run(command))
    return answers


def ask_one(where: Node | None, target: str) -> str:
    """What one target answers."""
    return ask(where, target)[target]


def bridge_network(number: int, name: str, subnet: str, icc: bool = True) -> Network:
    """A bridge network on a subnet, with a bridge of that name."""
    options = {BRIDGE_NAME: name, ENABLE_ICC: "true" if icc else "false"}
    pools = (Pool(IPv4Network(subnet)),)
    return Network(f"{number:064x}", name, "bridge", 0, number, pools=pools, options=options)


def endpoint(network: Network, number: int, *ports: PublishedPort) -> Endpoint:
    """A place with the subnet's address of that number."""
    subnet = network.pools[0].subnet
    interface = IPv4Interface(f"{subnet[number]}/{subnet.prefixlen}")
    return Endpoint(f"{number}", network.id, "c", "s", number, "eth0", "v", "", ipv4=interface, ports=ports)


def published(protocol: str, address: str, port: int, inner: int, count: int = 1) -> PublishedPort:
    """A published port of the host, or a run of them."""
    return PublishedPort(protocol, IPv4Address(address), port, inner, count)


class FirewallHost:
    """The current namespace: eth0 198.51.100.10 leads to a LAN whose one machine is 198.51.100.1.

    That machine has a route to everything behind the host: what it must not reach, the rules stop.
    """

    def __init__(self) -> None:
        self._nodes: list[Node] = []
        self._servers: list[subprocess.Popen[str]] = []
        self.iptables, self.nftables = Iptables(), Nftables()
        run("sysctl -qw net.ipv4.ip_forward=1; iptables -P FORWARD DROP")
        self.lan = self._node()
        run(f"ip link add eth0 type veth peer name eth0 netns {self.lan.pid}")
        run("ip addr add 198.51.100.10/24 dev eth0; ip link set eth0 up")
        self.lan.run("ip addr add 198.51.100.1/24 dev eth0; ip link set eth0 up")
        self.lan.run("ip route add default via 198.51.100.10")
        run("ip route add default via 198.51.100.1")
        self.apply(policy.base())

    def _node(self) -> Node:
        self._nodes.append(Node())
        return self._nodes[-1]

    def apply(self, desired: Mapping[Key, Value | None]) -> None:
        """Bring the firewall to a desired state, and see that it is."""
        asyncio.run(self._apply(desired))

    async def _apply(self, desired: Mapping[Key, Value | None]) -> None:
        for actuator in (self.iptables, self.nftables):
            own = {key: value for key, value in desired.items() if isinstance(key, actuator.handles)}
            observed = await actuator.observe(own)
            await actuator.perform([Step(key, observed[key], value) for key, value in own.items()])
            assert await actuator.observe(own) == own

    def bridge(self, network: Network) -> None:
        """Make the network's bridge and its rules."""
        name, subnet = network.bridge_name, network.pools[0].subnet
        run(f"ip link add {name} type bridge forward_delay 0")
        run(f"ip addr add {subnet[1]}/{subnet.prefixlen} dev {name}; ip link set {name} up")
        run(f"sysctl -qw net.ipv4.conf.{name}.route_localnet=1")
        self.apply(policy.network_rules(network))
        self.apply(guards.network_guards(network, (Family.IPV4,), Settings()))

    def container(self, network: Network, number: int) -> Node:
        """A node on the bridge, with the subnet's address of that number."""
        node, name, subnet = self._node(), network.bridge_name, network.pools[0].subnet
        link = f"v{name}{number}"
        run(f"ip link add {link} type veth peer name eth0 netns {node.pid}")
        run(f"ip link set {link} master {name} up; bridge link set dev {link} hairpin on")
        node.run(f"ip addr add {subnet[number]}/{subnet.prefixlen} dev eth0; ip link set eth0 up")
        node.run(f"ip route add default via {subnet[1]}")
        # Settles the carrier at once, instead of after up to a second.
        run(f"ip link show {link} >/dev/null; ip link show {name} >/dev/null")
        return node

    def publish(self, network: Network, place: Endpoint) -> dict[Key, Value | None]:
        """Write the rules and elements of an endpoint's published ports; what was written."""
        state: dict[Key, Value | None] = {**publish.publish_rules(network, place)}
        state |= publish.publish_elements(network, place)
        state |= guards.bound_ports(network, place, (Family.IPV4,), Settings())
        self.apply(state)
        return state

    def serve(self, code: str) -> None:
        """Start a server on the host itself."""
        self._servers.append(serve(code))

    def close(self) -> None:
        """End everything that was started."""
        for process in self._servers:
            end(process)
        for node in self._nodes:
            node.close()
        self.nftables.close()
