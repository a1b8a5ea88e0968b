"""Three hosts that fill a subnet at once."""

import asyncio
import time
from ipaddress import IPv4Network

from bench.rounds_addresses import take
from tests.fakes.cluster import FakeCluster


def test_no_address_is_given_twice_and_none_is_left_behind() -> None:
    shared = FakeCluster(now=time.monotonic)
    found = asyncio.run(take(shared.store, 3, 40, IPv4Network("10.70.0.0/25")))
    assert (found["taken"], found["different"], found["claimed"], found["left"]) == (120, 120, 120, 0)
