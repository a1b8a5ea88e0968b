"""The cluster as the rest of the engine sees it: global networks, places on them, and how it stands."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from fairlead.boundary.cluster import ClusterStore, StoreAway
from fairlead.engine.cluster.claims import Claims, Order
from fairlead.engine.cluster.global_networks import GlobalNetworks
from fairlead.engine.cluster.intake import Intake
from fairlead.engine.cluster.membership import Membership
from fairlead.engine.cluster.presence import Presence
from fairlead.engine.cluster.sessions import Sessions
from fairlead.engine.cluster.shared import Shared
from fairlead.engine.context import Context
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.config import Cluster as Settings
from fairlead.model.endpoint import Endpoint
from fairlead.model.host import State
from fairlead.model.network import Network
from fairlead.overlay.copy import StoreCopy, Touched

log = logging.getLogger(__name__)
PATIENCE = 2.0  # seconds that the daemon's start waits for the store, no longer


@dataclass(frozen=True, slots=True)
class Reach:
    """How the store is reached."""

    settings: Settings
    store: ClusterStore


class Cluster:
    """What this host shares with others."""

    def __init__(
        self, context: Context, reach: Reach, yield_place: Callable[[Endpoint, str], Awaitable[None]]
    ):
        self._context = context
        self._yield_place = yield_place
        self.settings = reach.settings
        copy = StoreCopy("", reach.settings.vtep)
        self.shared = Shared(reach.store, copy, reach.settings.store)
        self.presence = Presence(context)
        self.membership = Membership(context, self.shared, reach.settings)
        self.claims = Claims(context, self.shared, self.membership, yield_place)
        self.networks = GlobalNetworks(context, self.shared)
        self._intake = Intake(context, copy, self.presence, self._yield_network)
        self.shared.take = self._intake.take
        self._sessions = Sessions(
            context, self.shared, self.membership, self._intake, self.claims, self.networks, self.presence
        )
        self._task: asyncio.Task[None] | None = None

    # -- the daemon's start and end --------------------------------------------------------------

    async def begin(self) -> None:
        """Begin to follow the store; what goes on without it does not wait for it."""
        self.shared.copy.own_id = self._context.records.hosts["host"].engine_id
        self._task = asyncio.get_running_loop().create_task(self._sessions.run())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._sessions.tried.wait()

    async def finish(self, leave: bool) -> None:
        """Stop following.  With `leave` the others are told that this host is gone."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if leave and not self.shared.away:
            with contextlib.suppress(StoreAway):
                await self.membership.leave()
        await self.shared.store.close()

    # -- places ----------------------------------------------------------------------------------

    async def enter(self, order: Order) -> RemoteEndpoint:
        """A place on a network that this host's kernel has from now on; `settle` or `leave` follows."""
        self.shared.require_near(f"join network {order.network.name}")
        await self.presence.enter(order.network, order.endpoint_id)
        try:
            return await self.claims.acquire(order)
        except BaseException:
            await self.presence.leave(order.network, order.endpoint_id)
            raise

    def settle(self, network: Network, endpoint_id: str) -> None:
        """The endpoint that was entered is among the records now."""
        self.claims.land([endpoint_id])
        self.presence.settle(network.id, endpoint_id)

    async def leave(self, network: Network, endpoint_id: str) -> None:
        """Give a place back; its record is gone already, or never was."""
        try:
            await self.presence.leave(network, endpoint_id)
        finally:
            await self.claims.release(network.id, endpoint_id)

    async def say(self, endpoint: Endpoint) -> None:
        """Tell the others that an endpoint is called otherwise."""
        await self.claims.say(endpoint)

    def state(self) -> State:
        """What the host should have for all global networks."""
        return self.presence.state()

    async def _yield_network(self, network: Network, reason: str) -> None:
        """Take this host's containers off a network that is gone, then forget it."""
        for endpoint in self._context.records.endpoints_on(network.id):
            await self._yield_place(endpoint, reason)
        await self._intake.take(Touched(networks={network.id}))
