"""The engine says when the kernel had no room for more neighbours: once, and not for what was before."""

import asyncio
import logging

import pytest

from fairlead.engine.cluster.crowding import Crowding
from fairlead.model.surroundings import NeighbourTable
from tests.fakes.cluster import FakeCluster
from tests.unit.engine.cluster_hosts import SimulatedHost


def test_a_table_that_was_full_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async def look(*counts: int) -> list[str]:
        host = SimulatedHost(FakeCluster(), 1)
        crowding = Crowding(host.context)
        for count in counts:
            host.paper.table = NeighbourTable(1024, count)
            await crowding.look()
        return [record.getMessage() for record in caplog.records]

    caplog.set_level(logging.WARNING, logger="fairlead.engine.cluster.crowding")
    (said,) = asyncio.run(look(5, 5, 12, 12))
    assert "full 7 times" in said
    assert "room for 1024" in said
