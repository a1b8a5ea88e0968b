"""Global networks are made and removed by one transaction each: all hosts have them, or none has."""

from dataclasses import replace
from ipaddress import ip_network

from fairlead.boundary.cluster import LeaseEnded, Unchanged, Write
from fairlead.engine.cluster.shared import Shared
from fairlead.engine.context import Context
from fairlead.ipam.pools import choose, overlaps, pools_in_force, relevant_routes
from fairlead.model.addresses import Subnet
from fairlead.model.errors import Conflict, Forbidden, InvalidParameter, NotFound, Unavailable
from fairlead.model.network import Network, Pool
from fairlead.overlay import allotment, keys, trust
from fairlead.overlay.documents import write_network
from fairlead.overlay.fields import Refused, is_name

TRIES = 20


class GlobalNetworks:
    """Creates and removes global networks."""

    def __init__(self, context: Context, shared: Shared):
        self._context = context
        self._shared = shared

    # -- creating --------------------------------------------------------------------------------

    async def create(self, wanted: Network) -> Network:
        """Make a network: with its VNI, and with a subnet where it names none.

        Conflict when its name is taken, Forbidden when its subnet is, StoreAway.
        """
        await self._shared.reach(f"create network {wanted.name}")
        if not is_name(wanted.name):
            raise InvalidParameter(
                f"cannot create network {wanted.name!r}: global names have no blanks or slashes"
            )
        for _ in range(TRIES):
            network = await self._completed(wanted)
            if await self._commit(network):
                self._context.at("cluster create: network told")
                return network
        raise Unavailable(f"cannot create network {wanted.name}: other hosts were faster each time")

    async def _completed(self, wanted: Network) -> Network:
        copy = self._shared.copy
        if copy.changed(keys.name(wanted.name)):
            raise Conflict(f"network with name {wanted.name} already exists")
        used = [pool.subnet for each in copy.networks.values() for pool in each.network.pools]
        for pool in wanted.pools:
            if any(overlaps(pool.subnet, each) for each in used):
                raise Forbidden("Pool overlaps with other one on this address space")
        try:
            trust.require_subnets((pool.subnet for pool in wanted.pools), copy.hosts())
        except Refused as refused:
            raise InvalidParameter(f"cannot create network {wanted.name}: {refused.message}") from refused
        pools = list(wanted.pools)
        blocks = {4: allotment.GLOBAL_POOLS, 6: pools_in_force((), copy.own_id)}
        for version, asked in ((4, wanted.enable_ipv4), (6, wanted.enable_ipv6)):
            if asked and not any(pool.subnet.version == version for pool in pools):
                subnet = choose(blocks[version], version, [*used, *await self._avoided()])
                pools.append(Pool(subnet, gateway=subnet.network_address + 1, gateway_requested=True))
        pools.sort(key=lambda pool: pool.subnet.version)
        vni = allotment.choose_vni(copy.vnis(), self._context.clock.chance(8))
        return replace(wanted, pools=tuple(pools), vni=vni, phase="settled")

    async def _avoided(self) -> list[Subnet]:
        """Where no subnet is chosen: what this host has routes to, and all hosts' addresses."""
        routes = relevant_routes(await self._context.machine.routes())
        return [*routes, *(_alone(str(address)) for address in self._shared.copy.hosts())]

    async def _commit(self, network: Network) -> bool:
        """False when somebody else changed something first: then the copy has it."""
        copy = self._shared.copy
        taken = (keys.name(network.name), keys.vni(network.vni), keys.network(network.id))
        conditions = [Unchanged(keys.POOLS, copy.changed(keys.POOLS)), *(Unchanged(key, 0) for key in taken)]
        writes = [
            Write(keys.network(network.id), write_network(network)),
            Write(keys.name(network.name), network.id),
            Write(keys.vni(network.vni), network.id),
            self._moved_counter(),
        ]
        done = await self._shared.commit(conditions, writes)
        if not done.succeeded:
            await self._catch_up()
        return done.succeeded

    def _moved_counter(self) -> Write:
        count = self._shared.copy.value(keys.POOLS)
        return Write(keys.POOLS, str(int(count) + 1 if count.isdigit() and len(count) < 20 else 1))

    async def _catch_up(self) -> None:
        await self._shared.refresh(
            keys.POOLS, *(keys.ROOT + kind for kind in ("networks/", "names/", "vnis/"))
        )

    async def restore(self) -> None:
        """Say all networks anew: the store has lost everything, this host has not."""
        for network in list(self._context.records.networks.values()):
            if network.scope == "global" and not self._shared.copy.changed(keys.name(network.name)):
                await self._commit(network)

    # -- removing --------------------------------------------------------------------------------

    async def remove(self, network: Network) -> None:
        """Remove a network that no host uses.  Forbidden with Docker's words otherwise, StoreAway.

        It is marked first, so that nobody claims an address between the look at the claims and the end.
        """
        await self._shared.reach(f"remove network {network.name}")
        for _ in range(TRIES):
            known = self._shared.copy.networks.get(network.id)
            if known is None:
                raise NotFound(f"network {network.name} not found")
            await self._shared.refresh(keys.claims(network.id))
            self._require_unused(known.network)
            key, mark = keys.network(network.id), write_network(known.network, self._shared.copy.own_id)
            done = await self._shared.commit([Unchanged(key, known.changed)], [Write(key, mark)])
            self._context.at("cluster remove: network marked")
            if done.succeeded and await self._remove_marked(known.network):
                return
            await self._shared.refresh(key)
        raise Unavailable(f"cannot remove network {network.name}: other hosts were faster each time")

    async def _remove_marked(self, network: Network) -> bool:
        copy = self._shared.copy
        await self._shared.refresh(keys.claims(network.id))
        key = keys.network(network.id)
        try:
            self._require_unused(network)
        except Forbidden:
            await self._shared.commit(
                [Unchanged(key, copy.changed(key))], [Write(key, write_network(network))]
            )
            raise
        left = [keys.claim(network.id, address) for address in copy.claims.get(network.id, {})]
        conditions = [Unchanged(key, copy.changed(key))]
        gone = [key, keys.name(network.name), keys.vni(network.vni)]
        done = await self._shared.commit(
            conditions, [*(Write(each, None) for each in gone), self._moved_counter()]
        )
        self._context.at("cluster remove: network gone")
        if done.succeeded:
            for claim in left:  # those of hosts that are gone
                await self._shared.commit([], [Write(claim, None)])
        return done.succeeded

    def _require_unused(self, network: Network) -> None:
        copy = self._shared.copy
        held = copy.claims.get(network.id, {}).values()
        living = [each for each in held if each.claim.member_id in copy.members]
        if living:
            raise Forbidden(
                f"error while removing network: network {network.name} id {network.id} has active endpoints"
            )

    async def finish_removals(self) -> None:
        """Deal with networks that somebody marked and did not remove: this host, or one that is gone."""
        copy = self._shared.copy
        for known in list(copy.networks.values()):
            if known.removed_by and (known.removed_by == copy.own_id or known.removed_by not in copy.members):
                try:
                    await self._remove_marked(known.network)
                except (Forbidden, LeaseEnded):
                    continue


def _alone(text: str) -> Subnet:
    return ip_network(text)
