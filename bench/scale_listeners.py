"""Hosts that only listen: their lease, what they have said, and a watch of everything, by the real client.

They are what the store has to carry; what a host does with what it hears is measured at the whole ones.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface

from bench.scale_whole import FIRST_VTEP, HEARTBEAT, SUBNET, TTL, until
from fairlead.boundary.cluster import ClusterStore, LeaseEnded, StoreAway, Write
from fairlead.model.addresses import mac_from_ipv4
from fairlead.model.cluster import Claim, Member, RemoteEndpoint
from fairlead.overlay import keys
from fairlead.overlay.documents import write_claim, write_endpoint, write_member

FIRST = 4096  # of their VTEPs; their containers' addresses begin as far up in the subnet
MOST_WRITES = 100


@dataclass(slots=True)
class Listener:
    """One host."""

    number: int
    network_id: str
    store: ClusterStore
    endpoints: int
    lease: int = 0
    lapses: int = 0  # how often its lease ended though it wanted it to live
    heard: list[tuple[int, float]] = field(default_factory=list)  # revisions, and when they came
    keys: int = 0  # changes of keys that it heard of
    _watching: asyncio.Task[None] | None = None
    _pulsing: asyncio.Task[None] | None = None

    @property
    def macs(self) -> list[str]:
        """The hardware addresses of its containers."""
        return [mac_from_ipv4(address) for address in self._addresses()]

    def _addresses(self) -> list[IPv4Address]:
        first = SUBNET.network_address + FIRST + self.number * self.endpoints
        return [first + each for each in range(self.endpoints)]

    async def say(self) -> None:
        """Take a lease and say what a host says."""
        self.lease = await self.store.grant(TTL)
        self._pulsing = asyncio.create_task(self._pulse())
        identity, vtep = f"{FIRST + self.number:064x}", FIRST_VTEP + FIRST + self.number
        member = Member(identity, f"host-{vtep}", vtep, f"{vtep}:2376", 1)
        writes = [Write(keys.member(identity), write_member(member), self.lease)]
        for address in self._addresses():
            number = int(address)
            endpoint = RemoteEndpoint(
                id=f"{number:064x}",
                network_id=self.network_id,
                member_id=identity,
                generation=1,
                vtep=vtep,
                mac=mac_from_ipv4(address),
                container=f"c{number}",
                ipv4=IPv4Interface(f"{address}/{SUBNET.prefixlen}"),
                names=(f"c{number}", f"{number:012x}"),
            )
            claim = Claim(self.network_id, address, identity, endpoint.id)
            writes.append(Write(keys.claim(self.network_id, address), write_claim(claim)))
            key = keys.endpoint(self.network_id, endpoint.id)
            writes.append(Write(key, write_endpoint(endpoint), self.lease))
        for start in range(0, len(writes), MOST_WRITES):
            await self.store.commit([], writes[start : start + MOST_WRITES])

    def listen(self, revision: int) -> None:
        """Watch everything from a revision on."""
        self.heard = [(revision, time.monotonic())]
        self._watching = asyncio.create_task(self._watch(revision))

    async def _watch(self, revision: int) -> None:
        async for changes in self.store.watch(keys.ROOT, revision):
            self.heard.append((changes.revision, time.monotonic()))
            self.keys += len(changes.entries)

    async def _pulse(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                await self.store.keep_alive(self.lease)
            except (LeaseEnded, StoreAway):
                self.lapses += 1

    async def rest(self) -> None:
        """Stop watching; the lease goes on."""
        await _end(self._watching)

    async def end(self) -> None:
        """Stop everything, without a word."""
        await _end(self._watching)
        await _end(self._pulsing)

    def since(self, revision: int) -> float | None:
        """When it had heard of everything up to a revision."""
        return next((at for reached, at in self.heard if reached >= revision), None)


class Listeners:
    """Many of them in this process, and what is asked of them; times are of the monotonic clock."""

    def __init__(self, new_store: Callable[[], ClusterStore]):
        self._new_store = new_store
        self._own = new_store()
        self._hosts: list[Listener] = []
        self._born = 0

    async def begin(self, network: str, count: int, endpoints: int) -> dict[str, object]:
        """So many more join with so many endpoints each; nobody here listens meanwhile."""
        for each in self._hosts:
            await each.rest()
        for _ in range(count):
            listener = Listener(self._born, network, self._new_store(), endpoints)
            self._born += 1
            await listener.say()
            self._hosts.append(listener)
        revision = (await self._own.list(keys.POOLS)).revision
        for each in self._hosts:
            each.listen(revision)
        return {}

    async def reached(self, revision: int) -> dict[str, object]:
        """When the first and the last had heard of everything up to a revision."""
        await until(lambda: all(each.since(revision) is not None for each in self._hosts))
        times = sorted(at for each in self._hosts if (at := each.since(revision)) is not None)
        return {"first": times[0], "last": times[-1]} if times else {}

    async def die(self) -> dict[str, object]:
        """One's lease ends: when it did, and what goes with it."""
        gone = self._hosts.pop()
        await gone.end()
        began = time.monotonic()
        await self._own.revoke(gone.lease)
        revision = (await self._own.list(keys.POOLS)).revision
        await gone.store.close()
        return {"began": began, "macs": gone.macs, "revision": revision}

    async def count(self) -> dict[str, object]:
        """What all heard so far, and how many leases ended."""
        return {
            "heard": sum(each.keys for each in self._hosts),
            "lapses": sum(each.lapses for each in self._hosts),
        }

    async def finish(self) -> dict[str, object]:
        """All go."""
        for each in self._hosts:
            await each.end()
            with contextlib.suppress(StoreAway):
                await each.store.close()
        await self._own.close()
        return {}


async def _end(task: asyncio.Task[None] | None) -> None:
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
