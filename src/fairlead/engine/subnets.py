"""Subnets for networks that name none: the next free one, recorded as soon as it is chosen."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_network

from fairlead.engine.context import Context
from fairlead.engine.ledger import put
from fairlead.ipam.pools import choose, pools_in_force, relevant_routes
from fairlead.model.addresses import Subnet
from fairlead.model.network import GatewayMode, Network, Pool


class Subnets:
    """Chooses subnets that neither a network nor a route of the host has."""

    def __init__(self, context: Context):
        self._context = context
        # The last that was chosen by IP version: what was freed a moment ago is not chosen again at once.
        self._last: dict[int, Subnet] = {}

    def used(self, scope: str = "local") -> Sequence[Subnet]:
        """The subnets in use: local and global networks have address spaces of their own, as with Docker."""
        networks = self._context.records.networks.values()
        return [
            pool.subnet
            for each in networks
            if each.scope == scope and not each.config_only
            for pool in each.pools
        ]

    async def complete(self, network: Network) -> Network:
        """The network with a subnet for each IP version that it wants and names none for, recorded."""
        for version, wanted in ((4, network.enable_ipv4), (6, network.enable_ipv6)):
            if not wanted or any(pool.subnet.version == version for pool in network.pools):
                continue
            subnet = self._last[version] = await self.free(version, self._last.get(version))
            gateway = subnet.network_address + 1
            if network.gateway_mode(version) is GatewayMode.ISOLATED:
                chosen = Pool(subnet)
            else:
                chosen = Pool(subnet, gateway=gateway, gateway_requested=True)
            pools = sorted((*network.pools, chosen), key=lambda each: each.subnet.version)
            network = replace(network, pools=tuple(pools))
            await self._context.ledger.commit(put(network))
        return network

    async def free(self, version: int, last: Subnet | None = None) -> Subnet:
        """The first free subnet of that IP version behind `last`, then from the start.

        Conflict in Docker's words when there is none left.
        """
        routes = relevant_routes(await self._context.machine.routes())
        context = self._context
        identity = context.records.hosts["host"].engine_id
        pools = pools_in_force(context.settings.default_address_pools, identity)
        loopback = ip_network("127.0.0.0/8")
        return choose(pools, version, [*self.used(), *routes, loopback], last)
