"""Addresses of global networks: claimed by a transaction before anybody has them, given back after.

What this host has claimed follows from its records: `settle` compares both, so that a claim whose
container is gone is given back, and an endpoint that has lost its claim yields.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from fairlead.boundary.cluster import LeaseEnded, StoreAway, Unchanged, Write
from fairlead.engine.cluster.membership import Membership
from fairlead.engine.cluster.shared import MOST_WRITES, Shared
from fairlead.engine.context import Context
from fairlead.ipam.leases import lease
from fairlead.model.addresses import Address, mac_from_bytes
from fairlead.model.cluster import Claim, RemoteEndpoint
from fairlead.model.endpoint import Attachment, Endpoint
from fairlead.model.errors import Conflict, NotFound, Unavailable
from fairlead.model.network import Network, Pool
from fairlead.overlay import allotment, keys
from fairlead.overlay.documents import write_claim, write_endpoint
from fairlead.overlay.trust import places

log = logging.getLogger(__name__)
LOWEST = 1  # tries for the lowest free address; then others are choosing too, and chance decides
TRIES = 50


@dataclass(frozen=True, slots=True)
class Order:
    """What is claimed for one endpoint to be."""

    network: Network
    endpoint_id: str
    container: str
    names: tuple[str, ...]
    attachment: Attachment
    mac: str = ""


class Claims:
    """Takes and gives back addresses, and says which endpoints this host has."""

    def __init__(
        self,
        context: Context,
        shared: Shared,
        membership: Membership,
        yield_place: Callable[[Endpoint, str], None],
    ):
        self._context = context
        self._shared = shared
        self._membership = membership
        self._yield_place = yield_place
        self._flying: dict[str, str] = {}  # endpoints to be: not among the records yet; their networks
        self._chosen: dict[str, set[Address]] = defaultdict(set)  # asked for right now, by network
        self._turn = asyncio.Lock()

    # -- claiming --------------------------------------------------------------------------------

    async def acquire(self, order: Order) -> RemoteEndpoint:
        """Addresses for an endpoint to be, claimed and told to the others; `land` or `release` follows.

        Raises what `ipam.leases.lease` raises, StoreAway, NotFound when the network is gone.
        """
        self._flying[order.endpoint_id] = order.network.id
        try:
            return await self._acquire(order)
        except LeaseEnded as error:
            self._flying.pop(order.endpoint_id, None)
            self._shared.lose("this host's lease has ended")
            raise Unavailable(
                f"cannot join network {order.network.name}: this host is just joining its cluster anew"
            ) from error
        except BaseException:
            self._flying.pop(order.endpoint_id, None)
            raise

    async def _acquire(self, order: Order) -> RemoteEndpoint:
        network, copy = order.network, self._shared.copy
        chosen = self._chosen[network.id]
        for attempt in range(TRIES):
            endpoint = self._choose(order, attempt)
            addresses = {each.ip for each in places(endpoint)}
            chosen |= addresses
            try:
                known = copy.networks.get(network.id)
                if known is None or known.removed_by:
                    raise NotFound(f"network {network.name} not found")
                conditions = [Unchanged(keys.network(network.id), known.changed)]
                writes = [
                    Write(keys.endpoint(network.id, endpoint.id), write_endpoint(endpoint), self._lease)
                ]
                for address in addresses:
                    conditions += self._conditions(network.id, address)
                    claim = Claim(network.id, address, copy.own_id, endpoint.id, order.container)
                    writes.append(Write(keys.claim(network.id, address), write_claim(claim)))
                if (await self._shared.commit(conditions, writes)).succeeded:
                    return endpoint
                await self._shared.refresh(*(each.key for each in conditions))
            finally:
                chosen -= addresses
        raise Conflict(f"cannot claim an address of network {network.name}: others were faster each time")

    @property
    def _lease(self) -> int:
        if not self._membership.alive:
            raise LeaseEnded("this host has not joined")
        return self._membership.lease

    def _conditions(self, network_id: str, address: Address) -> list[Unchanged]:
        """What must hold: nobody has the address, or its holder's host is gone and stays so."""
        held = self._shared.copy.claims.get(network_id, {}).get(address)
        if held is None:
            return [Unchanged(keys.claim(network_id, address), 0)]
        return [
            Unchanged(keys.claim(network_id, address), held.changed),
            Unchanged(keys.member(held.claim.member_id), 0),
        ]

    def _choose(self, order: Order, attempt: int) -> RemoteEndpoint:
        network, wanted = order.network, order.attachment
        ipv4 = ipv6 = None
        if any(pool.subnet.version == 4 for pool in network.pools):
            address = self._free(network, 4, wanted.ipv4, attempt)
            ipv4 = IPv4Interface(f"{address}/{_pool(network, address).subnet.prefixlen}")
        if network.enable_ipv6 and any(pool.subnet.version == 6 for pool in network.pools):
            address = self._free(network, 6, wanted.ipv6, attempt)
            ipv6 = IPv6Interface(f"{address}/{_pool(network, address).subnet.prefixlen}")
        settings = self._membership.settings
        return RemoteEndpoint(
            id=order.endpoint_id,
            network_id=network.id,
            member_id=self._shared.copy.own_id,
            generation=self._membership.generation,
            vtep=settings.vtep,
            mac=order.mac or mac_from_bytes(self._context.clock.chance(4)),
            container=order.container,
            ipv4=ipv4,
            ipv6=ipv6,
            names=order.names,
        )

    def _free(self, network: Network, version: int, wanted: Address | None, attempt: int) -> Address:
        """The wanted address, or the lowest free one; after `LOWEST` attempts any.

        Those of hosts that are gone are free too, but come last.
        """
        copy, chosen = self._shared.copy, self._chosen[network.id]
        if wanted is None:
            taken = copy.taken.get((network.id, version), set()) | {int(each) for each in chosen}
            chance = self._context.clock.chance(16) if attempt >= LOWEST else b""
            for pool in network.pools:
                free = allotment.free_address(pool, taken, chance) if pool.subnet.version == version else None
                if free is not None:
                    return free
        held = copy.claims.get(network.id, {})
        alive = {
            address
            for address, each in held.items()
            if each.claim.member_id in copy.members or each.claim.member_id == copy.own_id
        }
        return lease(network, version, alive | chosen, wanted)

    def land(self, endpoint_ids: Iterable[str]) -> None:
        """These endpoints are among the records now."""
        for identity in endpoint_ids:
            self._flying.pop(identity, None)

    # -- giving back -----------------------------------------------------------------------------

    async def release(self, network_id: str, endpoint_id: str) -> None:
        """Give back all that an endpoint has; while the store is away, `settle` does it later."""
        self._flying.pop(endpoint_id, None)
        if self._shared.away:
            return
        copy = self._shared.copy
        held = copy.claims.get(network_id, {})
        mine = [
            keys.claim(network_id, address)
            for address, each in held.items()
            if each.claim.endpoint_id == endpoint_id and each.claim.member_id == copy.own_id
        ]
        try:
            await self._remove([*mine, keys.endpoint(network_id, endpoint_id)])
        except (StoreAway, LeaseEnded) as error:
            log.warning("cannot give back the addresses of endpoint %s now: %s", endpoint_id[:12], error)

    async def _remove(self, gone: Sequence[str]) -> None:
        """Take keys away that are as they are known; others' changes stay."""
        copy = self._shared.copy
        known = [key for key in gone if copy.changed(key)]
        for start in range(0, len(known), MOST_WRITES):
            batch = known[start : start + MOST_WRITES]
            conditions = [Unchanged(key, copy.changed(key)) for key in batch]
            done = await self._shared.commit(conditions, [Write(key, None) for key in batch])
            if not done.succeeded and len(batch) > 1:
                for key in batch:
                    await self._remove([key])
            elif not done.succeeded:
                await self._shared.refresh(batch[0])

    # -- comparing -------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Make what the store has of this host equal to the records; where it is others', yield."""
        async with self._turn:
            yielded = await self._reclaim()
            await self._say()
            await self._sweep()
        for endpoint, reason in yielded:
            self._yield_place(endpoint, reason)

    def _own(self) -> list[tuple[Network, Endpoint]]:
        """This host's endpoints on global networks."""
        records = self._context.records
        return [
            (network, endpoint)
            for network in records.networks.values()
            if network.scope == "global"
            for endpoint in records.endpoints_on(network.id)
            if endpoint.phase != "removing"
        ]

    async def _reclaim(self) -> list[tuple[Endpoint, str]]:
        """Claim again what nobody has claimed meanwhile: endpoints that have lost their place, and why."""
        copy, lost = self._shared.copy, []
        for network, endpoint in self._own():
            if self._expelled(network, endpoint):
                lost.append((endpoint, "another host has removed it by force"))
                continue
            for address in endpoint.addresses:
                held = copy.claims.get(network.id, {}).get(address)
                if held is not None and held.claim.endpoint_id == endpoint.id:
                    continue
                if held is not None or not await self._claim_again(network, endpoint, address):
                    lost.append((endpoint, "its address belongs to another host now"))
                    break
        return lost

    def _expelled(self, network: Network, endpoint: Endpoint) -> bool:
        """Whether all that was told of an endpoint is gone, while this host's membership is not.

        What a lease takes away when it ends it takes away together with the membership, and claims stay.
        """
        copy = self._shared.copy
        own = copy.members.get(copy.own_id)
        if own is None or own.generation != self._membership.generation or network.id not in copy.networks:
            return False
        held = copy.claims.get(network.id, {})
        return not copy.changed(keys.endpoint(network.id, endpoint.id)) and not any(
            address in held for address in endpoint.addresses
        )

    async def _claim_again(self, network: Network, endpoint: Endpoint, address: Address) -> bool:
        known = self._shared.copy.networks.get(network.id)
        if known is None:
            return True  # the network itself is gone: that is dealt with elsewhere
        key = keys.claim(network.id, address)
        claim = self._claim(endpoint, address)
        conditions = [Unchanged(key, 0), Unchanged(keys.network(network.id), known.changed)]
        done = await self._shared.commit(conditions, [Write(key, write_claim(claim))])
        return done.succeeded

    async def _say(self) -> None:
        """Tell the others of every endpoint, anew where anything of it has changed."""
        copy, writes = self._shared.copy, []
        for network, endpoint in self._own():
            if network.id not in copy.networks:
                continue
            held = copy.claims.get(network.id, {})
            claims = [held.get(address) for address in endpoint.addresses]
            if any(each is None or each.claim.endpoint_id != endpoint.id for each in claims):
                continue
            key, value = keys.endpoint(network.id, endpoint.id), write_endpoint(self.told(endpoint))
            if copy.value(key) != value:
                writes.append(Write(key, value, self._lease))
        for start in range(0, len(writes), MOST_WRITES):
            await self._shared.commit([], writes[start : start + MOST_WRITES])

    async def _sweep(self) -> None:
        """Give back what no record explains."""
        existing = self._context.records.endpoints.keys() | self._flying.keys()
        copy, surplus = self._shared.copy, []
        for key in list(copy.own()):
            subject = keys.parse(key)
            if isinstance(subject, keys.ClaimKey):
                identity = copy.claims[subject.network_id][subject.address].claim.endpoint_id
            else:
                assert isinstance(subject, keys.EndpointKey)
                identity = subject.endpoint_id
            if identity not in existing:
                surplus.append(key)
        await self._remove(surplus)

    async def say(self, endpoint: Endpoint) -> None:
        """Tell the others that an endpoint is called otherwise; while the store is away, later."""
        if self._shared.away:
            return
        held = self._shared.copy.claims.get(endpoint.network_id, {})
        own = [
            each
            for each in endpoint.addresses
            if each in held and held[each].claim.endpoint_id == endpoint.id
        ]
        key, value = keys.endpoint(endpoint.network_id, endpoint.id), write_endpoint(self.told(endpoint))
        claims = [
            Write(keys.claim(endpoint.network_id, address), write_claim(self._claim(endpoint, address)))
            for address in own
        ]
        conditions = [Unchanged(each.key, self._shared.copy.changed(each.key)) for each in claims]
        try:
            await self._shared.commit(conditions, [Write(key, value, self._lease), *claims])
        except (StoreAway, LeaseEnded) as error:
            log.warning("cannot tell the other hosts of endpoint %s now: %s", endpoint.id[:12], error)

    def _claim(self, endpoint: Endpoint, address: Address) -> Claim:
        container = self.told(endpoint).container
        return Claim(endpoint.network_id, address, self._shared.copy.own_id, endpoint.id, container)

    def told(self, endpoint: Endpoint) -> RemoteEndpoint:
        """An endpoint of this host as the others are told of it."""
        container = self._context.records.containers.get(endpoint.container_id)
        return RemoteEndpoint(
            id=endpoint.id,
            network_id=endpoint.network_id,
            member_id=self._shared.copy.own_id,
            generation=self._membership.generation,
            vtep=self._membership.settings.vtep,
            mac=endpoint.mac,
            container=container.name if container is not None else endpoint.container_id[:12],
            ipv4=endpoint.ipv4,
            ipv6=endpoint.ipv6,
            names=endpoint.names,
        )


def _pool(network: Network, address: Address) -> Pool:
    return next(pool for pool in network.pools if address in pool.subnet)
