"""The page for Prometheus: what is counted, and in which form it is shown."""

import asyncio
import re
from collections.abc import Iterator, Mapping

import pytest

from fairlead.daemon.metrics import BOUNDS, OPERATION, REPAIRED, REPAIRS, Registry, text
from fairlead.model.errors import Unavailable
from fairlead.model.metrics import MetricFamily, Sample

# A line of the text format, version 0.0.4.
_NUMBER = r"(?:[+-]?(?:\d+(?:\.\d+)?(?:e[+-]?\d+)?|Inf)|NaN)"
_LABELS = r'\{[a-z_]+="(?:[^"\\\n]|\\["\\n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\["\\n])*")*\}'
LINE = re.compile(
    rf"# HELP [a-z_]+ [^\n]*|# TYPE [a-z_]+ (?:counter|gauge|histogram)|[a-z_]+(?:{_LABELS})? {_NUMBER}"
)


def page(registry: Registry, queries: Mapping[str, int] | None = None) -> str:
    def engine() -> Iterator[MetricFamily]:
        yield MetricFamily("fairlead_endpoints", "gauge", "Places", [Sample(2, {"network": 'a "b"'})])

    async def asked() -> Mapping[str, int]:
        if queries is None:
            raise Unavailable("the resolver does not answer")
        return queries

    return asyncio.run(text(registry, engine, asked))


def numbers(shown: str) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in shown.splitlines() if line[0] != "#"]
    return {name: float(number) for name, _, number in lines}


def test_every_line_is_one_of_the_format() -> None:
    registry = Registry()
    registry.time(OPERATION, 0.02, operation="POST /containers/{id}/start", outcome="done")
    registry.count(REPAIRED, 3, kind="Rule")
    shown = page(registry, {"here": 1, "outside": 0})
    assert shown.endswith("\n")
    assert [line for line in shown.splitlines() if LINE.fullmatch(line) is None] == []
    types = re.findall(r"# TYPE (\S+)", shown)
    assert len(types) == len(set(types))


def test_a_histogram_counts_all_that_took_no_longer() -> None:
    registry = Registry()
    for seconds in (0.001, BOUNDS[0], 0.3, 100.0):
        registry.time(OPERATION, seconds, operation="x", outcome="done")
    found = numbers(page(registry))
    of = 'operation="x",outcome="done"'
    buckets = [found[f'{OPERATION}_bucket{{{of},le="{bound!r}"}}'] for bound in BOUNDS]
    assert buckets == [2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3]
    assert found[f'{OPERATION}_bucket{{{of},le="+Inf"}}'] == found[f"{OPERATION}_count{{{of}}}"] == 4
    assert found[f"{OPERATION}_sum{{{of}}}"] == pytest.approx(100.306)


def test_counters_add_up_and_are_there_before_anything_happens() -> None:
    registry = Registry()
    assert numbers(page(registry))[REPAIRS] == 0
    registry.count(REPAIRS)
    registry.count(REPAIRS)
    assert numbers(page(registry))[REPAIRS] == 2


def test_a_resolver_that_does_not_answer_takes_nothing_else_away() -> None:
    registry = Registry()
    assert "fairlead_dns_queries_total" in page(registry, {"here": 7})
    shown = page(registry)
    assert "fairlead_dns_queries_total" not in shown
    assert numbers(shown)['fairlead_endpoints{network="a \\"b\\""}'] == 2
    assert numbers(shown)["process_resident_memory_bytes"] > 1 << 20
