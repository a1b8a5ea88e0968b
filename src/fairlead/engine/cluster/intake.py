"""What is believed of the shared store becomes records, and what follows from them in the kernel."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

from fairlead.engine.cluster.presence import Presence
from fairlead.engine.context import Context
from fairlead.engine.ledger import drop, put
from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.errors import FairleadError
from fairlead.model.host import State
from fairlead.model.network import Network
from fairlead.model.records import Record, RecordChange
from fairlead.overlay.copy import Refusal, StoreCopy, Touched

log = logging.getLogger(__name__)


class Intake:
    """Keeps the records of members, networks and remote endpoints equal to the copy."""

    def __init__(
        self,
        context: Context,
        copy: StoreCopy,
        presence: Presence,
        yield_network: Callable[[Network], None],
    ):
        self._context = context
        self._copy = copy
        self._presence = presence
        self._yield_network = yield_network
        self._noted = Touched()

    async def take_all(self, touched: Touched) -> None:
        """The same for the whole store: what the records have beyond the copy goes too."""
        records = self._context.records
        touched.members.update(records.members)
        touched.networks.update(each.id for each in records.networks.values() if each.scope == "global")
        touched.endpoints.update({each.id: each.network_id for each in records.remotes.values()})
        await self.take(touched)

    def note(self, touched: Touched) -> None:
        """Remember for the next `take`, whoever calls it: many changes then cost as much as one."""
        self._noted.add(touched)

    async def take(self, touched: Touched) -> None:
        """Bring records and kernel into line with the copy, as far as it was touched: now, or as noted.

        What was begun is finished, even if the caller is cancelled: the records would be in line
        already, and nothing would ever tell the kernel.
        """
        self.note(touched)
        taking = asyncio.ensure_future(self._take_noted())
        try:
            await asyncio.shield(taking)
        except asyncio.CancelledError:
            await asyncio.wait([taking])
            raise

    async def _take_noted(self) -> None:
        async with self._presence.turn:
            noted, self._noted = self._noted, Touched()
            for refusal in noted.refusals:
                self._tell(refusal)
            noted.refusals.clear()
            try:
                lost = await self._take(noted)
            except BaseException:
                self.note(noted)
                raise
        for network in lost:
            self._yield_network(network)

    def _tell(self, refusal: Refusal) -> None:
        log.warning("the cluster store's %s is left out: %s", refusal.key, refusal.reason)
        self._context.events.emit("cluster", "refuse", refusal.key, {"reason": refusal.reason})

    async def _take(self, touched: Touched) -> list[Network]:
        """The networks that are gone while containers of this host are on them."""
        records, changes = self._context.records, list[RecordChange]()
        for member_id in touched.members:
            self._compare(changes, records.members.get(member_id), self._copy.members.get(member_id))
        lost: list[Network] = []
        gone: list[Network] = []
        for network_id in touched.networks:
            self._compare_network(network_id, changes, gone, lost)
        moved: dict[str, list[tuple[RemoteEndpoint | None, RemoteEndpoint | None]]] = defaultdict(list)
        for endpoint_id, network_id in touched.endpoints.items():
            before, after = records.remotes.get(endpoint_id), self._copy.believed.get(endpoint_id)
            if before != after:
                self._compare(changes, before, after)
                moved[network_id].append((before, after))
        networks, tunnels = dict(records.networks), self._presence.tunnels()
        if changes:
            await self._context.ledger.commit(*changes)
            self._context.at("cluster news: recorded")
        if touched.members:
            await self._admit(tunnels)
        for network_id, pairs in moved.items():
            network = self._context.records.networks.get(network_id) or networks.get(network_id)
            if network is not None:
                await self._follow(network, pairs)
        for network in gone:
            log.info("network %s was removed", network.name)
        return lost

    @staticmethod
    def _compare(changes: list[RecordChange], before: Record | None, after: Record | None) -> None:
        if after is not None and before != after:
            changes.append(put(after))
        elif after is None and before is not None:
            changes.append(drop(before))

    def _compare_network(
        self, network_id: str, changes: list[RecordChange], gone: list[Network], lost: list[Network]
    ) -> None:
        before, known = self._context.records.networks.get(network_id), self._copy.networks.get(network_id)
        if known is None:
            if before is None:
                return
            if self._presence.present(network_id):
                lost.append(before)
            else:
                gone.append(before)
                changes.append(drop(before))
            return
        sequence = (
            before.sequence if before is not None else self._context.ledger.next_sequence() + len(changes)
        )
        self._compare(changes, before, replace(known.network, sequence=sequence))

    async def _admit(self, tunnels: State) -> None:
        """What fails is logged and repaired later, as below."""
        try:
            await self._presence.admit(tunnels)
        except FairleadError as error:
            log.error("cannot take packets of overlay networks from all hosts: %s", error.message)

    async def _follow(
        self, network: Network, pairs: list[tuple[RemoteEndpoint | None, RemoteEndpoint | None]]
    ) -> None:
        """What fails is logged and repaired later: the rest of the news must not wait for it."""
        before = [each for each, _ in pairs if each is not None]
        after = [each for _, each in pairs if each is not None]
        try:
            await self._presence.follow(network, before, after)
        except FairleadError as error:
            log.error("cannot bring network %s into line: %s", network.name, error.message)
