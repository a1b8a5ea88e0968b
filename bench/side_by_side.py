"""Contenders take turns, so that what else the machine does hits all alike."""

import os
import platform
import random
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from bench import contenders, latency, names, networks, traffic
from bench.contenders import Contender
from bench.results import Measure, Results
from fairlead import process
from fairlead.lab.lab import Lab
from fairlead.model.errors import FairleadError


@dataclass(frozen=True, slots=True)
class Plan:
    """How often and how much."""

    rounds: int
    crowd: int
    ports: tuple[tuple[int, int], ...]  # how many ports, how many rounds
    seconds: int  # of traffic

    @staticmethod
    def full() -> "Plan":
        """For numbers to believe."""
        return Plan(rounds=15, crowd=100, ports=((0, 8), (1, 8), (100, 5), (1000, 2)), seconds=3)

    @staticmethod
    def quick() -> "Plan":
        """For a look, in a minute or two."""
        return Plan(rounds=3, crowd=10, ports=((0, 3), (1, 3), (100, 1)), seconds=1)


class Benchmark:
    """One run over all contenders."""

    def __init__(self, lab: Lab, engines: list[str]):
        self.lab, self.results = lab, Results()
        self.contenders = [
            contenders.start(name, host) for name, host in zip(engines, lab.hosts, strict=True)
        ]

    def turn(
        self, what: str, rounds: int, job: Callable[[Contender], Iterable[tuple[Measure, float]]]
    ) -> None:
        """`rounds` times: the job with each contender, in an order that chance decides."""
        print(f"{time.strftime('%H:%M:%S')} {what}: {rounds} rounds", file=sys.stderr, flush=True)
        for _ in range(rounds):
            for contender in random.sample(self.contenders, len(self.contenders)):
                try:
                    for measure, value in job(contender):
                        self.results.add(measure, contender.name, value)
                except (FairleadError, RuntimeError) as error:
                    self.results.failures.append(f"{contender.name}, {what}: {error}")
                    print(f"  {contender.name} failed: {error}", file=sys.stderr, flush=True)
                    self._clear(contender)

    @staticmethod
    def _clear(contender: Contender) -> None:
        there = contender.host.run(contender.command("ps --all --quiet")).stdout.split()
        if there:
            contender.host.run([*contender.client, "rm", "--force", *there], deadline=600)

    def engines(self, plan: Plan) -> None:
        """What the client's commands take, and what passes through the network."""
        for contender in self.contenders:  # whatever is made only once is made now
            contender.do("run --rm busybox true")
        for network in latency.NETWORKS:
            self.turn(f"run, {network}", plan.rounds, lambda each, n=network: latency.run_once(each, n))  # type: ignore[misc]
        for network in latency.NETWORKS:
            self.turn(f"life, {network}", plan.rounds, lambda each, n=network: latency.life(each, n))  # type: ignore[misc]
        for count, times in plan.ports:
            self.turn(f"{count} ports", times, lambda each, n=count: latency.publish(each, n))  # type: ignore[misc]
        self.turn("traffic", min(5, plan.rounds), lambda each: traffic.measure(self.lab, each, plan.seconds))
        self.turn(f"{plan.crowd} containers", 1, lambda each: latency.crowd(each, plan.crowd, workers=4))

    def networks(self, plan: networks.Plan) -> None:
        """How long networks take, and what many of them cost."""
        self.turn("a network", plan.rounds, networks.one)
        self.turn(f"{plan.count} networks", 1, lambda each: networks.many(each, plan.count))

    def names(self, plan: names.Plan) -> None:
        """What the name server of a network answers."""
        with names.upstreams(self.lab):
            for contender in self.contenders:
                names.prepare(contender)
            for what, job in (
                ("answers", names.answers),
                ("a dead upstream", names.beside_a_dead_upstream),
                ("idle clients", names.beside_idle_clients),
            ):
                self.turn(what, plan.rounds, lambda each, job=job: job(each, plan.seconds))  # type: ignore[misc]
            self.turn("changes", 1, lambda each: names.during_changes(each, plan.operations))
            for contender in self.contenders:
                names.clear(contender)


def about() -> dict[str, str]:
    """What the numbers depend on."""
    model = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    versions = {
        name: process.call([name, "--version"]).stdout.decode().strip().splitlines()[0]
        for name in contenders.installed()
        if name != "fairlead"
    }
    return {
        "date": time.strftime("%Y-%m-%d %H:%M"),
        "kernel": platform.release(),
        "processors": f"{os.cpu_count()} × {model[0].partition(': ')[2] if model else platform.machine()}",
        "load before": " ".join(Path("/proc/loadavg").read_text().split()[:3]),
        "python": platform.python_version(),
        **versions,
    }


def write(results: Results, facts: dict[str, str], directory: Path) -> str:
    """Write table, samples and pictures; the table's text."""
    from bench import plot

    directory.mkdir(parents=True, exist_ok=True)
    lines = [f"* {name}: {value}" for name, value in facts.items()]
    lines += [f"* failed: {failure}" for failure in results.failures]
    text = "\n".join(
        [
            "# Side by side",
            "",
            "Medians (best; number of samples). `fairlead : X` is how many times better",
            "",
        ]
    )
    text = text.rstrip() + " fairlead's\nmedian is.\n\n" + results.table() + "\n" + "\n".join(lines) + "\n"
    (directory / "results.md").write_text(text)
    results.save(directory / "results.json", facts)
    title = f"{facts['date']}, kernel {facts['kernel']}, {facts['processors']}"
    plot.draw(results, title, [directory / "results.svg", directory / "results.png"])
    return text
