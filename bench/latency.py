"""How long the client's commands take, from their start to their end."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.contenders import Contender
from bench.results import Measure

NETWORKS = ("bridge", "none", "host")
SLEEPER = "sleep 100000"
# A first process ignores SIGTERM; what is measured is the engine, not how long it waits for that.
SLEEP = f"--stop-signal KILL busybox {SLEEPER}"
FIRST_PORT = 20000
Sample = tuple[Measure, float]


def milliseconds(contender: Contender, words: str) -> float:
    """The duration of one client command that must succeed."""
    argv = contender.command(words)
    began = time.monotonic()
    contender.host.run(argv, deadline=600, check=True)
    return (time.monotonic() - began) * 1000


def run_once(contender: Contender, network: str) -> Iterator[Sample]:
    """`run --rm busybox true`: a container's whole life."""
    took = milliseconds(contender, f"run --rm --network {network} busybox true")
    yield Measure(f"run --rm true, {network}", "ms"), took


def life(contender: Contender, network: str) -> Iterator[Sample]:
    """create, start, exec, stop and remove, each by itself."""
    name = "bench-life"
    steps = {
        "create": f"create --name {name} --network {network} {SLEEP}",
        "start": f"start {name}",
        "exec true": f"exec {name} true",
        "stop": f"stop {name}",
        "rm": f"rm {name}",
    }
    for step, words in steps.items():
        yield Measure(f"{step}, {network}", "ms"), milliseconds(contender, words)


def publish(contender: Contender, count: int) -> Iterator[Sample]:
    """`run -d` with that many published ports, and removal; the processes that stay meanwhile."""
    name = "bench-ports"
    last = FIRST_PORT + count - 1
    span = str(FIRST_PORT) if count == 1 else f"{FIRST_PORT}-{last}"
    ports = f"--publish {span}:{span}" if count else ""
    before = _process_count(contender)
    took = milliseconds(contender, f"run -d --name {name} {ports} {SLEEP}")
    yield Measure(f"run -d, {count} ports", "ms"), took
    if count >= 100:
        yield (
            Measure(f"processes for a container with {count} ports", "processes"),
            _process_count(contender) - before,
        )
    yield Measure(f"rm -f, {count} ports", "ms"), milliseconds(contender, f"rm --force {name}")


def _process_count(contender: Contender) -> int:
    return len(contender.host.run("ps -e --no-headers -o pid", check=True).stdout.split())


def crowd(contender: Contender, count: int, workers: int) -> Iterator[Sample]:
    """That many containers at once, by several clients; the memory that each costs the engine."""
    before = engine_memory(contender)
    began = time.monotonic()
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(lambda number: contender.do(f"run -d --name crowd-{number} {SLEEP}"), range(count)))
    yield Measure(f"start {count} containers, {workers} clients", "s"), time.monotonic() - began
    after = engine_memory(contender)
    for kind, unit in (("Rss", "resident"), ("Pss", "proportional")):
        each = (after[kind] - before[kind]) / count / 1024
        yield Measure(f"memory per running container, {unit}", "MiB"), each
    names = " ".join(f"crowd-{number}" for number in range(count))
    yield Measure(f"rm -f {count} containers", "s"), milliseconds(contender, f"rm --force {names}") / 1000


def engine_memory(contender: Contender) -> dict[str, int]:
    """Memory in KiB of all that runs in the host but the containers' own processes."""
    script = f"""
        for process in /proc/[0-9]*; do
            [ "$(tr '\\0' ' ' < $process/cmdline)" = '{SLEEPER} ' ] ||
                grep -E '^(Rss|Pss):' $process/smaps_rollup
        done 2>/dev/null
    """
    sums = {"Rss": 0, "Pss": 0}
    for line in contender.host.run(script).stdout.splitlines():
        kind, kibibytes = line.split()[:2]
        sums[kind.rstrip(":")] += int(kibibytes)
    return sums
