"""Places on global networks, and the way out that goes with them: docker_gwbridge."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack

from fairlead.engine.cluster.claims import Order
from fairlead.engine.cluster.cluster import Cluster
from fairlead.engine.context import Context
from fairlead.engine.ledger import drop
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.commands import CreateNetwork
from fairlead.model.container import Container
from fairlead.model.endpoint import Attachment, Endpoint
from fairlead.model.errors import NotFound, Unavailable
from fairlead.model.host import State
from fairlead.model.network import BRIDGE_NAME, ENABLE_ICC, ENABLE_MASQUERADE, Network
from fairlead.planner.drivers import driver_of

GATEWAY_NETWORK = "docker_gwbridge"
NO_CLUSTER = "this host is in no cluster (--cluster-store)"
# Source: libnetwork `default_gateway_linux.go`.
GATEWAY = CreateNetwork(
    GATEWAY_NETWORK,
    "bridge",
    options={BRIDGE_NAME: GATEWAY_NETWORK, ENABLE_ICC: "false", ENABLE_MASQUERADE: "true"},
)


class Overlays:
    """Enters and leaves global networks for containers.  Without a cluster there are none."""

    def __init__(self, context: Context, cluster: Cluster | None):
        self._context = context
        self.cluster = cluster
        self.create: Callable[[CreateNetwork], Awaitable[tuple[str, str]]] | None = None
        self._turn = asyncio.Lock()

    # -- networks --------------------------------------------------------------------------------

    async def create_network(self, network: Network) -> None:
        """Make a global network.  Raises what `GlobalNetworks.create` raises."""
        if self.cluster is None:
            raise Unavailable(f"cannot create network {network.name}: {NO_CLUSTER}")
        await self.cluster.networks.create(network)

    async def remove_network(self, network: Network) -> None:
        """Remove a global network.  Raises what `GlobalNetworks.remove` raises."""
        if self.cluster is None:
            raise Unavailable(f"cannot remove network {network.name}: {NO_CLUSTER}")
        await self.cluster.networks.remove(network)

    async def restore(self, network: Network) -> None:
        """Bring a global network into line at the daemon's start; outside of a cluster forget it."""
        if self.cluster is not None:
            await self.cluster.presence.repair(network)
            return
        records = self._context.records
        places = [drop(each) for each in records.endpoints_on(network.id)]
        remotes = [drop(each) for each in records.remotes_on(network.id)]
        await self._context.ledger.commit(*places, *remotes, drop(network))

    def state(self) -> State:
        """What the host should have for all global networks, its own endpoints left out."""
        return self.cluster.state() if self.cluster is not None else {}

    # -- places ----------------------------------------------------------------------------------

    async def enter(
        self,
        container: Container,
        attached: Sequence[tuple[Attachment, Network]],
        names: Callable[[Container, Attachment, Network], tuple[str, ...]],
    ) -> dict[str, RemoteEndpoint]:
        """Places on those of the networks that are global, by network; all or none."""
        entered: dict[str, RemoteEndpoint] = {}
        async with AsyncExitStack() as undo:
            for attachment, network in attached:
                if network.scope != "global":
                    continue
                if self.cluster is None:
                    raise Unavailable(f"cannot join network {network.name}: {NO_CLUSTER}")
                order = Order(
                    network=network,
                    endpoint_id=self._context.new_id(),
                    container=container.name,
                    names=names(container, attachment, network),
                    attachment=attachment,
                    mac=attachment.mac or container.config.mac_address,
                )
                entered[network.id] = await self.cluster.enter(order)
                undo.push_async_callback(self.cluster.leave, network, order.endpoint_id)
            undo.pop_all()
        return entered

    def require_near(self, places: Sequence[tuple[Network, Endpoint]]) -> None:
        """StoreAway if who gave these places up could not get them back now."""
        for network, _ in places:
            if network.scope == "global" and self.cluster is not None:
                self.cluster.shared.require_near(f"join network {network.name}")

    def settle(self, places: Sequence[tuple[Network, Endpoint]]) -> None:
        """These places are among the records now."""
        for network, endpoint in places:
            if network.scope == "global" and self.cluster is not None:
                self.cluster.settle(network, endpoint.id)

    async def forgo(self, entered: Iterable[RemoteEndpoint]) -> None:
        """Give back places that were entered and came to nothing."""
        for place in entered:
            if self.cluster is not None:
                await self.cluster.leave(self._context.records.networks[place.network_id], place.id)

    async def leave(self, places: Sequence[tuple[Network, Endpoint]]) -> None:
        """Give places back that are not among the records any more."""
        for network, endpoint in places:
            if network.scope == "global" and self.cluster is not None:
                await self.cluster.leave(network, endpoint.id)

    async def expel(self, network: Network, reference: str) -> None:
        """Take another host's endpoint off a network by force.  NotFound where there can be none."""
        if network.scope != "global" or self.cluster is None:
            raise NotFound(f"endpoint {reference} not found")
        await self.cluster.expel(network, reference)

    async def say(self, places: Sequence[tuple[Network, Endpoint]]) -> None:
        """Tell the other hosts how these places are called now."""
        for network, endpoint in places:
            if network.scope == "global" and self.cluster is not None:
                await self.cluster.say(endpoint)

    async def gateway(self, networks: Sequence[Network]) -> Network | None:
        """The network that leads out of the host for a container on these; None if they do themselves."""
        if not needs_gateway(networks):
            return None
        async with self._turn:
            found = self._context.records.network_named(GATEWAY_NETWORK)
            if found is None:
                assert self.create is not None
                identity, _ = await self.create(GATEWAY)
                found = self._context.records.networks[identity]
        return found


def needs_gateway(networks: Sequence[Network]) -> bool:
    """Whether a container on these networks has no way out but docker_gwbridge.

    Source: libnetwork `default_gateway.go` needDefaultGW.
    """
    outward = [each for each in networks if not each.internal and driver_of(each).addressed]
    return bool(outward) and all(each.scope == "global" for each in outward)
