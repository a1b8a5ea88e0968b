"""The simulation of many hosts, small and on a store in memory."""

import asyncio
import time

from bench import scale
from tests.fakes.cluster import FakeCluster


def test_every_number_of_hosts_comes_to_agree_on_newcomers_endpoints_and_deaths() -> None:
    shared, told = FakeCluster(now=time.monotonic), list[str]()
    rows = asyncio.run(scale.near(scale.Plan.quick(), shared.store, told.append))
    assert [(row.hosts, row.endpoints) for row in rows] == [(6, 18), (9, 27)]
    assert "| hosts | 6 | 9 |" in scale.table(rows)
