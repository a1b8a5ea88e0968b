"""The daemon is killed, stopped, and replaced by a newer release, again and again: nobody may notice.

Containers ping, talk over long connections, are connected to anew, and ask for names all the while.
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fairlead
from bench import upgrades_traffic
from bench.upgrades_traffic import ECHO_PORT
from fairlead.lab import images
from fairlead.lab.addresses import INTERNET
from fairlead.lab.lab import Lab

NETWORKS = 5
FIRST_PORT = 20000
WAYS = ("kill", "stop", "upgrade")
READY = 2.0  # seconds within which a daemon must answer


@dataclass(frozen=True, slots=True)
class Plan:
    """How many containers, how many rounds, in which ways the daemon goes, and how long it is away."""

    containers: int
    rounds: int
    ways: tuple[str, ...] = WAYS
    away: float = 0.5  # seconds at most
    seed: int = 1

    @staticmethod
    def full() -> "Plan":
        """What an operator would want to have seen."""
        return Plan(containers=50, rounds=10)

    @staticmethod
    def quick() -> "Plan":
        """A look."""
        return Plan(containers=5, rounds=3)


@dataclass(slots=True)
class Report:
    """What was seen: seconds until each daemon was ready, and of processor; what the traffic counted."""

    ready: dict[str, list[float]] = field(default_factory=dict)
    processor: list[float] = field(default_factory=list)
    traffic: dict[str, Any] = field(default_factory=dict)

    @property
    def wrong(self) -> list[str]:
        """All that was lost or broken."""
        found: list[str] = self.traffic.get("wrong", ["the traffic told nothing"])
        return found

    def lines(self) -> list[str]:
        """It as text."""
        lines = []
        for way, times in sorted(self.ready.items()):
            median = statistics.median(times)
            lines.append(
                f"ready after {way}: median {median:.2f} s, longest {max(times):.2f} s, {len(times)} times"
            )
        if self.processor:
            lines.append(f"processor until ready: median {statistics.median(self.processor):.2f} s")
        for kind, count in sorted(self.traffic["asked"].items()):
            answered = self.traffic["answered"].get(kind)
            slowest = self.traffic["slowest"].get(kind)
            heard = "" if answered is None else f", {answered} answered, the slowest after {slowest:.3f} s"
            lines.append(f"{kind}: {count}{heard}")
        return lines


class Upgrades:
    """A host whose daemon comes and goes."""

    def __init__(self, lab: Lab, plan: Plan):
        self._lab, self._plan, self._host = lab, plan, lab.host(1)
        self._chance = random.Random(plan.seed)
        self._release = 0

    def prepare(self) -> None:
        """The containers, on several networks, each with ports of both protocols; the engine runs."""
        host = self._host
        for number in range(min(NETWORKS, self._plan.containers)):
            host.run(f"docker network create net{number}", check=True)
        for number in range(self._plan.containers):
            port = FIRST_PORT + number
            ports = f"-p {port}:{ECHO_PORT} -p {port}:{ECHO_PORT}/udp"
            where = f"--name box{number} --network net{number % NETWORKS}"
            host.run(f"docker run -d {where} {ports} busybox sleep 100000", check=True)

    def containers(self) -> list[dict[str, Any]]:
        """What the traffic is to know."""
        names = [f"box{number}" for number in range(self._plan.containers)]
        found = json.loads(
            self._host.run(f"docker inspect {' '.join(names)}", check=True, deadline=120).stdout
        )
        addresses = [next(iter(each["NetworkSettings"]["Networks"].values()))["IPAddress"] for each in found]
        here, outside = (f"/proc/{each.pid}/ns/net" for each in (self._host, self._lab.outside))
        plan = []
        for number in range(self._plan.containers):
            port, neighbour = FIRST_PORT + number, self._neighbour(number)
            ways = [(outside, self._host.address, port), (here, "127.0.0.1", port), (here, "::1", port)]
            pin = f"/proc/{self._host.pid}/root/run/netns/box{number}"
            pinged = INTERNET if number % 2 else addresses[neighbour]
            names = [f"box{neighbour}", "www.example.com"]
            plan.append({"namespace": pin, "pinged": pinged, "ways": ways, "datagrams": ways, "names": names})
        return plan

    def _neighbour(self, number: int) -> int:
        """The next container on the same network, or itself."""
        following = number + NETWORKS
        return following if following < self._plan.containers else number % NETWORKS

    def play(self, tell: Callable[[str], None] = lambda line: None) -> Report:
        """All rounds under traffic; what was seen."""
        report = Report()
        traffic = subprocess.Popen(
            [sys.executable, upgrades_traffic.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert traffic.stdin is not None and traffic.stdout is not None
        try:
            traffic.stdin.write(json.dumps(self.containers()) + "\n")
            traffic.stdin.flush()
            if traffic.stdout.readline() != "ready\n":
                raise RuntimeError("the traffic did not begin")
            time.sleep(1.0)
            for number in range(self._plan.rounds):
                way = self._plan.ways[number % len(self._plan.ways)]
                seconds, used = self._round(way)
                report.ready.setdefault(way, []).append(seconds)
                report.processor.append(used)
                tell(f"round {number + 1}: {way}, ready after {seconds:.2f} s, {used:.2f} of processor")
            time.sleep(1.0)
            traffic.stdin.write("end\n")
            traffic.stdin.close()
            report.traffic = json.loads(traffic.stdout.readline() or "{}")
        finally:
            traffic.kill()
            traffic.wait()
            traffic.stdout.close()
        return report

    def _round(self, way: str) -> tuple[float, float]:
        host = self._host
        host.stop_engine() if way == "stop" else host.kill_engine()
        time.sleep(self._chance.uniform(0.0, self._plan.away))
        began = time.monotonic()
        if way == "upgrade":
            host.start_engine(command=self._newer())
        else:
            host.start_engine()
        ready, used = time.monotonic() - began, _processor(host.engine.pid)
        time.sleep(self._chance.uniform(0.5, 1.0))
        return ready, used

    def _newer(self) -> str:
        """The command of a release that nobody has seen yet: this one, with another text in its resolver."""
        self._release += 1
        place = self._host.state / f"release{self._release}"
        source = Path(fairlead.__file__).parent
        shutil.copytree(source, place / "fairlead")
        for path in (place / "fairlead" / "resolver").glob("*_main.py"):
            path.write_text(path.read_text() + f"# Release {self._release}.\n")
        return (
            f"env PYTHONPATH={place} {sys.executable} -P -m fairlead daemon -H unix://{{socket}}"
            " --data-root {state}/data --exec-root {state}/exec"
        )


def _processor(pid: int) -> float:
    """Seconds of processor that a process has used."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def measure(lab: Lab, plan: Plan, tell: Callable[[str], None]) -> Report:
    """Prepare, play, and say what was seen."""
    lab.host(1).start_engine()
    lab.host(1).run("docker load -q", input=images.busybox(), check=True)
    upgrades = Upgrades(lab, plan)
    upgrades.prepare()
    return upgrades.play(tell)


def judge(report: Report) -> list[str]:
    """Everything that was not as it should be."""
    late = [
        f"ready after {each:.2f} s, not {READY:g}"
        for times in report.ready.values()
        for each in times
        if each > READY
    ]
    return [*report.wrong, *late]
