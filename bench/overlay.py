"""An overlay network between two hosts, as engines make it and as one would by hand, side by side.

Four hosts on one LAN: two with engines that share an etcd, two with nothing but the script below.
Both ways take turns, so that what else the machine does hits both alike.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from bench.results import Measure, Results
from bench.traffic import throughput
from fairlead.lab import images
from fairlead.lab.etcd import Etcd
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

HOSTS = 4
THROUGHPUT = Measure("throughput, container to container on another host", "Gbit/s", False)
NAME = "bench"  # of the network, and of the container on each host
MTU = 1450  # an uplink's 1500 less VXLAN's headers

# A tunnel end that learns nothing in the host's own namespace, and a veth pair, both on a bridge.
HAND = """set -e
ip netns add {name}
ip link add hand0 type bridge; ip link set hand0 mtu {mtu} up
ip link add handvx mtu {mtu} type vxlan id 4098 local {here} dstport 4789 nolearning proxy udpcsum
ip link set handvx master hand0 up
ip link add hand1 mtu {mtu} master hand0 type veth peer name eth0 netns {name} mtu {mtu} address {mac}
ip link set hand1 up
ip -n {name} address add {address}/24 dev eth0; ip -n {name} link set eth0 up
bridge fdb add {other_mac} dev handvx self dst {there}
bridge fdb add {other_mac} dev handvx master static
ip neighbour add {other} lladdr {other_mac} dev handvx nud permanent
"""


@dataclass(frozen=True, slots=True)
class Way:
    """Two hosts with a namespace each, and the addresses of those on the network between them."""

    hosts: Sequence[Host]
    addresses: Sequence[str]

    def sample(self, server: int, seconds: int) -> float:
        """Gbit/s to one of the two from the other."""
        inside = ["ip", "netns", "exec", NAME]
        here, there = self.hosts[server], self.hosts[1 - server]
        return throughput(here, inside, there, inside, self.addresses[server], seconds)


def engines(hosts: Sequence[Host]) -> Way:
    """A network of the cluster, with a container on each host."""
    etcd = Etcd(hosts, 1)
    etcd.start()
    for host in hosts:
        host.start_engine(*etcd.engine_flags)
        host.run("docker load -q", input=images.busybox(), check=True)
    hosts[0].run(f"docker network create -d overlay {NAME}", check=True)
    hosts[1].run(f"until docker network inspect {NAME}; do sleep 0.1; done", check=True)
    for host in hosts:
        host.run(f"docker run -d --name {NAME} --network {NAME} busybox sleep 100000", check=True)
    shown = f"docker inspect -f '{{{{.NetworkSettings.Networks.{NAME}.IPAddress}}}}' {NAME}"
    return Way(hosts, [host.run(shown, check=True).stdout.strip() for host in hosts])


def by_hand(hosts: Sequence[Host]) -> Way:
    """The same with `ip` and `bridge`."""
    macs, addresses = ["02:42:0a:00:02:01", "02:42:0a:00:02:02"], ["10.0.2.1", "10.0.2.2"]
    for own, host in enumerate(hosts):
        script = HAND.format(
            name=NAME,
            mtu=MTU,
            here=host.address,
            there=hosts[1 - own].address,
            mac=macs[own],
            other_mac=macs[1 - own],
            address=addresses[own],
            other=addresses[1 - own],
        )
        host.run(script, check=True)
    return Way(hosts, addresses)


def measure(lab: Lab, results: Results, rounds: int, seconds: int) -> None:
    """`rounds` times: each way once, in an order that chance decides, in both directions."""
    ways = {"fairlead": engines(lab.hosts[:2]), "by hand": by_hand(lab.hosts[2:])}
    for way in ways.values():
        way.sample(0, 1)  # whatever is made only once is made now
    for _ in range(rounds):
        for name in random.sample(list(ways), len(ways)):
            for server in (1, 0):
                results.add(THROUGHPUT, name, ways[name].sample(server, seconds))
