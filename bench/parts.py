"""The parts of the benchmark program: each takes options, says what it sees, and ends with an exit code."""

import argparse
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from bench import (
    concurrency,
    crashes,
    damage,
    injuries,
    names,
    networks,
    outages,
    overlay,
    rounds,
    scale,
    side_by_side,
    states,
    store,
    upgrades,
)
from bench.results import Results
from bench.side_by_side import Benchmark
from fairlead.lab.etcd import Etcd
from fairlead.lab.lab import Lab

Options = argparse.Namespace


def _say(line: str) -> None:
    """Print at once: whoever waits for an hour wants to see how far it is."""
    print(time.strftime("%H:%M:%S"), line, flush=True)


def _judged(wrong: Iterable[str]) -> int:
    """The exit code of a part that looks for what is wrong."""
    lines = list(wrong)
    print("\n".join(lines) or "nothing was wrong")
    return 1 if lines else 0


def _written(results: Results, options: Options, facts: dict[str, str]) -> int:
    """The exit code of a part that measures."""
    print(side_by_side.write(results, facts, options.results))
    print(f"written to {options.results}")
    return 1 if results.failures else 0


def _given(**values: Any) -> dict[str, Any]:
    """What was said on the command line."""
    return {name: value for name, value in values.items() if value is not None}


def _words(text: str | None) -> tuple[str, ...] | None:
    return tuple(text.split(",")) if text else None


def _engines(options: Options) -> int:
    plan = side_by_side.Plan.quick() if options.quick else side_by_side.Plan.full()
    return _compared(options, lambda benchmark: benchmark.engines(plan))


def _networks(options: Options) -> int:
    plan = networks.Plan.quick() if options.quick else networks.Plan.full()
    return _compared(options, lambda benchmark: benchmark.networks(plan))


def _names(options: Options) -> int:
    plan = names.Plan.quick() if options.quick else names.Plan.full()
    return _compared(options, lambda benchmark: benchmark.names(plan), without="podman")


def _compared(options: Options, job: Callable[[Benchmark], None], without: str = "") -> int:
    """Engines side by side; `without` is one whose part of it another program does."""
    facts = side_by_side.about()
    engines = [name for name in options.engines.split(",") if name != without]
    with Lab(f"bench-{os.getpid()}", hosts=len(engines)) as lab:
        benchmark = Benchmark(lab, engines)
        job(benchmark)
    return _written(benchmark.results, options, facts)


def _overlay(options: Options) -> int:
    facts, results = side_by_side.about(), Results()
    with Lab(f"bench-{os.getpid()}", hosts=overlay.HOSTS) as lab:
        overlay.measure(lab, results, *((3, 1) if options.quick else (15, 1)))
    return _written(results, options, facts)


def _store(options: Options) -> int:
    """What the store that hosts share answers, to fairlead's client."""
    plan = store.Plan.quick() if options.quick else store.Plan.full()
    facts, results = side_by_side.about(), Results()
    with Lab(f"bench-{os.getpid()}", hosts=store.HOSTS) as lab:
        etcd = Etcd(lab.hosts, store.HOSTS)
        etcd.start()
        for _ in range(plan.rounds):
            for measure, value in store.measure(etcd, plan.count):
                results.add(measure, "fairlead", value)
    return _written(results, options, facts)


def _scale(options: Options) -> int:
    facts = side_by_side.about()
    plan = scale.Plan.quick() if options.quick else scale.Plan.full(options.hosts, options.endpoints)
    print(scale.write(scale.measure(plan), facts, options.results))
    return 0


def _injuries(options: Options) -> int:
    plan = injuries.Plan.quick() if options.quick else injuries.Plan.full()
    given = _given(injuries=options.injuries, quiet=options.quiet, seed=options.seed)
    return _judged(injuries.measure(replace(plan, **given), print))


def _rounds(options: Options) -> int:
    plan = rounds.Plan.quick() if options.quick else rounds.Plan.full()
    return _judged(rounds.measure(plan.changed(options.containers, options.rounds, options.addresses), _say))


def _outages(options: Options) -> int:
    return _judged(outages.measure(outages.Plan.quick() if options.quick else outages.Plan.full(), _say))


def _upgrades(options: Options) -> int:
    plan = upgrades.Plan.quick() if options.quick else upgrades.Plan.full()
    given = _given(
        containers=options.containers,
        rounds=options.rounds,
        ways=_words(options.ways),
        seed=options.seed,
    )
    with Lab(f"bench-{os.getpid()}") as lab:
        report = upgrades.measure(lab, replace(plan, **given), lambda line: print(line, flush=True))
    print("\n".join(report.lines()))
    return _judged(upgrades.judge(report))


def _crashes(options: Options) -> int:
    plan = crashes.Plan(rounds=1, points=60, calls=20) if options.quick else crashes.Plan()
    given = _given(
        rounds=options.rounds,
        points=options.points,
        calls=options.calls if options.calls is not None else options.points,
        operations=_words(options.operations),
        seed=options.seed,
    )
    plan = replace(plan, **given)
    tallies = crashes.measure(replace(plan, once=plan.points > 0), _say)
    print("\n".join(crashes.table(tallies)))
    return _judged(crashes.judge(tallies))


def _states(options: Options) -> int:
    examples = options.examples or (5 if options.quick else 100)
    return _judged(states.measure(examples, options.steps, options.seed, _say))


def _concurrency(options: Options) -> int:
    plan = concurrency.plan_of(options.clients, options.seconds, options.quick)
    plan = replace(plan, pause=options.pause, chance=options.seed, lock=not options.no_lock)
    return _judged(concurrency.measure(plan, _say))


def _damage(options: Options) -> int:
    tally = damage.measure(100 if options.quick else 1000)
    print(f"{tally.variants} stores opened, {tally.whole} with every record")
    return _judged(tally.wrong)


PARTS: Mapping[str, Callable[[Options], int]] = {
    "concurrency": _concurrency,
    "crashes": _crashes,
    "damage": _damage,
    "engines": _engines,
    "injuries": _injuries,
    "names": _names,
    "networks": _networks,
    "outages": _outages,
    "overlay": _overlay,
    "rounds": _rounds,
    "scale": _scale,
    "states": _states,
    "store": _store,
    "upgrades": _upgrades,
}
