"""How the embedded name server answers: many questions, while an upstream is dead, while networks
come and go, beside clients that say nothing.

`dnsperf` runs in a container's network namespace, so that nothing but the engine differs.
"""

import contextlib
import re
import statistics
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import Contender
from bench.latency import SLEEP
from bench.results import Measure
from fairlead.lab.lab import Lab

SERVER = "127.0.0.11"
FAST, SILENT = "198.51.100.3", "198.51.100.4"  # upstreams, on the lab's LAN
UPSTREAM = str(Path(__file__).with_name("upstream.py"))
IDLE_CLIENTS = str(Path(__file__).with_name("idle_clients.py"))
CLIENT, NETWORK, OTHER = "bench-asker", "bench-names", "bench-other"
NAMES = 20  # containers that are asked for
STEADY = 2000  # questions a second
Sample = tuple[Measure, float]


@dataclass(frozen=True, slots=True)
class Plan:
    """How often and how much."""

    rounds: int
    seconds: int  # of each run of dnsperf
    operations: int  # connects and disconnects

    @staticmethod
    def full() -> "Plan":
        """For numbers to believe."""
        return Plan(rounds=7, seconds=5, operations=1000)

    @staticmethod
    def quick() -> "Plan":
        """For a look."""
        return Plan(rounds=3, seconds=2, operations=40)


@dataclass(frozen=True, slots=True)
class Report:
    """What dnsperf saw."""

    rate: float  # answers a second
    lost: int
    refused: int  # answers with a code other than NOERROR
    latencies: tuple[float, ...]  # milliseconds, if it was asked for each


@contextlib.contextmanager
def upstreams(lab: Lab) -> Iterator[None]:
    """The two name servers outside."""
    for address in (FAST, SILENT):
        lab.outside.run(f"ip address add {address}/24 dev lan", check=True)
    running = lab.outside.start([sys.executable, UPSTREAM, FAST, SILENT], output=subprocess.PIPE)
    try:
        assert running.stdout is not None and running.stdout.readline() == b"ready\n"
        yield
    finally:
        lab.outside.run(f"pkill -f '{UPSTREAM}'")
        running.wait(10)


def prepare(contender: Contender) -> None:
    """A network with containers to ask for, and one to ask in, by two upstreams of which one is dead."""
    contender.do(f"network create {NETWORK}")
    contender.do(f"network create {OTHER}")
    for number in range(NAMES):
        contender.do(f"run -d --name bench-name-{number} --network {NETWORK} {SLEEP}")
    for suffix, servers in (("", f"--dns {FAST}"), ("-dead", f"--dns {SILENT} --dns {FAST}")):
        contender.do(f"run -d --name {CLIENT}{suffix} --network {NETWORK} {servers} {SLEEP}")
    local = "".join(f"bench-name-{number} A\n" for number in range(NAMES))
    (contender.host.state / "local").write_text(local)
    outside = "".join(f"host-{number}.example.com A\n" for number in range(100))
    (contender.host.state / "outside").write_text(outside)


def clear(contender: Contender) -> None:
    """Take all that away."""
    names = [f"bench-name-{number}" for number in range(NAMES)] + [CLIENT, f"{CLIENT}-dead"]
    contender.do(f"rm --force {' '.join(names)}")
    contender.do(f"network rm {NETWORK} {OTHER}")


def answers(contender: Contender, seconds: int) -> Iterator[Sample]:
    """As many answers as there can be."""
    for what, questions, ways in (("local", "local", ("udp", "tcp")), ("forwarded", "outside", ("udp",))):
        for way in ways:
            report = _dnsperf(contender, CLIENT, questions, f"-m {way} -l {seconds}")
            yield Measure(f"answers, {what}, {way}", "1/s", False), report.rate


def beside_a_dead_upstream(contender: Contender, seconds: int) -> Iterator[Sample]:
    """Steady local questions, while others wait for an upstream that is dead."""
    client = f"{CLIENT}-dead"
    with _questions_outside(contender, client, seconds):
        report = _dnsperf(contender, client, "local", f"-v -Q {STEADY} -l {seconds}")
    what = f"local names at {STEADY}/s, one of two upstreams dead"
    yield Measure(f"{what}, median", "ms"), statistics.median(report.latencies)
    yield Measure(f"{what}, 99 %", "ms"), statistics.quantiles(report.latencies, n=100)[98]
    yield Measure(f"{what}, lost", "questions"), report.lost + report.refused
    outside = _dnsperf(contender, client, "outside", f"-v -Q 100 -l {seconds}")
    what = "names outside, one of two upstreams dead"
    yield Measure(f"{what}, 99 %", "ms"), statistics.quantiles(outside.latencies, n=100)[98]
    yield Measure(f"{what}, lost", "questions"), outside.lost + outside.refused


def beside_idle_clients(contender: Contender, seconds: int) -> Iterator[Sample]:
    """Steady local questions, while 200 connections say nothing, or half of a question."""
    argv = [*contender.inside(CLIENT), sys.executable, IDLE_CLIENTS, SERVER, "200", str(seconds + 30)]
    idle = contender.host.start(argv, output=subprocess.PIPE)
    try:
        assert idle.stdout is not None and idle.stdout.readline() == b"ready\n"
        for way in ("udp", "tcp"):
            report = _dnsperf(contender, CLIENT, "local", f"-m {way} -v -Q {STEADY} -l {seconds}")
            what = f"local names at {STEADY}/s by {way}, 200 idle connections"
            yield Measure(f"{what}, 99 %", "ms"), statistics.quantiles(report.latencies, n=100)[98]
            yield Measure(f"{what}, lost", "questions"), report.lost + report.refused
    finally:
        contender.host.run(f"pkill -f '{IDLE_CLIENTS}'")
        idle.wait(10)


def during_changes(contender: Contender, operations: int) -> Iterator[Sample]:
    """Steady local questions, while the asking container joins and leaves another network."""
    done = threading.Event()
    reports: list[Report] = []

    def ask() -> None:
        while not done.is_set():
            reports.append(_dnsperf(contender, CLIENT, "local", f"-Q {STEADY} -l 5"))

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for number in range(operations):
            contender.do(f"network {'disconnect' if number % 2 else 'connect'} {OTHER} {CLIENT}")
    finally:
        done.set()
        asking.join()
    lost = sum(report.lost + report.refused for report in reports)
    yield Measure(f"lost in {operations} connects and disconnects at {STEADY}/s", "questions"), lost


@contextlib.contextmanager
def _questions_outside(contender: Contender, client: str, seconds: int) -> Iterator[None]:
    command = _command(contender, client, "outside", f"-Q 100 -l {seconds}")
    asking = contender.host.start(command)
    try:
        yield
    finally:
        asking.wait(seconds + 30)


def _command(contender: Contender, client: str, questions: str, options: str) -> list[str]:
    path = contender.host.state / questions
    words = f"dnsperf -s {SERVER} -d {path} -c 8 -t 5 {options}"
    return [*contender.inside(client), *words.split()]


def _dnsperf(contender: Contender, client: str, questions: str, options: str) -> Report:
    command = _command(contender, client, questions, options)
    said = contender.host.run(command, deadline=120, check=True).stdout
    codes = re.search(r"Response codes: +(.*)", said)
    found = dict(re.findall(r"(\w+) (\d+) \(", codes[1])) if codes else {}
    return Report(
        rate=float(re.findall(r"Queries per second: +([\d.]+)", said)[0]),
        lost=int(re.findall(r"Queries lost: +(\d+)", said)[0]),
        refused=sum(int(count) for code, count in found.items() if code != "NOERROR"),
        latencies=tuple(float(each) * 1000 for each in re.findall(r"^> \w+ .* ([\d.]+)$", said, re.M)),
    )
