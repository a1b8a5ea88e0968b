"""A host with containers is injured at random; how long the engine takes until all is as before.

What is counted beside: whether rules of the user were changed, how many repairs were told of, and
what happens in a time in which nobody breaks anything.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from bench import injuring
from fairlead.lab import images
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

LIMIT = 2.0  # seconds that a repair may take
SEPARATING = 1.0  # seconds, where networks may not be separated meanwhile:
SEPARATES = {"iptables -F", "nft flush ruleset", "nft delete table", "rule deleted", "rule inserted in front"}
TREE = Path(__file__).parent.parent
EVENTS = "docker events --filter event=repair --format '{{{{.TimeNano}}}}' > {state}/events.log"
WATCH = "ip monitor link address route > {state}/monitor.log & nft monitor > {state}/rules.log & wait"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much and how often."""

    containers: int
    networks: int
    injuries: int
    quiet: int  # seconds
    seed: int = 1
    pause: float = 1.2  # seconds without any injury, so that each is one by itself

    @staticmethod
    def full() -> "Plan":
        """For numbers to believe."""
        return Plan(containers=20, networks=5, injuries=200, quiet=300)

    @staticmethod
    def quick() -> "Plan":
        """Each kind once."""
        return Plan(containers=5, networks=2, injuries=len(injuring.KINDS), quiet=5)


def prepare(host: Host, plan: Plan) -> None:
    """Networks, one of them without icc, and containers dealt over them; each publishes a port."""
    host.start_engine()
    host.run("docker load -q", input=images.busybox(), check=True)
    for number in range(plan.networks):
        icc = "-o com.docker.network.bridge.enable_icc=false" if number == 1 else ""
        host.run(f"docker network create {icc} n{number}", check=True)
    for number in range(plan.containers):
        host.run(
            f"docker run -d --name c{number} --network n{number % plan.networks} -p {8000 + number}:80 "
            "busybox sleep 100000",
            check=True,
        )


def bridges(host: Host, plan: Plan) -> list[str]:
    """The names of the networks' bridges."""
    names = " ".join(f"n{number}" for number in range(plan.networks))
    found = host.run(f"docker network inspect -f '{{{{.Id}}}}' {names}", check=True).stdout.split()
    return ["br-" + each[:12] for each in found]


def injure(
    host: Host,
    plan: Plan,
    containers: Sequence[str],
    root: str,
    tell: Callable[[str], None] = lambda line: None,
) -> list[dict[str, object]]:
    """All injuries, as `bench.injuring` tells of them.  `root` has the engine's `exec` in it."""
    command = [
        sys.executable,
        "-m",
        "bench.injuring",
        "--seed",
        str(plan.seed),
        "--count",
        str(plan.injuries),
    ]
    command += ["--containers", ",".join(containers), "--bridges", ",".join(bridges(host, plan))]
    running = host.start(
        [*command, "--root", root, "--pause", str(plan.pause)],
        output=subprocess.PIPE,
        errors=subprocess.STDOUT,
        environment={"PYTHONPATH": str(TREE)},
    )
    assert running.stdout is not None
    found: list[dict[str, object]] = []
    with running.stdout as lines:
        for line in lines:
            tell(line.decode().rstrip())
            if line.startswith(b"{"):
                found.append(json.loads(line))
    if running.wait():
        raise RuntimeError("the injuring ended before its end")
    return found


def repairs(host: Host) -> int:
    """How many repairs the log tells of."""
    log = (host.state / "engine.log").read_text(errors="replace")
    return log.count("repaired what somebody else had changed")


def processor_time(pids: Sequence[int]) -> float:
    """Seconds of the processor that processes have used."""
    ticks = 0
    for pid in pids:
        words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(words[11]) + int(words[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def beside(host: Host) -> list[int]:
    """The processes beside the daemon, as the machine counts."""
    marks = (f"{host.state}/exec/ports.sock", f"{host.state}/exec/resolver.sock")
    return [
        int(each.name)
        for each in Path("/proc").iterdir()
        if each.name.isdigit() and any(mark in _words(each) for mark in marks)
    ]


def _words(process: Path) -> str:
    try:
        return (process / "cmdline").read_text()
    except OSError:
        return ""


def quiet(host: Host, plan: Plan) -> list[str]:
    """Let nothing happen for a while: what was written all the same, and what the processor had to do."""
    watching = host.start(["sh", "-c", WATCH.format(state=host.state)])
    time.sleep(1)
    before, pids = repairs(host), [host.engine.pid, *beside(host)]
    spent = [processor_time([pid]) for pid in pids]
    time.sleep(plan.quiet)
    used = [processor_time([pid]) - begun for pid, begun in zip(pids, spent, strict=True)]
    written = [(host.state / name).read_text() for name in ("monitor.log", "rules.log")]
    host.run("pkill -x ip; pkill -x nft")
    watching.wait()
    minute = 60 / plan.quiet
    return [
        f"quiet for {plan.quiet} s: {repairs(host) - before} repairs, "
        f"{len(written[0].splitlines())} changes of links, {len(written[1].splitlines())} of rules",
        "seconds of the processor a minute: "
        f"daemon {used[0] * minute:.2f}, beside it {sum(used[1:]) * minute:.2f}",
    ]


def events(found: Sequence[dict[str, object]], told: Sequence[int]) -> list[int]:
    """How many events each injury has had before the next one."""
    began = [int(str(each["began"])) for each in found]
    return [sum(start <= each < end for each in told) for start, end in pairwise([*began, time.time_ns()])]


def table(found: Sequence[dict[str, object]]) -> str:
    """A line for each kind."""
    kinds: defaultdict[str, list[float]] = defaultdict(list)
    for each in found:
        kinds[str(each["kind"])].append(float(str(each["seconds"])))
    lines = [f"{'injury':28}{'count':>6}{'median':>9}{'worst':>9}"]
    for kind, seconds in sorted(kinds.items()):
        lines.append(f"{kind:28}{len(seconds):6}{statistics.median(seconds):9.2f}{max(seconds):9.2f}")
    every = [each for seconds in kinds.values() for each in seconds]
    lines.append(f"{'all':28}{len(every):6}{statistics.median(every):9.2f}{max(every):9.2f}")
    return "\n".join(lines)


def measure(plan: Plan, tell: Callable[[str], None]) -> list[str]:
    """Injure, wait, tell; what went wrong."""
    with Lab(f"injuries-{os.getpid()}") as lab:
        host = lab.host(1)
        prepare(host, plan)
        time.sleep(3)
        if plan.quiet:
            tell("\n".join(quiet(host, plan)))
        if not plan.injuries:
            host.stop_engine()
            return []
        listening = host.start(["sh", "-c", EVENTS.format(state=host.state)])
        containers = [f"c{number}" for number in range(plan.containers)]
        found = injure(
            host, plan, containers, str(host.state), lambda line: print(line, file=sys.stderr, flush=True)
        )
        time.sleep(1)
        listening.terminate()
        told = [int(line) for line in (host.state / "events.log").read_text().split()]
        tell(table(found))
        tell(f"{len(told)} repairs were told of")
        wrong = [f"{each['kind']}: not repaired: {each['command']}" for each in found if not each["repaired"]]
        wrong += [f"{each['kind']}: a user's rules were changed" for each in found if not each["users"]]
        slow = [
            each
            for each in found
            if float(str(each["seconds"])) > (SEPARATING if each["kind"] in SEPARATES else LIMIT)
        ]
        wrong += [f"{each['kind']}: {each['seconds']} s: {each['command']}" for each in slow]
        wrong += [
            f"{each['kind']}: {count} events: {each['command']}"
            for each, count in zip(found, events(found, told), strict=True)
            if count != 1
        ]
        if os.environ.get("INJURIES_LOG"):
            Path(os.environ["INJURIES_LOG"]).write_text((host.state / "engine.log").read_text())
        host.stop_engine()
    return wrong
