"""Hosts with the whole control plane: the engine's cluster part, planner and records; the kernel is on paper.

What is real of each: the client of the store, the copy and its judgement, the claims, the records
in SQLite, the planner's difference.  What is not: containers, and the kernel, which is a table
here - but for the host that joins last, if this process may change links.
"""

import asyncio
import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path

from fairlead.boundary import Actuator
from fairlead.boundary.cluster import ClusterStore
from fairlead.daemon.edges import SystemClock
from fairlead.engine.cluster.claims import Order
from fairlead.engine.cluster.cluster import Cluster, Reach
from fairlead.engine.context import Context
from fairlead.engine.events import EventLog
from fairlead.engine.ledger import Ledger, drop, put
from fairlead.kernel.links import KernelLinks
from fairlead.model.addresses import Address, Subnet
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.config import Cluster as ClusterSettings
from fairlead.model.config import Settings
from fairlead.model.endpoint import Attachment, Endpoint
from fairlead.model.errors import Unavailable
from fairlead.model.host import FdbKey, Key, State, Step, Value
from fairlead.model.network import Network, Pool
from fairlead.model.records import HostRecord
from fairlead.model.surroundings import NeighbourTable
from fairlead.model.views import HostFacts
from fairlead.planner.overlay import TUNNEL, overlay_namespace
from fairlead.reconcile.converge import Reconciler
from fairlead.store.sqlite import SqliteStore

NETWORK, SUBNET = "scale", IPv4Network("10.0.0.0/9")
FIRST_VTEP = ip_address("172.16.0.1")
# Seconds.  Longer than the engine's ten: here a host may be slow only because all share one machine.
TTL, HEARTBEAT = 60, 3
GLANCE = 0.01  # seconds between two looks at what has come
AGAIN = 0.5  # seconds until what was refused is tried again
LIMIT = 120.0  # seconds for anything to come


@dataclass(slots=True)
class PaperKernel:
    """An actuator for the kinds of keys that nobody else handles."""

    handles: tuple[type, ...] = Key.__args__  # type: ignore[attr-defined]
    there: dict[Key, Value | None] = field(default_factory=dict)

    async def observe(self, keys: Sequence[Key]) -> State:
        """What is there under the keys."""
        return {key: self.there.get(key) for key in keys}

    async def everything(self) -> State:
        """All that is there."""
        return self.there

    async def perform(self, steps: Sequence[Step]) -> None:
        """Do as told."""
        for step in steps:
            if step.after is None:
                self.there.pop(step.key, None)
            else:
                self.there[step.key] = step.after


@dataclass(frozen=True, slots=True)
class PaperMachine:
    """What a host knows of itself."""

    own: Address

    async def addresses(self) -> Sequence[Address]:
        """Its addresses."""
        return [self.own]

    async def neighbour_table(self) -> NeighbourTable:
        """Room enough."""
        return NeighbourTable()

    async def routes(self) -> Sequence[Subnet]:
        """No routes."""
        return []

    async def facts(self) -> HostFacts:
        """Its name."""
        return HostFacts(name=f"host-{self.own}")


class WholeHost:
    """One host."""

    def __init__(self, number: int, store: ClusterStore, directory: Path, links: KernelLinks | None = None):
        self.vtep = FIRST_VTEP + number
        self.paper, self._links = PaperKernel(), links
        actuators: list[Actuator] = [self.paper]
        if links is not None:
            self.paper.handles = tuple(set(self.paper.handles) - set(links.handles))
            actuators.insert(0, links)
        cluster = ClusterSettings(
            "etcd://bench", (), f"{self.vtep}:2376", self.vtep, heartbeat=HEARTBEAT, ttl=TTL
        )
        clock, self._records = SystemClock(), SqliteStore(str(directory / f"host{number}"))
        nothing: object = None
        self.context = Context(
            settings=replace(Settings(), cluster=cluster),
            ledger=Ledger(self._records),
            reconciler=Reconciler(actuators),
            runtime=nothing,  # type: ignore[arg-type]
            images=nothing,  # type: ignore[arg-type]
            archives=nothing,  # type: ignore[arg-type]
            machine=PaperMachine(self.vtep),  # type: ignore[arg-type]
            clock=clock,
            events=EventLog(clock),
        )
        self.cluster = Cluster(self.context, Reach(cluster, store, nothing), self._yield)  # type: ignore[arg-type]

    async def _yield(self, endpoint: Endpoint, reason: str) -> None:
        print(f"host {self.vtep}: endpoint {endpoint.id[:12]} loses its place: {reason}", file=sys.stderr)

    async def begin(self) -> None:
        """Join, and know what the others have said."""
        await self.context.ledger.load()
        await self.context.ledger.commit(put(HostRecord(engine_id=self.context.new_id())))
        await self.cluster.begin()
        await until(lambda: not self.cluster.shared.away)

    async def finish(self) -> None:
        """Leave, as at the daemon's end."""
        await self.cluster.finish(leave=True)
        await self._records.close()

    @property
    def network(self) -> Network:
        """The network that all are on."""
        found = self.context.records.network_named(NETWORK)
        assert found is not None
        return found

    async def create(self, subnet: IPv4Network = SUBNET) -> None:
        """Make the network."""
        pool = Pool(subnet, gateway=subnet[1], subnet_requested=True)
        network = Network(self.context.new_id(), NETWORK, "overlay", 1, 1, scope="global", pools=(pool,))
        await self.cluster.networks.create(network)

    async def join(self, name: str, wanted: IPv4Address | None = None) -> RemoteEndpoint:
        """What the start of a container does: a place, then its record."""
        network = self.network
        attachment = Attachment(network.name, ipv4=wanted)
        order = Order(network, self.context.new_id(), name, (name,), attachment)
        place = await self.cluster.enter(order)
        record = Endpoint(
            place.id, network.id, "c" * 64, "s" * 64, 1, "eth0", "veth0", place.mac, place.ipv4, names=(name,)
        )
        await self.context.ledger.commit(put(replace(record, phase="settled")))
        self.cluster.settle(network, place.id)
        return place

    async def part(self, place: RemoteEndpoint) -> None:
        """What the end of a container does."""
        await self.context.ledger.commit(drop(self.context.records.endpoints[place.id]))
        await self.cluster.leave(self.network, place.id)

    def sends(self, mac: str) -> bool:
        """Whether frames to this hardware address go to another host."""
        return self.paper.there.get(FdbKey(overlay_namespace(self.network), TUNNEL, mac)) is not None


class WholeHosts:
    """Several of them in this process, and what is asked of them; times are of the monotonic clock."""

    def __init__(self, new_store: Callable[[], ClusterStore], real_kernel: bool):
        self._new_store, self._real_kernel = new_store, real_kernel
        self._directory = tempfile.TemporaryDirectory(prefix="bench-scale-")
        self._numbers = itertools.count()
        self._hosts: list[WholeHost] = []
        self._refused = 0
        self._started: list[tuple[WholeHost, RemoteEndpoint]] = []

    def _new_host(self, links: KernelLinks | None = None) -> WholeHost:
        return WholeHost(next(self._numbers), self._new_store(), Path(self._directory.name), links)

    async def begin(self, count: int, endpoints: int) -> dict[str, object]:
        """So many hosts join, and start so many endpoints each; the first one makes the network."""
        for number in range(count):
            host = self._new_host()
            await host.begin()
            self._hosts.append(host)
            if number == 0:
                await host.create()
        await until(lambda: all(host.context.records.network_named(NETWORK) for host in self._hosts))
        addresses = iter(SUBNET.network_address + 2 + each for each in range(count * endpoints))
        for number in range(endpoints):
            await asyncio.gather(*(host.join(f"kept{number}", next(addresses)) for host in self._hosts))
        return {"network": self._hosts[0].network.id}

    async def know(self, remotes: int) -> dict[str, object]:
        """Wait until each knows so many endpoints on other hosts, and has told its kernel of them."""
        await until(lambda: all(len(host.context.records.remotes) == remotes for host in self._hosts))
        for host in self._hosts:
            async with host.cluster.presence.turn:
                pass
        return {}

    async def start(self, count: int) -> dict[str, object]:
        """So many endpoints start at once, dealt over the hosts; when all others send to all of them."""
        began = time.monotonic()
        hosts = list(itertools.islice(itertools.cycle(self._hosts), count))
        self._refused = 0
        places = await asyncio.gather(*(self._insist(host, f"new{n}") for n, host in enumerate(hosts)))
        self._started = list(zip(hosts, places, strict=True))
        claimed = time.monotonic()
        revision = max(host.cluster.shared.copy.revision for host in self._hosts)
        wanted = [
            (host, place.mac) for host in self._hosts for owner, place in self._started if owner is not host
        ]
        await until(lambda: all(host.sends(mac) for host, mac in wanted))
        found = {"began": began, "claimed": claimed, "agreed": time.monotonic(), "revision": revision}
        return {**found, "refused": self._refused}

    async def _insist(self, host: WholeHost, name: str) -> RemoteEndpoint:
        """Start again what is refused because the store did not answer in time, as a user would."""
        while True:
            try:
                return await host.join(name)
            except Unavailable:
                self._refused += 1
                await asyncio.sleep(AGAIN)

    async def stop(self) -> dict[str, object]:
        """What was started last ends."""
        began = time.monotonic()
        await asyncio.gather(*(host.part(place) for host, place in self._started))
        macs = [place.mac for _, place in self._started]
        self._started = []
        return {"began": began, **await self.forget(macs)}

    async def forget(self, macs: list[str]) -> dict[str, object]:
        """Wait until nobody sends to these any more."""
        await until(lambda: not any(host.sends(mac) for host in self._hosts for mac in macs))
        return {"agreed": time.monotonic()}

    async def newcomer(self) -> dict[str, object]:
        """One more host joins, starts an endpoint and leaves; when it knows all, and all know it."""
        remotes = len(self._hosts[0].context.records.remotes)
        with tempfile.TemporaryDirectory(prefix="bench-scale-exec-") as root:
            links = KernelLinks(os.path.join(root, "exec")) if self._real_kernel else None
            used, began = time.process_time(), time.monotonic()
            host = self._new_host(links)
            await host.begin()
            read = time.monotonic()
            place = await host.join("newcomer")
            raised = time.monotonic()
            await until(lambda: all(each.sends(place.mac) for each in self._hosts))
            agreed, used = time.monotonic(), time.process_time() - used
            repaired = time.monotonic()
            steps = await host.cluster.presence.repair(host.network)
            repaired = time.monotonic() - repaired
            assert steps == 0, f"what was just made differed in {steps} steps"
            knows = len(host.context.records.remotes)
            await host.part(place)
            await host.finish()
            if links is not None:
                links.close()
        await self.forget([place.mac])
        return {
            "began": began,
            "read": read,
            "raised": raised,
            "agreed": agreed,
            "processor": used,
            "looked": repaired,
            "known": knows,
            "remotes": remotes,
        }

    async def compare(self) -> dict[str, object]:
        """Each reads the whole store once, as they do now and then."""
        for host in self._hosts:
            await host.cluster._sessions.compare()
        return {}

    async def look(self) -> dict[str, object]:
        """Each plans its network and looks once, as they do every few seconds."""
        for host in self._hosts:
            assert await host.cluster.presence.repair(host.network) == 0
        return {}

    async def finish(self) -> dict[str, object]:
        """All leave."""
        for host in self._hosts:
            await host.finish()
        self._directory.cleanup()
        return {}


async def until(holds: Callable[[], object]) -> None:
    """Wait for what must come.  TimeoutError after `LIMIT` seconds."""
    async with asyncio.timeout(LIMIT):
        while not holds():
            await asyncio.sleep(GLANCE)
