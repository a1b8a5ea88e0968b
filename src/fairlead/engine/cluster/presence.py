"""Global networks in this host's kernel: there as long as a container of this host is on them.

Everything in turns: what the others' endpoints ask for is decided from the records of that moment,
so the order in which news come in does not matter.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection

from fairlead.engine.context import Context
from fairlead.firewall.guards import tunnel_guards
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.host import FdbKey, Key, NeighbourKey, State, Value
from fairlead.model.network import Network
from fairlead.planner.drivers import overlay_network
from fairlead.planner.overlay import TUNNEL, overlay_namespace, remote_state
from fairlead.planner.steps import absent, describe, difference, transition

log = logging.getLogger(__name__)
TOLD = (FdbKey, NeighbourKey)


class Presence:
    """Raises and lowers global networks, and lets them follow the others' endpoints."""

    def __init__(self, context: Context):
        self._context = context
        self.turn = asyncio.Lock()
        self._expected: dict[str, set[str]] = defaultdict(set)  # endpoints to be, by network

    def present(self, network_id: str) -> bool:
        """Whether this host has, or is about to have, containers on a network."""
        return bool(self._expected[network_id]) or bool(self._context.records.endpoints_on(network_id))

    async def enter(self, network: Network, endpoint_id: str) -> None:
        """Raise a network for an endpoint that is about to be; `settle` or `leave` follows."""
        async with self.turn:
            if not self.present(network.id):
                await self._context.reconciler.converge({**self.tunnels(), **self.state_of(network)})
            self._expected[network.id].add(endpoint_id)

    def settle(self, network_id: str, endpoint_id: str) -> None:
        """The endpoint is among the records now, or never will be."""
        self._expected[network_id].discard(endpoint_id)

    async def leave(self, network: Network, endpoint_id: str) -> None:
        """Lower a network if nobody of this host is on it any more."""
        self.settle(network.id, endpoint_id)
        async with self.turn:
            if not self.present(network.id):
                await self._context.reconciler.converge(absent(self.state_of(network)))

    async def follow(
        self, network: Network, before: Collection[RemoteEndpoint], after: Collection[RemoteEndpoint]
    ) -> None:
        """Bring the others' endpoints that have changed into line, where the network is present.

        The caller has the turn.
        """
        if self.present(network.id):
            old, new = self._remotes(network, before), self._remotes(network, after)
            await self._context.reconciler.converge(transition(old, new))

    async def repair(self, network: Network) -> int:
        """Converge all of a network that is present: the number of steps that were needed."""
        async with self.turn:
            if not self.present(network.id):
                return 0
            outcome = await self._context.reconciler.converge({**self.tunnels(), **self.state_of(network)})
        return len(outcome.steps)

    def tunnels(self) -> dict[Key, Value | None]:
        """The hosts from which packets of global networks are taken."""
        members = self._context.records.members.values()
        return dict(tunnel_guards([each.vtep for each in members], self._context.settings))

    async def admit(self, before: State) -> None:
        """Take such packets from the members that there are now; `before` is what `tunnels` said before."""
        await self._context.reconciler.converge(transition(before, self.tunnels()))

    async def wrong(self, network: Network) -> tuple[str, ...]:
        """What the kernel has of a network otherwise than it should, in words; nothing is changed."""
        async with self.turn:
            desired = self.state_of(network)
            steps = difference(desired, await self._context.reconciler.observe(list(desired)))
            surplus = await self._surplus()
        home = overlay_namespace(network)
        return (
            *map(describe, steps),
            *(f"{key}: nothing is known of it" for key in surplus if key.namespace == home),
        )

    async def clear(self) -> None:
        """Take away what overlays have been told beyond what they should know."""
        async with self.turn:
            surplus = await self._surplus()
            await self._context.reconciler.converge(dict.fromkeys(surplus))
        if surplus:
            log.warning("took away %d entries of overlay networks that nothing explains", len(surplus))

    async def _surplus(self) -> list[FdbKey | NeighbourKey]:
        """What tunnel ends know of containers elsewhere, and no record explains."""
        found = await self._context.reconciler.surplus(self.state(), TOLD)
        return [key for key in found if isinstance(key, TOLD) and key.link == TUNNEL]

    def state(self) -> State:
        """What the host should have for all global networks."""
        state = self.tunnels()
        for network in self._context.records.networks.values():
            if network.scope == "global" and self.present(network.id):
                state.update(self.state_of(network))
        return state

    def state_of(self, network: Network) -> dict[Key, Value | None]:
        """What the host should have for a network that is present, its own endpoints left out."""
        settings, surroundings = self._context.settings, self._context.surroundings
        state = dict(overlay_network(network, settings, surroundings))
        state.update(self._remotes(network, self._context.records.remotes_on(network.id)))
        return state

    @staticmethod
    def _remotes(network: Network, remotes: Collection[RemoteEndpoint]) -> dict[Key, Value | None]:
        state: dict[Key, Value | None] = {}
        for remote in remotes:
            state.update(remote_state(network, remote))
        return state
