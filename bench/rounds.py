"""Hosts die, their addresses go to others, and they come back: then all that should be is, and no more.

Three hosts with engines, etcd on a fourth.  What counts is what the kernels have beside what the
store says, and that containers reach each other.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Any

from bench import rounds_addresses, rounds_ping
from fairlead.lab import images
from fairlead.lab.etcd import CLIENTS, Etcd
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.model.errors import FairleadError
from fairlead.overlay.keys import ROOT

ENGINES = 3
NETWORK, SUBNET = "rounds", "10.60.0.0/20"
FLAGS = ("--cluster-store-opt", "discovery.ttl=3")
IN_LINE = 5.0  # seconds until the tables must agree, and until all pairs must have answered
TABLE = Path("/proc/net/stat/arp_cache")  # a line for each processor; only in the machine's own namespace
TRACE = 60  # lines of a log that belong to an error, at most
PATIENCE = 60.0  # seconds for what is not measured


@dataclass(frozen=True, slots=True)
class Plan:
    """How much and how often."""

    containers: int
    rounds: int
    heirs: int  # addresses of a dead host that others take
    addresses: int  # that each host takes from one subnet; 0: that part is left out

    @staticmethod
    def full() -> "Plan":
        """To find what happens rarely."""
        return Plan(containers=100, rounds=50, heirs=10, addresses=1000)

    @staticmethod
    def quick() -> "Plan":
        """A look."""
        return Plan(containers=12, rounds=3, heirs=2, addresses=50)

    def changed(self, containers: int | None, rounds: int | None, addresses: int | None) -> "Plan":
        """The same with other numbers, where there are any."""
        said = {"containers": containers, "rounds": rounds, "addresses": addresses}
        plan = replace(self, **{name: value for name, value in said.items() if value is not None})
        return replace(plan, heirs=min(plan.heirs, plan.containers // ENGINES))


@dataclass(frozen=True, slots=True)
class Found:
    """What one comparison found: seconds until the tables agreed, and until all answered; what never did.

    `full`: how often meanwhile the kernel's table of neighbours was.
    """

    agreed: float
    answered: float
    pairs: int
    full: int
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
        began, wrong = time.monotonic(), ["nothing was looked at"]
        with ThreadPoolExecutor(len(hosts)) as pool:
            while wrong and time.monotonic() - began < IN_LINE:
                places = self.places()
                counted = len(places) == expected
                wrong = [] if counted else [f"the store has {len(places)} of {expected} endpoints"]
                wrong += self._claimed(places) if claims else []
                for found in pool.map(self._compare, hosts, repeat(places)):
                    wrong += found
            agreed = time.monotonic() - began
        full = overflows()
        missing, pairs = self._silent(hosts, places)
        wrong += missing
        answered = time.monotonic() - began
        if not wrong and answered > IN_LINE:
            wrong = [f"all pairs answered, but only after {answered:.1f} s"]
        return Found(agreed, answered, pairs, overflows() - full, wrong)

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
    def _silent(hosts: Sequence[Host], places: list[dict[str, Any]]) -> tuple[list[str], int]:
        """What does not answer the containers of these hosts, and how many pairs were asked: all."""
        roots = {host.address: Path(f"/proc/{host.pid}/root/run/netns") for host in hosts}
        names = {each["ipv4"].partition("/")[0]: each["container"] for each in places}
        paths = {
            each["ipv4"].partition("/")[0]: roots[each["vtep"]] / each["container"]
            for each in places
            if each["vtep"] in roots
        }
        missing = rounds_ping.silent(paths, IN_LINE)
        return [f"{names[one]} does not reach {names[other]}" for one, other in missing], len(paths) * (
            len(paths) - 1
        )

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
    with Lab(f"bench-{os.getpid()}", hosts=1 + ENGINES) as lab:
        rounds = Rounds(lab, plan)
        try:
            wrong = _played(rounds, plan, tell)
        except (FairleadError, RuntimeError) as error:
            wrong = [f"the rounds ended early: {error}"]
        return wrong + [f"{host.name}'s engine: {line}" for host in rounds.hosts for line in faults(host)]


def _played(rounds: Rounds, plan: Plan, tell: Callable[[str], None]) -> list[str]:
    rounds.prepare()
    found = rounds.check(rounds.hosts, plan.containers)
    tell(f"at first: {_told(found)}")
    wrong = [f"at first: {text}" for text in found.wrong]
    for number in range(plan.rounds):
        for when, found in zip(("without", "together"), rounds.play(number), strict=True):
            tell(f"round {number + 1}, {when}: {_told(found)}")
            wrong += [f"round {number + 1}, {when}: {text}" for text in found.wrong]
    rounds.clear()
    if not plan.addresses:
        return wrong
    addresses = rounds.addresses()
    tell(f"addresses: {json.dumps(addresses)}")
    whole = ENGINES * plan.addresses
    if (addresses["taken"], addresses["different"], addresses["claimed"]) != (whole,) * 3 or addresses[
        "left"
    ]:
        wrong.append(f"addresses: {json.dumps(addresses)}")
    return wrong


def faults(host: Host) -> list[str]:
    """What an engine's log has of errors that nobody expected, each with the lines before it."""
    lines = host.engine.log(lines=1_000_000).splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith("Traceback")]
    return [line for start in starts for line in lines[max(0, start - 1) : start + TRACE]]


def overflows() -> int:
    """How often the kernel's table of IPv4 neighbours was full: one for all namespaces of the machine."""
    return sum(int(line.split()[-1], 16) for line in TABLE.read_text().splitlines()[1:])


def _told(found: Found) -> str:
    verdict = f"{len(found.wrong)} wrong: {found.wrong[:3]}" if found.wrong else "nothing wrong"
    full = f", table of neighbours full {found.full} times" if found.full else ""
    pairs = f"{found.pairs} pairs after {found.answered:.1f} s{full}"
    return f"tables after {found.agreed:.1f} s, {pairs}, {verdict}"
