"""An overlay network between two hosts, as the engine makes it and as one would by hand, side by side."""

import random
import sys
from ipaddress import IPv4Address

from bench import overlay_place
from bench.overlay_place import BY_HAND, INSIDE, address
from bench.results import Measure, Results
from bench.traffic import throughput
from fairlead.lab.lab import Lab

THROUGHPUT = Measure("throughput, container to container on another host", "Gbit/s", False)
WAYS = {"fairlead": (INSIDE, 1), "by hand": (BY_HAND, 2)}


def measure(lab: Lab, results: Results, rounds: int, seconds: int) -> None:
    """`rounds` times: each way once, in an order that chance decides, in both directions."""
    places = [IPv4Address(host.address) for host in lab.hosts]
    for host, here, there in zip(lab.hosts, places, reversed(places), strict=True):
        for kind in ("fairlead", "hand"):
            argv = [sys.executable, overlay_place.__file__, kind, str(here), str(there)]
            host.run(argv, check=True, deadline=60)
    for _ in range(rounds):
        for name in random.sample(list(WAYS), len(WAYS)):
            namespace, network = WAYS[name]
            prefix = ["ip", "netns", "exec", namespace]
            for server, client in ((1, 0), (0, 1)):
                target = str(address(places[server], network).ip)
                hosts = lab.hosts[server], lab.hosts[client]
                results.add(THROUGHPUT, name, throughput(hosts[0], prefix, hosts[1], prefix, target, seconds))
