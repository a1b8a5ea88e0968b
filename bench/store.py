"""How the shared store answers: a real etcd of three members, to fairlead's client."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.results import Measure
from fairlead.lab.etcd import CLIENTS, Etcd

CLIENT = str(Path(__file__).with_name("store_client.py"))
HOSTS = 3
SERIAL = Measure("shared store: one transaction", "ms")
AT_ONCE = Measure("shared store: transactions, 32 at once", "/s", less_is_better=False)
HEARD = Measure("shared store: from a change to its watcher", "ms")


@dataclass(frozen=True, slots=True)
class Plan:
    """How often and how much."""

    rounds: int
    count: int  # of transactions one after the other

    @staticmethod
    def full() -> "Plan":
        """For numbers to believe."""
        return Plan(rounds=7, count=500)

    @staticmethod
    def quick() -> "Plan":
        """For a look."""
        return Plan(rounds=2, count=100)


def measure(etcd: Etcd, count: int) -> Iterator[tuple[Measure, float]]:
    """One round; the store is empty before."""
    host = etcd.hosts[0]
    endpoints = ",".join(f"{each.address}:{CLIENTS}" for each in etcd.hosts)
    host.run(["etcdctl", f"--endpoints={endpoints}", "del", "--prefix", "/bench/"], check=True)
    said = host.run([sys.executable, CLIENT, endpoints, str(count)], deadline=300, check=True).stdout
    found = json.loads(said)
    yield AT_ONCE, found["rate"]
    for time in found["serial"]:
        yield SERIAL, time
    for time in found["heard"]:
        yield HEARD, time
