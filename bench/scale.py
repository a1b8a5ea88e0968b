"""How far the cluster goes: hosts are doubled until agreement takes too long, with a real etcd.

Everything is on one network, which is the worst case: each host must know every endpoint.
"""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from bench.scale_listeners import Listeners
from bench.scale_party import Far, Near, Party
from bench.scale_whole import WholeHosts
from fairlead.boundary.cluster import ClusterStore
from fairlead.lab.etcd import CLIENTS, Etcd
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

MEGABYTE = 1e6


@dataclass(frozen=True, slots=True)
class Plan:
    """How many hosts at which steps, and how much each has."""

    steps: tuple[int, ...]  # hosts
    endpoints: int  # of each host
    whole: int = 4  # hosts with the whole control plane; the others listen
    burst: int = 100  # endpoints that start at once
    idle: float = 12.0  # seconds of rest that are watched
    bend: float = 10.0  # seconds for agreement that are too long: no more doubling
    budget: float = 300.0  # seconds after which no further step begins

    @staticmethod
    def full(hosts: int = 200, endpoints: int = 50) -> "Plan":
        """A quarter of the hosts, half, all, and twice as many."""
        steps = tuple(sorted({max(16, hosts // 4), max(16, hosts // 2), hosts, 2 * hosts}))
        return Plan(steps, endpoints)

    @staticmethod
    def quick() -> "Plan":
        """A look, in seconds."""
        return Plan((6, 9), endpoints=3, whole=3, burst=6, idle=0.5)


@dataclass(frozen=True, slots=True)
class Row:
    """What was seen at one number of hosts; seconds of time and of processor, megabytes."""

    hosts: int
    endpoints: int
    load: float  # of the machine, before
    database: float  # etcd's, MB
    watches: int
    newcomer_reads: float  # from its start until it has read everything
    newcomer_raises: float  # and until its kernel has the network and its first container's place is said
    newcomer_known: float  # and until all others send to that
    newcomer_processor: float
    newcomer_read_mb: float  # and wrote
    burst_claimed: float  # until the last of the endpoints has its address
    burst_agreed: float  # and until all whole hosts send to all of them
    burst_heard: float  # and until the last listener has heard of it
    burst_refused: int  # starts that the store did not answer in time, and that were made again
    burst_processor: float  # of one whole host
    burst_mb: float  # to one whole host
    burst_etcd: float  # etcd's processor
    death_agreed: float  # from the end of a lease until nobody sends there
    death_heard: float
    compare_processor: float  # of one host that reads everything again
    compare_mb: float
    look_processor: float  # of one host that looks whether its kernel is in order
    rest_processor: float  # of one whole host, seconds each second
    rest_listener: float  # of one listener, seconds each second
    rest_etcd: float  # of etcd, seconds each second
    rest_kb: float  # each second to and from one whole host, kilobytes
    memory: float  # of one whole host, MB
    etcd_memory: float
    lapses: int  # leases that ended though their hosts lived


class Store:
    """What the store itself says of what it uses."""

    def __init__(self, host: Host | None = None):
        self._host = host

    def metrics(self) -> dict[str, float]:
        """etcd's counters that have no labels; none of a store that is not etcd."""
        if self._host is None:
            return {}
        url = f"http://{self._host.address}:{CLIENTS}/metrics"
        text = self._host.run(["curl", "--silent", "--fail", url], check=True).stdout
        lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
        return {words[0]: float(words[1]) for words in lines if len(words) == 2 and "{" not in words[0]}


class Conductor:
    """Asks both groups of hosts, and puts together what they and etcd say."""

    def __init__(self, plan: Plan, whole: Party, listeners: Party, store: Store):
        self._plan, self._whole, self._listeners, self._store = plan, whole, listeners, store
        self._network = ""
        self._listening = 0
        self._memory_before = 0

    async def run(self, tell: Callable[[str], None]) -> list[Row]:
        """One row for each step, until it bends or time is up."""
        began, rows = time.monotonic(), list[Row]()
        plan = self._plan
        self._memory_before = (await self._whole.do("usage"))["memory"]
        self._network = (await self._whole.do("begin", count=plan.whole, endpoints=plan.endpoints))["network"]
        tell(f"{time.monotonic() - began:5.0f} s: {plan.whole} whole hosts are there")
        for hosts in plan.steps:
            if time.monotonic() - began > plan.budget:
                tell(f"no time is left for {hosts} hosts")
                break
            rows.append(await self._step(hosts))
            tell(f"{time.monotonic() - began:5.0f} s: {json.dumps(asdict(rows[-1]))}")
            if max(rows[-1].burst_agreed, rows[-1].burst_heard) > plan.bend:
                tell(f"it bends at {hosts} hosts")
                break
        await self._whole.do("finish")
        await self._listeners.do("finish")
        return rows

    async def _grow(self, hosts: int) -> None:
        more = hosts - self._plan.whole - self._listening
        await self._listeners.do("begin", network=self._network, count=more, endpoints=self._plan.endpoints)
        self._listening += more
        await self._whole.do("know", remotes=(hosts - 1) * self._plan.endpoints)

    async def _step(self, hosts: int) -> Row:
        await self._grow(hosts)
        load = os.getloadavg()[0]
        newcomer = await self._newcomer()
        burst = await self._burst()
        death = await self._death()
        await self._grow(hosts)
        found = newcomer | burst | death | await self._alone() | await self._rest()
        metrics = self._store.metrics()
        found |= {
            "hosts": hosts,
            "endpoints": hosts * self._plan.endpoints,
            "load": load,
            "database": metrics.get("etcd_mvcc_db_total_size_in_bytes", 0) / MEGABYTE,
            "watches": int(metrics.get("etcd_debugging_mvcc_watcher_total", 0)),
            "etcd_memory": metrics.get("process_resident_memory_bytes", 0) / MEGABYTE,
        }
        return Row(**{each.name: found[each.name] for each in fields(Row)})

    async def _newcomer(self) -> dict[str, Any]:
        before = await self._whole.do("usage")
        said = await self._whole.do("newcomer")
        after = await self._whole.do("usage")
        began = said["began"]
        return {
            "newcomer_reads": said["read"] - began,
            "newcomer_raises": said["raised"] - began,
            "newcomer_known": said["agreed"] - began,
            "newcomer_processor": said["processor"],
            "newcomer_read_mb": _bytes(before, after) / MEGABYTE,
        }

    async def _burst(self) -> dict[str, Any]:
        plan, before, store = self._plan, await self._whole.do("usage"), self._store.metrics()
        said = await self._whole.do("start", count=plan.burst)
        heard = await self._listeners.do("reached", revision=said["revision"])
        after, later = await self._whole.do("usage"), self._store.metrics()
        await self._whole.do("stop")
        return {
            "burst_claimed": said["claimed"] - said["began"],
            "burst_agreed": said["agreed"] - said["began"],
            "burst_heard": heard["last"] - said["began"],
            "burst_refused": said["refused"],
            "burst_processor": (after["processor"] - before["processor"]) / plan.whole,
            "burst_mb": _bytes(before, after) / MEGABYTE / plan.whole,
            "burst_etcd": _processor(store, later),
        }

    async def _death(self) -> dict[str, Any]:
        dead = await self._listeners.do("die")
        self._listening -= 1
        gone = await self._whole.do("forget", macs=dead["macs"])
        heard = await self._listeners.do("reached", revision=dead["revision"])
        return {
            "death_agreed": gone["agreed"] - dead["began"],
            "death_heard": heard["last"] - dead["began"],
        }

    async def _alone(self) -> dict[str, Any]:
        """What each host does by itself now and then."""
        whole = self._plan.whole
        before = await self._whole.do("usage")
        await self._whole.do("compare")
        compared = await self._whole.do("usage")
        await self._whole.do("look")
        looked = await self._whole.do("usage")
        return {
            "compare_processor": (compared["processor"] - before["processor"]) / whole,
            "compare_mb": _bytes(before, compared) / MEGABYTE / whole,
            "look_processor": (looked["processor"] - compared["processor"]) / whole,
        }

    async def _rest(self) -> dict[str, Any]:
        """What is used while nothing happens."""
        before = await self._whole.do("usage"), await self._listeners.do("usage"), self._store.metrics()
        await asyncio.sleep(self._plan.idle)
        after = await self._whole.do("usage"), await self._listeners.do("usage"), self._store.metrics()
        seconds, whole = after[0]["at"] - before[0]["at"], self._plan.whole
        return {
            "rest_processor": (after[0]["processor"] - before[0]["processor"]) / seconds / whole,
            "rest_listener": (after[1]["processor"] - before[1]["processor"]) / seconds / self._listening,
            "rest_etcd": _processor(before[2], after[2]) / seconds,
            "rest_kb": _bytes(before[0], after[0]) / 1000 / seconds / whole,
            "memory": (after[0]["memory"] - self._memory_before) / MEGABYTE / whole,
            "lapses": (await self._listeners.do("count"))["lapses"],
        }


def _bytes(before: dict[str, Any], after: dict[str, Any]) -> float:
    return float(after["rx"] + after["tx"] - before["rx"] - before["tx"])


def _processor(before: dict[str, float], after: dict[str, float]) -> float:
    name = "process_cpu_seconds_total"
    return after.get(name, 0) - before.get(name, 0)


async def near(plan: Plan, new_store: Callable[[], ClusterStore], tell: Callable[[str], None]) -> list[Row]:
    """All in this process, with any store, and no kernel."""
    whole, listeners = Near(WholeHosts(new_store, real_kernel=False)), Near(Listeners(new_store))
    return await Conductor(plan, whole, listeners, Store()).run(tell)


async def far(plan: Plan, lab: Lab, tell: Callable[[str], None]) -> list[Row]:
    """Each group a process in a virtual host of its own, etcd in a third."""
    etcd = Etcd(lab.hosts, 1)
    etcd.start()
    address = f"{etcd.hosts[0].address}:{CLIENTS}"
    whole, listeners = Far(lab.hosts[1], "whole", address), Far(lab.hosts[2], "listeners", address)
    try:
        return await Conductor(plan, whole, listeners, Store(etcd.hosts[0])).run(tell)
    finally:
        await whole.close()
        await listeners.close()


def measure(plan: Plan) -> list[Row]:
    """Measure with a real etcd."""

    def tell(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    with Lab(f"bench-{os.getpid()}", hosts=3) as lab:
        return asyncio.run(far(plan, lab, tell))


def write(rows: list[Row], facts: dict[str, str], directory: Path) -> str:
    """Write table, numbers and picture; the table's text."""
    from bench import scale_plot

    directory.mkdir(parents=True, exist_ok=True)
    text = "\n".join(f"* {name}: {value}" for name, value in facts.items()) + "\n\n" + table(rows)
    (directory / "scale.md").write_text(text)
    kept = {"about": facts, "rows": [asdict(row) for row in rows]}
    (directory / "scale.json").write_text(json.dumps(kept, indent=1) + "\n")
    scale_plot.draw(rows, directory / "scale.svg")
    return text


def table(rows: list[Row]) -> str:
    """A Markdown table: a column for each number of hosts."""
    lines = ["| hosts | " + " | ".join(str(row.hosts) for row in rows) + " |"]
    lines.append("| --- |" + " ---: |" * len(rows))
    for each in fields(Row)[1:]:
        cells = [getattr(row, each.name) for row in rows]
        lines.append(f"| {each.name.replace('_', ' ')} | " + " | ".join(map(_short, cells)) + " |")
    return "\n".join(lines) + "\n"


def _short(value: float) -> str:
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 100 else f"{value:.3g}"
