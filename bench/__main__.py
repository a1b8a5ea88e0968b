"""Run the benchmark: contenders take turns, so that what else the machine does hits all alike."""

import argparse
import os
import platform
import random
import signal
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from bench import (
    concurrency,
    contenders,
    crashes,
    damage,
    injuries,
    latency,
    names,
    networks,
    outages,
    overlay,
    rounds,
    scale,
    states,
    store,
    traffic,
    upgrades,
)
from bench.contenders import Contender
from bench.results import Measure, Results
from fairlead import process
from fairlead.lab.etcd import Etcd
from fairlead.lab.lab import Lab
from fairlead.model.errors import FairleadError

HERE = Path(__file__).parent


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


def shared_store(plan: store.Plan) -> Results:
    """What the store that hosts share answers, to fairlead's client."""
    results = Results()
    with Lab(f"bench-{os.getpid()}", hosts=store.HOSTS) as lab:
        etcd = Etcd(lab.hosts, store.HOSTS)
        etcd.start()
        for _ in range(plan.rounds):
            for measure, value in store.measure(etcd, plan.count):
                results.add(measure, "fairlead", value)
    return results


def upgraded(options: argparse.Namespace) -> int:
    """Let the daemon come and go under traffic; the exit code."""
    plan = upgrades.Plan.quick() if options.quick else upgrades.Plan.full()
    plan = upgrades.Plan(
        containers=options.containers or plan.containers,
        rounds=options.rounds or plan.rounds,
        ways=tuple(options.ways.split(",")) if options.ways else plan.ways,
        seed=options.seed,
    )
    with Lab(f"bench-{os.getpid()}") as lab:
        report = upgrades.measure(lab, plan, lambda line: print(line, flush=True))
    wrong = upgrades.judge(report)
    print("\n".join([*report.lines(), *(wrong or ["nothing was wrong"])]))
    return 1 if wrong else 0


def crashed(options: argparse.Namespace) -> int:
    """Kill the daemon at every point, and let calls fail; the exit code."""
    plan = crashes.Plan(rounds=1, points=60, calls=20) if options.quick else crashes.Plan()
    changed = {
        "rounds": options.rounds,
        "points": options.points,
        "calls": options.calls if options.calls is not None else options.points,
        "operations": tuple(options.operations.split(",")) if options.operations else None,
        "seed": options.seed,
    }
    plan = replace(plan, **{name: value for name, value in changed.items() if value is not None})
    plan = replace(plan, once=plan.points > 0)
    tallies = crashes.measure(plan, _say)
    wrong = crashes.judge(tallies)
    print("\n".join([*crashes.table(tallies), *(wrong or ["nothing was wrong"])]))
    return 1 if wrong else 0


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


def _say(line: str) -> None:
    """Print at once: whoever waits for an hour wants to see how far it is."""
    print(time.strftime("%H:%M:%S"), line, flush=True)


def main() -> int:
    """Parse the command line, measure, write, print."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that the lab is taken down
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument(
        "part",
        nargs="?",
        choices=(
            "concurrency",
            "crashes",
            "damage",
            "engines",
            "injuries",
            "names",
            "networks",
            "outages",
            "overlay",
            "rounds",
            "scale",
            "states",
            "store",
            "upgrades",
        ),
        default="engines",
        help="what is measured",
    )
    parser.add_argument("--quick", action="store_true", help="few rounds, small numbers")
    parser.add_argument(
        "--engines", default=",".join(contenders.installed()), help="which, separated by commas"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results", help="the directory to write to")
    parser.add_argument("--hosts", type=int, default=200, help="of the part scale")
    parser.add_argument("--endpoints", type=int, default=50, help="of each host in the part scale")
    parser.add_argument("--containers", type=int, help="of the parts rounds and upgrades")
    parser.add_argument("--rounds", type=int, help="of the parts crashes, rounds and upgrades")
    parser.add_argument("--points", type=int, help="of the part crashes: how many, 0 for all")
    parser.add_argument("--calls", type=int, help="of the part crashes: how many fail, by default as many")
    parser.add_argument("--operations", help="of the part crashes, separated by commas")
    parser.add_argument("--addresses", type=int, help="of each host in the part rounds")
    parser.add_argument("--ways", help="of the part upgrades: of kill, stop, upgrade, separated by commas")
    parser.add_argument(
        "--seed",
        type=int,
        default=1,
        help="of the parts crashes, injuries, upgrades, states and concurrency",
    )
    parser.add_argument("--clients", type=int, help="of the part concurrency")
    parser.add_argument("--seconds", type=int, help="of the part concurrency")
    parser.add_argument("--no-lock", action="store_true", help="nobody holds the lock of iptables")
    parser.add_argument(
        "--pause", type=float, default=0.0, help="seconds between two calls of a client, at most"
    )
    parser.add_argument("--examples", type=int, help="histories, of the part states")
    parser.add_argument("--steps", type=int, default=15, help="of each history in the part states")
    parser.add_argument("--injuries", type=int, help="how many, of the part injuries")
    parser.add_argument("--quiet", type=int, help="seconds in which nothing happens, of the part injuries")
    options = parser.parse_args()
    engines = options.engines.split(",")
    if options.part == "names":  # podman's names are another program's
        engines = [name for name in engines if name != "podman"]
    facts = about()
    if options.part == "scale":
        full = scale.Plan.full(options.hosts, options.endpoints)
        print(
            scale.write(scale.measure(scale.Plan.quick() if options.quick else full), facts, options.results)
        )
        return 0
    if options.part == "injuries":
        plan = injuries.Plan.quick() if options.quick else injuries.Plan.full()
        changed = {"injuries": options.injuries, "quiet": options.quiet, "seed": options.seed}
        plan = replace(plan, **{name: value for name, value in changed.items() if value is not None})
        wrong = injuries.measure(plan, print)
        print("\n".join(wrong) or "nothing was wrong")
        return 1 if wrong else 0
    if options.part == "rounds":
        plan = rounds.Plan.quick() if options.quick else rounds.Plan.full()
        wrong = rounds.measure(plan.changed(options.containers, options.rounds, options.addresses), _say)
        print("\n".join(wrong) or "nothing was wrong")
        return 1 if wrong else 0
    if options.part == "outages":
        wrong = outages.measure(outages.Plan.quick() if options.quick else outages.Plan.full(), _say)
        print("\n".join(wrong) or "nothing was wrong")
        return 1 if wrong else 0
    if options.part == "upgrades":
        return upgraded(options)
    if options.part == "crashes":
        return crashed(options)
    if options.part == "states":
        examples = options.examples or (5 if options.quick else 100)
        wrong = states.measure(examples, options.steps, options.seed, _say)
        print("\n".join(wrong) or "nothing was wrong")
        return 1 if wrong else 0
    if options.part == "concurrency":
        course = concurrency.plan_of(options.clients, options.seconds, options.quick)
        course = replace(course, pause=options.pause, chance=options.seed, lock=not options.no_lock)
        wrong = concurrency.measure(course, _say)
        print("\n".join(wrong) or "nothing was wrong")
        return 1 if wrong else 0
    if options.part == "damage":
        tally = damage.measure(100 if options.quick else 1000)
        print("\n".join(tally.wrong) or f"{tally.variants} stores opened, {tally.whole} with every record")
        return 1 if tally.wrong else 0
    if options.part == "store":
        results = shared_store(store.Plan.quick() if options.quick else store.Plan.full())
    elif options.part == "overlay":
        results = Results()
        with Lab(f"bench-{os.getpid()}", hosts=overlay.HOSTS) as lab:
            overlay.measure(lab, results, *((3, 1) if options.quick else (15, 1)))
    else:
        with Lab(f"bench-{os.getpid()}", hosts=len(engines)) as lab:
            benchmark = Benchmark(lab, engines)
            if options.part == "names":
                benchmark.names(names.Plan.quick() if options.quick else names.Plan.full())
            elif options.part == "networks":
                benchmark.networks(networks.Plan.quick() if options.quick else networks.Plan.full())
            else:
                benchmark.engines(Plan.quick() if options.quick else Plan.full())
        results = benchmark.results
    print(write(results, facts, options.results))
    print(f"written to {options.results}")
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
