"""A client of the shared store that measures: ENDPOINTS and how many transactions; prints JSON.

Runs in a virtual host; the times are milliseconds.
"""

import asyncio
import contextlib
import json
import sys
import time

from fairlead.boundary.cluster import Unchanged, Write
from fairlead.store.etcd import EtcdStore

AT_ONCE = 32
VALUE = "x" * 300  # about as long as an endpoint's


async def change(store: EtcdStore, key: str, changed: int) -> int:
    """One compare and set; the new revision."""
    committed = await store.commit([Unchanged(key, changed)], [Write(key, VALUE)])
    assert committed.succeeded
    return committed.revision


async def serial(store: EtcdStore, count: int) -> list[float]:
    """Each transaction's time, one after the other."""
    times, changed = [], 0
    for _ in range(count):
        start = time.perf_counter()
        changed = await change(store, "/bench/serial", changed)
        times.append((time.perf_counter() - start) * 1000)
    return times


async def at_once(store: EtcdStore, count: int) -> float:
    """Transactions a second, 32 under way at any time, each on a key of its own."""

    async def worker(number: int) -> None:
        changed = 0
        for _ in range(max(1, count // AT_ONCE)):
            changed = await change(store, f"/bench/many/{number}", changed)

    start = time.perf_counter()
    await asyncio.gather(*map(worker, range(AT_ONCE)))
    return max(1, count // AT_ONCE) * AT_ONCE / (time.perf_counter() - start)


async def heard(store: EtcdStore, other: EtcdStore, count: int) -> list[float]:
    """From the beginning of a change at one client until another, at another member, hears of it."""
    times = []
    revision = await change(store, "/bench/heard", 0)
    async with contextlib.aclosing(other.watch("/bench/heard", revision)) as watch:
        for _ in range(count):
            start = time.perf_counter()
            changing = asyncio.create_task(change(store, "/bench/heard", revision))
            async for changes in watch:
                if changes.entries:
                    break
            times.append((time.perf_counter() - start) * 1000)
            revision = await changing
    return times


async def measure(endpoints: list[str], count: int) -> dict[str, object]:
    """All three."""
    store, other = EtcdStore(endpoints), EtcdStore(endpoints[::-1])
    try:
        return {
            "serial": await serial(store, count),
            "rate": await at_once(store, count * 4),
            "heard": await heard(store, other, count),
        }
    finally:
        await store.close()
        await other.close()


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure(sys.argv[1].split(","), int(sys.argv[2])))))
