"""What Prometheus is told: counters and durations kept here, the rest looked up when it asks."""

import bisect
import os
import resource
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fairlead import __version__
from fairlead.api.exchange import Answer, Request
from fairlead.api.facade import Engine as Served
from fairlead.api.routes import Route, Span
from fairlead.dockerapi.exposition import CONTENT_TYPE, render
from fairlead.model.errors import FairleadError
from fairlead.model.metrics import MetricFamily, Sample

# Seconds; the upper bounds of what durations are counted by.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
OPERATION = "fairlead_operation_seconds"
REPAIRS, REPAIRED = "fairlead_repairs_total", "fairlead_repaired_total"
_MEANINGS = {
    OPERATION: "Durations of requests that change something, by route and outcome (done, refused, failed)",
    REPAIRS: "Times that something had to be put right although nobody had asked for a change",
    REPAIRED: "What was put right then, by kind",
}
_QUERIES = (
    "Queries to 127.0.0.11 since the resolver began: answered here, outside, by nobody there, or malformed"
)
_PAGE = os.sysconf("SC_PAGE_SIZE")

Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Durations:
    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def samples(self, labels: Mapping[str, str]) -> Iterator[Sample]:
        below = 0
        for bound, count in zip((*map(repr, BOUNDS), "+Inf"), self.counts, strict=True):
            below += count
            yield Sample(below, {**labels, "le": bound}, "_bucket")
        yield Sample(self.total, labels, "_sum")
        yield Sample(below, labels, "_count")


@dataclass(slots=True)
class Registry:
    """boundary.Meter, in memory; it begins anew with the daemon, as Prometheus expects it of counters."""

    _counts: dict[str, dict[Labels, int]] = field(default_factory=lambda: {REPAIRS: {(): 0}, REPAIRED: {}})
    _durations: dict[str, dict[Labels, _Durations]] = field(default_factory=lambda: {OPERATION: {}})

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """So much more of it has happened."""
        counts, key = self._counts[name], tuple(labels.items())
        counts[key] = counts.get(key, 0) + amount

    def time(self, name: str, seconds: float, **labels: str) -> None:
        """It has happened once more, and took so long."""
        self._durations[name].setdefault(tuple(labels.items()), _Durations()).add(seconds)

    def families(self) -> Iterator[MetricFamily]:
        """All that was told."""
        for name, durations in self._durations.items():
            samples = [
                sample for key, each in sorted(durations.items()) for sample in each.samples(dict(key))
            ]
            yield MetricFamily(name, "histogram", _MEANINGS[name], samples)
        for name, counts in self._counts.items():
            samples = [Sample(count, dict(key)) for key, count in sorted(counts.items())]
            yield MetricFamily(name, "counter", _MEANINGS[name], samples)


def process_families() -> Iterator[MetricFamily]:
    """The daemon's own process, under the names that all programs have for it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/statm") as file:
        resident = int(file.read().split()[1]) * _PAGE
    for name, kind, meaning, value in (
        ("process_cpu_seconds_total", "counter", "Processor time used", usage.ru_utime + usage.ru_stime),
        ("process_resident_memory_bytes", "gauge", "Memory resident", float(resident)),
        ("process_open_fds", "gauge", "Open files", float(len(os.listdir("/proc/self/fd")))),
        ("process_start_time_seconds", "gauge", "Start, in seconds since the epoch", _STARTED),
    ):
        yield MetricFamily(name, kind, f"{meaning} (of the daemon)", [Sample(value)])


_STARTED = time.time()
Queries = Callable[[], Awaitable[Mapping[str, int]]]


async def text(registry: Registry, engine: Callable[[], Iterator[MetricFamily]], queries: Queries) -> str:
    """The whole page; without the queries where the resolver does not answer just now."""
    families = [
        MetricFamily("fairlead_build_info", "gauge", "This release", [Sample(1, {"version": __version__})]),
        *engine(),
        *registry.families(),
    ]
    try:
        found = await queries()
        samples = [Sample(count, {"answered": name}) for name, count in found.items()]
        families.append(MetricFamily("fairlead_dns_queries_total", "counter", _QUERIES, samples))
    except FairleadError:
        pass
    return render([*families, *process_families()])


def routes(page: Callable[[], Awaitable[str]]) -> Sequence[Route]:
    """The one thing that is served at the metrics address."""

    async def metrics(engine: Served, request: Request) -> Answer:
        return Answer(body=(await page()).encode(), content_type=CONTENT_TYPE)

    return (Route("GET", "/metrics", metrics, Span.HEARD),)
