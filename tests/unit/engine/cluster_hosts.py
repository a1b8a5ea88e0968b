"""Hosts of a cluster for tests: each with its records, its kernel on paper and its way to one fake store."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from ipaddress import ip_address

from fairlead.engine.cluster.claims import Order
from fairlead.engine.cluster.cluster import Cluster, Reach
from fairlead.engine.context import Context
from fairlead.engine.events import EventLog
from fairlead.engine.ledger import Ledger, drop, put
from fairlead.model.addresses import Address, Subnet
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.config import Cluster as ClusterSettings
from fairlead.model.config import Settings
from fairlead.model.endpoint import Attachment, Endpoint
from fairlead.model.network import Network, Pool
from fairlead.model.records import HostRecord, Records
from fairlead.model.surroundings import NeighbourTable
from fairlead.model.views import HostFacts
from fairlead.overlay.copy import StoreCopy
from fairlead.reconcile.converge import Reconciler
from tests.fakes.cluster import FakeCluster
from tests.unit.engine.places import FakeHost, FakeStore

FASTER = 100  # how much faster time goes here


class QuickClock:
    """Time that goes faster, and chance that can be repeated."""

    def __init__(self, seed: int):
        self._random = random.Random(seed)

    def now(self) -> int:
        return 1

    def chance(self, count: int) -> bytes:
        return self._random.randbytes(count)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / FASTER)


@dataclass
class PaperHost(FakeHost):
    """A host with one address."""

    own: str = "198.51.100.1"
    table: NeighbourTable = NeighbourTable(1024, 5)

    async def addresses(self) -> Sequence[Address]:
        return [ip_address("127.0.0.1"), ip_address(self.own)]

    async def neighbour_table(self) -> NeighbourTable:
        return self.table

    async def routes(self) -> Sequence[Subnet]:
        return []

    async def facts(self) -> HostFacts:
        return HostFacts(name="node-" + self.own.rpartition(".")[2])


class SimulatedHost:
    """One host: `cluster` is what is tested."""

    def __init__(self, shared: FakeCluster, number: int, records: Records | None = None):
        self.number = number
        self.paper = PaperHost(own=f"198.51.100.{number}")
        self.way = shared.store()
        clock = QuickClock(number)
        settings = ClusterSettings(
            "etcd://x:1", ("x:1",), f"{self.paper.own}:2375", ip_address(self.paper.own)
        )
        records = records or Records(hosts={"host": HostRecord(engine_id=f"{number:064x}")})
        nothing: object = None
        self.context = Context(
            settings=replace(Settings(), cluster=settings),
            ledger=Ledger(FakeStore(records), records),
            reconciler=Reconciler([self.paper]),  # type: ignore[list-item]
            runtime=nothing,  # type: ignore[arg-type]
            images=nothing,  # type: ignore[arg-type]
            archives=nothing,  # type: ignore[arg-type]
            machine=self.paper,  # type: ignore[arg-type]
            clock=clock,
            events=EventLog(clock),
        )
        self.yielded: list[Endpoint] = []
        self.cluster = Cluster(self.context, Reach(settings, self.way, self), self._yield)

    @property
    def records(self) -> Records:
        return self.context.records

    @property
    def copy(self) -> StoreCopy:
        return self.cluster.shared.copy

    async def answering(
        self, namespace: str, addresses: Collection[Address], seconds: float
    ) -> frozenset[Address]:
        return frozenset(addresses)

    async def _yield(self, endpoint: Endpoint, reason: str) -> None:
        self.yielded.append(endpoint)
        await self.context.ledger.commit(drop(endpoint))
        await self.cluster.leave(self.records.networks[endpoint.network_id], endpoint.id)

    def new_network(self, name: str, *pools: Pool) -> Network:
        context = self.context
        return Network(context.new_id(), name, "overlay", 1, 1, scope="global", pools=pools)

    async def create(self, name: str, *pools: Pool) -> Network:
        return await self.cluster.networks.create(self.new_network(name, *pools))

    async def join(self, network_id: str, name: str, wanted: str = "") -> RemoteEndpoint:
        """What the start of a container does: a place, then its record."""
        network = self.records.networks[network_id]
        attachment = Attachment(network.name, ipv4=ip_address(wanted) if wanted else None)  # type: ignore[arg-type]
        place = await self.cluster.enter(Order(network, self.context.new_id(), name, (name,), attachment))
        record = Endpoint(
            place.id, network_id, name, "s" * 64, 1, "eth0", "veth0", place.mac, place.ipv4, names=(name,)
        )
        await self.context.ledger.commit(put(replace(record, phase="settled")))
        self.cluster.settle(network, place.id)
        return place

    async def part(self, place: RemoteEndpoint) -> None:
        """What the end of a container does."""
        network, endpoint = self.records.networks[place.network_id], self.records.endpoints[place.id]
        await self.context.ledger.commit(drop(endpoint))
        await self.cluster.leave(network, place.id)


@asynccontextmanager
async def hosts(shared: FakeCluster, count: int) -> AsyncIterator[list[SimulatedHost]]:
    """Hosts that have joined and know each other."""
    made = [SimulatedHost(shared, number + 1) for number in range(count)]
    for each in made:
        await each.cluster.begin()
    await until(lambda: all(len(each.records.members) == count for each in made))
    try:
        yield made
    finally:
        for each in made:
            await each.cluster.finish(leave=False)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what must come; a failure says so by the test's own deadline."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.002)
