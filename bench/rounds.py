"""Hosts die, their addresses go to others, and they come back: then all that should be is, and no more.

Three hosts with engines, etcd on a fourth.  What counts is what the kernels have beside what the
store says, and that containers reach each other.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Any

from bench import rounds_addresses, rounds_ping
from fairlead.lab import images
from fairlead.lab.etcd import CLIENTS, Etcd
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.overlay.keys import ROOT

ENGINES = 3
NETWORK, SUBNET = "rounds", "10.60.0.0/20"
FLAGS = ("--cluster-store-opt", "discovery.ttl=3")
IN_LINE = 5.0  # seconds until the tables must agree, and as many for answers after that
SAMPLE = 3  # containers that each asks
PATIENCE = 60.0  # seconds for what is not measured


@dataclass(frozen=True, slots=True)
class Plan:
    """How much and how often."""

    containers: int
    rounds: int
    heirs: int  # addresses of a dead host that others take
    addresses: int  # that each host takes from one subnet

    @staticmethod
    def full() -> "Plan":
        """To find what happens rarely; more containers fill the kernel's one table of neighbours."""
        return Plan(containers=60, rounds=50, heirs=10, addresses=1000)

    @staticmethod
    def quick() -> "Plan":
        """A look."""
        return Plan(containers=12, rounds=3, heirs=2, addresses=50)


@dataclass(frozen=True, slots=True)
class Found:
    """What one comparison found: seconds until the tables agreed, and until all answered; what never did."""

    agreed: float
    answered: float
    pairs: int
    wrong: list[str] = field(default_factory=list)


class Rounds:
    """The three hosts and what they should have."""

    def __init__(self, lab: Lab, plan: Plan):
        self._plan, self._etcd = plan, Etcd(lab.hosts[:1], 1)
        self.hosts = lab.hosts[1 : 1 + ENGINES]
        self._flags = (*self._etcd.engine_flags, *FLAGS)
        self._network = ""

    def prepare(self) -> None:
        """Engines, the network, and the containers dealt over the hosts."""
        self._etcd.start()
        for host in self.hosts:
            host.start_engine(*self._flags)
            host.run("docker load -q", input=images.busybox(), check=True)
        create = f"docker network create -d overlay --subnet {SUBNET} {NETWORK}"
        self._network = self.hosts[0].run(create, check=True).stdout.strip()
        for host in self.hosts:
            _until(lambda host=host: host.run(f"docker network inspect {NETWORK}").ok)  # type: ignore[misc]
        share = self._plan.containers // ENGINES
        counts = [share + (number < self._plan.containers % ENGINES) for number in range(ENGINES)]
        with ThreadPoolExecutor(ENGINES) as pool:
            list(pool.map(self._fill, self.hosts, counts))
        _until(lambda: len(self.places()) == self._plan.containers)

    def _fill(self, host: Host, count: int) -> None:
        for number in range(count):
            name = f"{host.name}-{number}"
            host.run(f"docker run -d --name {name} --network {NETWORK} busybox sleep 100000", check=True)

    # -- what should be --------------------------------------------------------------------------

    def _stored(self, kind: str) -> dict[str, Any]:
        place = self._etcd.hosts[0]
        words = ["etcdctl", f"--endpoints={place.address}:{CLIENTS}", "get", "--prefix"]
        lines = place.run([*words, f"{ROOT}{kind}/{self._network}/"], check=True).stdout.splitlines()
        return {key: json.loads(value) for key, value in zip(lines[::2], lines[1::2], strict=True)}

    def places(self) -> list[dict[str, Any]]:
        """All endpoints that the store knows."""
        return list(self._stored("endpoints").values())

    # -- what is -----------------------------------------------------------------------------------

    def check(self, hosts: Sequence[Host], expected: int, claims: bool = True) -> Found:
        """Look until everything is in line on these hosts, or time is up.  Seconds count from now."""
        began, pairs, wrong = time.monotonic(), 0, ["nothing was looked at"]
        with ThreadPoolExecutor(len(hosts)) as pool:
            while wrong and time.monotonic() - began < IN_LINE:
                places = self.places()
                counted = len(places) == expected
                wrong = [] if counted else [f"the store has {len(places)} of {expected} endpoints"]
                wrong += self._claimed(places) if claims else []
                for found in pool.map(self._compare, hosts, repeat(places)):
                    wrong += found
            agreed = time.monotonic() - began
            steps = random.sample(range(1, len(places)), min(SAMPLE, len(places) - 1))
            for missing, asked in pool.map(self._ping, hosts, repeat(places), repeat(steps), repeat(IN_LINE)):
                wrong += missing
                pairs += asked
        return Found(agreed, time.monotonic() - began, pairs, wrong)

    def _claimed(self, places: list[dict[str, Any]]) -> list[str]:
        held = {key.rpartition("/")[2]: value["endpoint"] for key, value in self._stored("claims").items()}
        said = {each["ipv4"].partition("/")[0]: each["id"] for each in places}
        return [
            f"the claim of {address} is {holder[:12]}'s"
            for address, holder in set(held.items()) - set(said.items())
        ]

    def _compare(self, host: Host, places: list[dict[str, Any]]) -> list[str]:
        """How the forwarding and neighbour tables of a host differ from the store."""
        inside = f"overlay-{self._network[:12]}"
        others = [each for each in places if each["vtep"] != host.address]
        fdb = json.loads(host.run(f"ip netns exec {inside} bridge -j fdb show dev vxlan0", check=True).stdout)
        ways = {(each["mac"], each["dst"]) for each in fdb if "dst" in each}
        ports = {each["mac"] for each in fdb if "dst" not in each and each.get("state") == "static"}
        neighbours = host.run(f"ip -j -n {inside} neigh show dev vxlan0 nud permanent", check=True).stdout
        answers = {(each["dst"], each["lladdr"]) for each in json.loads(neighbours or "[]")}
        wanted = {
            "forwarding": (ways, {(each["mac"], each["vtep"]) for each in others}),
            "bridge": (ports, {each["mac"] for each in others}),
            "neighbour": (answers, {(each["ipv4"].partition("/")[0], each["mac"]) for each in others}),
        }
        wrong = []
        for table, (there, want) in wanted.items():
            wrong += [f"{host.name} lacks the {table} entry {each}" for each in sorted(want - there, key=str)]
            wrong += [
                f"{host.name} has the surplus {table} entry {each}" for each in sorted(there - want, key=str)
            ]
        return wrong

    @staticmethod
    def _ping(
        host: Host, places: list[dict[str, Any]], steps: list[int], seconds: float
    ) -> tuple[list[str], int]:
        """What does not answer from the containers of a host, and how many pairs were asked.

        Everybody asks and is asked as often.  Not all pairs at once: the virtual hosts share one
        kernel, whose table of neighbours has room for 1024 in all namespaces together.
        """
        targets = [each["ipv4"].partition("/")[0] for each in places]
        pairs = {
            each["container"]: [targets[(number + step) % len(targets)] for step in steps]
            for number, each in enumerate(places)
            if each["vtep"] == host.address
        }
        request = json.dumps({"pairs": pairs, "seconds": seconds})
        result = host.run([sys.executable, rounds_ping.__file__], input=request, check=True)
        missing = json.loads(result.stdout)["missing"]
        wrong = [f"{name} on {host.name} does not reach {address}" for name, address in missing]
        return wrong, len(pairs) * len(steps)

    # -- a round -----------------------------------------------------------------------------------

    def play(self, number: int) -> tuple[Found, Found]:
        """A host dies, others take addresses of its containers, it comes back: what was found after both."""
        dead = self.hosts[number % ENGINES]
        living = [host for host in self.hosts if host is not dead]
        mine = [each for each in self.places() if each["vtep"] == dead.address]
        lost = mine[: self._plan.heirs]
        route = self._kill(dead)
        kept = self._plan.containers - len(mine)
        _until(lambda: len(self.places()) == kept)
        with ThreadPoolExecutor(len(living)) as pool:
            list(pool.map(lambda each: self._inherit(*each), _dealt(living, lost)))
        without = self.check(living, kept + len(lost), claims=False)  # a dead host's are kept for it
        self._revive(dead, route)
        together = self.check(self.hosts, self._plan.containers)
        for host in living:
            host.run("docker ps -aq --filter name=heir- | xargs -r docker rm -f", check=True)
        names = " ".join(each["container"] for each in lost)
        dead.run(f"docker restart -t 0 {names}", check=True)
        _until(lambda: len(self.places()) == self._plan.containers)
        return without, together

    def _kill(self, host: Host) -> str:
        route = host.run("ip route show default", check=True).stdout.strip()
        host.kill_engine()
        host.run("ip link set eth0 down", check=True)
        return route

    def _revive(self, host: Host, route: str) -> None:
        host.run(f"ip link set eth0 up && ip route replace {route}", check=True)
        host.start_engine(*self._flags)

    def _inherit(self, host: Host, place: dict[str, Any]) -> None:
        address = place["ipv4"].partition("/")[0]
        name = "heir-" + address.replace(".", "-")
        run = f"docker run -d --name {name} --network {NETWORK} --ip {address} busybox sleep 100000"
        host.run(run, check=True)

    def clear(self) -> None:
        """Take everything away again, as its users do: what the store still has of the network."""
        for host in self.hosts:
            host.run("docker ps -aq | xargs -r docker rm -f", check=True, deadline=300)
        _until(lambda: not self.places() and not self._stored("claims"))
        self.hosts[0].run(f"docker network rm {NETWORK}", check=True)

    def addresses(self) -> dict[str, float]:
        """Three hosts take many addresses of one subnet at once, and give them back."""
        place = self.hosts[0]
        words = [sys.executable, "-m", rounds_addresses.__name__]
        command = f"cd {Path(__file__).parent.parent} && exec {' '.join(words)}"
        etcd = f"{self._etcd.hosts[0].address}:{CLIENTS}"
        said = place.run(
            f"{command} {etcd} {ENGINES} {self._plan.addresses}", deadline=600, check=True
        ).stdout
        found: dict[str, float] = json.loads(said)
        return found


def _dealt(hosts: Sequence[Host], places: Sequence[dict[str, Any]]) -> list[tuple[Host, dict[str, Any]]]:
    return [(hosts[number % len(hosts)], place) for number, place in enumerate(places)]


def _until(holds: Callable[[], object]) -> None:
    limit = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > limit:
            raise RuntimeError("what must come did not come")
        time.sleep(0.1)


def measure(plan: Plan, tell: Callable[[str], None]) -> list[str]:
    """All rounds, then the addresses: everything that was not as it should be."""
    wrong: list[str] = []
    with Lab(f"bench-{os.getpid()}", hosts=1 + ENGINES) as lab:
        rounds = Rounds(lab, plan)
        rounds.prepare()
        found = rounds.check(rounds.hosts, plan.containers)
        tell(f"at first: {_told(found)}")
        wrong += [f"at first: {text}" for text in found.wrong]
        for number in range(plan.rounds):
            for when, found in zip(("without", "together"), rounds.play(number), strict=True):
                tell(f"round {number + 1}, {when}: {_told(found)}")
                wrong += [f"round {number + 1}, {when}: {text}" for text in found.wrong]
        rounds.clear()
        addresses = rounds.addresses()
        tell(f"addresses: {json.dumps(addresses)}")
        whole = ENGINES * plan.addresses
        if (addresses["taken"], addresses["different"], addresses["claimed"]) != (whole,) * 3 or addresses[
            "left"
        ]:
            wrong.append(f"addresses: {json.dumps(addresses)}")
    return wrong


def _told(found: Found) -> str:
    verdict = f"{len(found.wrong)} wrong: {found.wrong[:3]}" if found.wrong else "nothing wrong"
    return f"tables after {found.agreed:.1f} s, {found.pairs} pairs after {found.answered:.1f} s, {verdict}"
