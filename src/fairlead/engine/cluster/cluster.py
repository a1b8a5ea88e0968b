"""The cluster as the rest of the engine sees it: global networks, places on them, and how it stands."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.boundary import Probe
from fairlead.boundary.cluster import ClusterStore, StoreAway
from fairlead.engine.cluster.claims import Claims, Order
from fairlead.engine.cluster.expulsion import Expulsion
from fairlead.engine.cluster.global_networks import GlobalNetworks
from fairlead.engine.cluster.intake import Intake
from fairlead.engine.cluster.membership import Membership
from fairlead.engine.cluster.presence import Presence
from fairlead.engine.cluster.sessions import Sessions
from fairlead.engine.cluster.shared import Shared
from fairlead.engine.cluster.status import Status
from fairlead.engine.context import Context
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.config import Cluster as Settings
from fairlead.model.endpoint import Endpoint
from fairlead.model.errors import FairleadError
from fairlead.model.host import State
from fairlead.model.network import Network
from fairlead.model.overlay import OverlayStatus
from fairlead.overlay.copy import StoreCopy, Touched

log = logging.getLogger(__name__)
HEAD_START = 0.3  # seconds that the daemon's start waits for the store, no longer
PATIENCE = 2.0  # seconds after its start in which what needs the store waits for it


@dataclass(frozen=True, slots=True)
class Reach:
    """How the store is reached."""

    settings: Settings
    store: ClusterStore
    probe: Probe


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
        self.claims = Claims(context, self.shared, self.membership, self._yield)
        self.networks = GlobalNetworks(context, self.shared)
        self._expulsion = Expulsion(self.shared)
        self._intake = Intake(context, copy, self.presence, self._yield_network)
        self.shared.take = self._intake.take
        self._sessions = Sessions(
            context, self.shared, self.membership, self._intake, self.claims, self.networks, self.presence
        )
        self._status = Status(context, self.shared, self.membership, self.presence, reach.probe)
        self._tasks: set[asyncio.Task[None]] = set()

    # -- the daemon's start and end --------------------------------------------------------------

    async def begin(self) -> None:
        """Begin to follow the store; what goes on without it does not wait for it."""
        self.shared.copy.own_id = self._context.records.hosts["host"].engine_id
        self._spawn(self._sessions.run())
        self._spawn(self._give_up_waiting())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HEAD_START):
                await self.shared.tried.wait()

    async def _give_up_waiting(self) -> None:
        await self._context.clock.sleep(PATIENCE)
        self.shared.tried.set()

    async def finish(self, leave: bool) -> None:
        """Stop following.  With `leave` the others are told that this host is gone."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if leave and not self.shared.away:
            with contextlib.suppress(StoreAway):
                await self.membership.leave()
        await self.shared.store.close()

    # -- places ----------------------------------------------------------------------------------

    async def enter(self, order: Order) -> RemoteEndpoint:
        """A place on a network that this host's kernel has from now on; `settle` or `leave` follows."""
        await self.shared.reach(f"join network {order.network.name}")
        await self.presence.enter(order.network, order.endpoint_id)
        self._context.at("cluster enter: network raised")
        try:
            place = await self.claims.acquire(order)
            self._context.at("cluster enter: address claimed")
            return place
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
            self._context.at("cluster leave: network lowered")
        finally:
            await self.claims.release(network.id, endpoint_id)
        self._context.at("cluster leave: address released")

    async def expel(self, network: Network, reference: str) -> None:
        """Take another host's endpoint off a network by force.  Raises what `Expulsion.expel` raises."""
        await self._expulsion.expel(network, reference)

    async def say(self, endpoint: Endpoint) -> None:
        """Tell the others that an endpoint is called otherwise."""
        await self.claims.say(endpoint)

    def state(self) -> State:
        """What the host should have for all global networks."""
        return self.presence.state()

    async def status(self, verify: bool) -> OverlayStatus:
        """How everything stands."""
        return await self._status.look(verify)

    # -- yielding --------------------------------------------------------------------------------

    def _yield(self, endpoint: Endpoint, reason: str) -> None:
        """Take a container off a network, behind the caller, who may hold that container's lock."""
        self._spawn(self._give_up([endpoint], reason))

    def _yield_network(self, network: Network) -> None:
        self._spawn(self._give_up_network(network))

    async def _give_up(self, endpoints: Sequence[Endpoint], reason: str) -> None:
        for endpoint in endpoints:
            try:
                await self._yield_place(endpoint, reason)
            except FairleadError as error:
                log.error("cannot give up the place of endpoint %s: %s", endpoint.id[:12], error.message)

    async def _give_up_network(self, network: Network) -> None:
        """Take this host's containers off a network that is gone, then forget it."""
        await self._give_up(self._context.records.endpoints_on(network.id), "the network was removed")
        if not self.presence.present(network.id):
            await self._intake.take(Touched(networks={network.id}))

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a task of the cluster failed", exc_info=task.exception())
