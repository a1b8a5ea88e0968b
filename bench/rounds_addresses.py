"""Hosts that take all their addresses from one subnet at once, and give them back: none twice, none left.

Run in a virtual host: the address of etcd, how many hosts, how many addresses each; prints JSON.
"""

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from ipaddress import IPv4Network
from pathlib import Path

from bench.scale_whole import WholeHost, until
from fairlead.boundary.cluster import ClusterStore
from fairlead.model.cluster import RemoteEndpoint
from fairlead.overlay import keys
from fairlead.store.etcd import EtcdStore

AT_ONCE = 16  # of one host
PREFIX = "/addresses"  # before all keys: there is nobody else


async def take(
    new_store: Callable[[], ClusterStore], hosts: int, each: int, subnet: IPv4Network
) -> dict[str, float]:
    """How many addresses were taken, how many of them differ, how many claims were left at the end."""
    with tempfile.TemporaryDirectory(prefix="bench-addresses-") as directory:
        made = [WholeHost(number, new_store(), Path(directory)) for number in range(hosts)]
        for host in made:
            await host.begin()
        await made[0].create(subnet)
        await until(lambda: all(list(host.context.records.networks) for host in made))
        began = time.monotonic()
        taken = await asyncio.gather(*(_fill(host, each) for host in made))
        filled = time.monotonic()
        network = made[0].network.id
        listing = await made[0].cluster.shared.store.list(keys.claims(network))
        places = [place for some in taken for place in some]
        await asyncio.gather(*(_empty(*pair) for pair in zip(made, taken, strict=True)))
        emptied = time.monotonic()
        left = await made[0].cluster.shared.store.list(keys.claims(network))
        for host in made:
            await host.finish()
    return {
        "taken": len(places),
        "different": len({place.ipv4 for place in places}),
        "claimed": len(listing.entries),
        "left": len(left.entries),
        "seconds to take": round(filled - began, 2),
        "seconds to give back": round(emptied - filled, 2),
    }


async def _fill(host: WholeHost, count: int) -> list[RemoteEndpoint]:
    turns = asyncio.Semaphore(AT_ONCE)

    async def join(number: int) -> RemoteEndpoint:
        async with turns:
            return await host.join(f"c{number}")

    return list(await asyncio.gather(*map(join, range(count))))


async def _empty(host: WholeHost, places: list[RemoteEndpoint]) -> None:
    turns = asyncio.Semaphore(AT_ONCE)

    async def part(place: RemoteEndpoint) -> None:
        async with turns:
            await host.part(place)

    await asyncio.gather(*map(part, places))


def main() -> None:
    """With a real etcd."""
    etcd, hosts, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    found = asyncio.run(
        take(lambda: EtcdStore([etcd], prefix=PREFIX), hosts, each, IPv4Network("10.70.0.0/20"))
    )
    print(json.dumps(found))


if __name__ == "__main__":
    main()
