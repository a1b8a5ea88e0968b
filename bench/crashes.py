"""A daemon is killed, or a call of its host fails, at every point of every operation; what is left then.

The points are found by doing each operation once (`fairlead.daemon.faults`).  After each kill the
daemon is started anew: the audit is clean soon, the same command succeeds the first time, what it
made can be taken away and made again under the same name, and in the end nothing is left.
"""

import os
import random
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from bench.crash_host import SETTLE, CrashHost
from bench.crash_operations import OPERATIONS, START, Operation
from bench.crash_points import READING, Point, method, ways
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.lab.traces import Traces

CLEAN_WITHIN = 5.0  # seconds after a restart
TITLES = "operation           found points  kills  calls failed missed reached  start  clean  wrong"


@dataclass(slots=True)
class Tally:
    """What was done in one operation, and what came of it."""

    found: int = 0  # points at which it can be killed
    points: int = 0  # those of them at which it was to be
    kills: int = 0
    calls: int = 0  # that were to fail
    failed: int = 0  # that did
    missed: int = 0  # how often a point or a call was not passed
    reached: int = 0  # what was asked for was there after the restart
    start: float = 0.0  # seconds that the slowest start of the daemon took until it answered
    clean: float = 0.0  # seconds from an answer on until the audit was clean, the longest
    wrong: list[str] = field(default_factory=list)

    def row(self, name: str) -> str:
        """A line of the table."""
        return (
            f"{name:18}{self.found:7}{self.points:7}{self.kills:7}{self.calls:7}{self.failed:7}{self.missed:7}"
            f"{self.reached:8}{self.start:7.2f}{self.clean:7.2f}{len(self.wrong):7}"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """How much: at how many `points` it is killed, how many `calls` fail in a round; 0 for all there are.

    The points are the same in each round, the calls are not.
    `once`: an engine's own point that several operations pass is one of the first that does only.
    `anew`: in the first round all is made anew after each point, by the same names.
    """

    rounds: int = 5
    points: int = 0
    calls: int = 0
    seed: int = 1
    once: bool = False
    anew: bool = True
    hosts: int = 2
    operations: tuple[str, ...] = tuple(OPERATIONS)

    def kills(self, found: Sequence[Point], name: str, known: Collection[str]) -> list[Point]:
        """The share of one operation, at least one call; the engine's own points are always in it."""
        own = [point for point in found if point.own and point.name not in known]
        others = [point for point in found if not point.own and not point.error]
        return own + self._share(others, self.points, len(own), f"{self.seed} {name}")

    def failing(self, found: Sequence[Point], name: str, number: int) -> list[Point]:
        """The share of one operation in a round, at least one."""
        calls = [point for point in found if point.error]
        return self._share(calls, self.calls, 0, f"{self.seed} {name} {number}")

    def _share(self, points: list[Point], whole: int, less: int, seed: str) -> list[Point]:
        if not whole:
            return points
        share = max(1, -(-whole // len(self.operations)) - less)
        return random.Random(seed).sample(points, min(share, len(points)))


class Crashes:
    """What is done on one host."""

    def __init__(self, host: CrashHost, plan: Plan):
        self._host, self._plan = host, plan
        self.killed: set[str] = set()  # at which points

    def operation(self, name: str, tally: Tally) -> None:
        """All that is planned for one operation."""
        operation, host = OPERATIONS[name], self._host
        host.start(*operation.flags)
        before, address = host.traces(), host.first_address()
        passed = self.passed(operation)
        known = frozenset(self.killed) if self._plan.once else ()
        for number in range(self._plan.rounds):
            found = list(ways(name, passed, number))
            kills = self._plan.kills(found, name, known)
            calls = self._plan.failing(found, name, number)
            tally.found = sum(not point.error for point in found)
            tally.points = len(kills)
            tally.calls += len(calls)
            chance = random.Random(f"{self._plan.seed} {name} {number}")
            for point in chance.sample([*kills, *calls], len(kills) + len(calls)):
                one = self._fail if point.error else self._kill
                wrong = one(operation, point, chance.random(), tally, before)
                if self._plan.anew and not point.error and not number:
                    wrong += self._anew(operation, before)
                tally.wrong += [f"{point}: {each}" for each in wrong]
        if (now := host.first_address()) != address:
            tally.wrong.append(f"{name}: a lease is left: {now} instead of {address}")
        host.stop()

    def passed(self, operation: Operation) -> list[str]:
        """The points of an operation, as the daemon tells them."""
        self._ready(operation)
        self._host.broken_off(operation, None, 0)
        meanwhile = self._host.passed()
        self._settled()
        # What is read from now on, the audit reads.
        behind = [line for line in self._host.passed()[len(meanwhile) :] if method(line) not in READING]
        self._host.cleared(None)
        return [*meanwhile, *behind]

    def _kill(
        self, operation: Operation, point: Point, share: float, tally: Tally, before: Traces
    ) -> list[str]:
        host = self._host
        self._ready(operation)
        lives, _ = host.broken_off(operation, point, share)
        host.arm(None)
        if lives:
            tally.missed += 1
            return host.cleared(before)
        tally.kills += 1
        self.killed.add(point.name)
        host.kill()
        begun = time.monotonic()
        host.start(*operation.flags)
        answered = time.monotonic()
        wrong = host.audit(answered + CLEAN_WITHIN)
        tally.start = max(tally.start, answered - begun)
        tally.clean = max(tally.clean, time.monotonic() - answered)
        return [*wrong, *self._again(operation, tally), *host.cleared(before)]

    def _fail(
        self, operation: Operation, point: Point, share: float, tally: Tally, before: Traces
    ) -> list[str]:
        host = self._host
        self._ready(operation)
        lives, said = host.broken_off(operation, point, share)
        wrong = []
        if said is not None and not said.ok and ("Traceback" in said.stderr or not said.stderr.strip()):
            wrong.append(f"the error is no sentence: {said.stderr!r}")
        if not lives and operation.command != START:
            wrong.append("the daemon has ended")
        met = host.met(point)
        if point.reads or not lives:
            host.arm(None)  # before the audit reads
        if not lives:
            host.start(*operation.flags)
        wrong += host.audit(time.monotonic() + CLEAN_WITHIN, operation.leaves)
        met = met or host.met(point)
        host.arm(None)
        tally.failed += met
        tally.missed += not met
        return [*wrong, *self._again(operation, tally), *host.cleared(before)]

    # -- parts -----------------------------------------------------------------------------------

    def _ready(self, operation: Operation) -> None:
        self._host.do(operation.prepare)
        self._settled()
        self._host.arm(None)

    def _settled(self) -> None:
        """Nothing goes on behind a command's back any longer."""
        wrong = self._host.audit(time.monotonic() + SETTLE)
        if wrong:
            raise RuntimeError(f"what was prepared is not as it should be: {wrong}")

    def _again(self, operation: Operation, tally: Tally) -> list[str]:
        """The same command succeeds the first time, if what it is to do has not been done."""
        if operation.command == START:
            return []
        if self._host.run(operation.reached).ok:
            tally.reached += 1
            return []
        said = self._host.run(operation.command)
        wrong = [] if said.ok else [f"the same command failed: {said.stderr.strip()}"]
        return wrong + self._host.audit(time.monotonic() + CLEAN_WITHIN)

    def _anew(self, operation: Operation, before: Traces) -> list[str]:
        """When all has been taken away the same can be made under the same names."""
        if operation.command == START:
            return []
        said = self._host.run(f"set -e; {operation.prepare}; {operation.command}")
        wrong = [] if said.ok else [f"making it anew failed: {said.stderr.strip()}"]
        return wrong + self._host.cleared(before)


def measure(plan: Plan, tell: Callable[[str], None]) -> dict[str, Tally]:
    """Kill and let fail as planned; what came of it, by operation."""
    tallies = {name: Tally() for name in plan.operations}
    waiting, turn = list(plan.operations), Lock()
    tell(TITLES)
    with Lab(f"crashes-{os.getpid()}", hosts=plan.hosts) as lab:

        def work(host: Host) -> None:
            crash_host = CrashHost(host)
            crash_host.prepare()
            crashes = Crashes(crash_host, plan)
            while waiting:
                with turn:
                    name = waiting.pop(0) if waiting else ""
                if not name:
                    return
                tally, begun = tallies[name], time.monotonic()
                try:
                    crashes.operation(name, tally)
                except Exception as error:
                    tally.wrong.append(f"{name}: broken off: {error!r}")
                    raise
                finally:
                    tell(f"{tally.row(name)}   in {time.monotonic() - begun:.0f} s")
                    for wrong in tally.wrong:
                        tell(f"  {wrong}")

        threads = ThreadPoolExecutor(plan.hosts)
        try:
            list(threads.map(work, lab.hosts))
        finally:
            _keep_logs(lab.hosts)
            threads.shutdown(wait=False)  # who is interrupted takes the lab down at once
    return tallies


def _keep_logs(hosts: Sequence[Host]) -> None:
    if directory := os.environ.get("CRASHES_LOGS"):
        for host in hosts:
            text = (host.state / "engine.log").read_text(errors="replace")
            (Path(directory) / f"{host.name}.log").write_text(text)


def judge(tallies: Mapping[str, Tally]) -> list[str]:
    """What was wrong, and what was too slow."""
    wrong = [each for tally in tallies.values() for each in tally.wrong]
    return wrong + [
        f"{name}: it took {tally.clean:.1f} seconds until the audit was clean"
        for name, tally in tallies.items()
        if tally.clean > CLEAN_WITHIN
    ]


def table(tallies: Mapping[str, Tally]) -> list[str]:
    """All operations, and all of them together."""
    every = list(tallies.values())
    whole = Tally(*(sum(getattr(each, name) for each in every) for name in Tally.__slots__[:7]))
    whole.start = max(each.start for each in every)
    whole.clean = max(each.clean for each in every)
    whole.wrong = [wrong for each in every for wrong in each.wrong]
    return [TITLES, *(tally.row(name) for name, tally in tallies.items()), whole.row("all")]
