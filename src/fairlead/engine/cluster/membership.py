"""This host's membership: a lease that is kept alive, and a generation that grows with each new one."""

import logging
from dataclasses import replace

from fairlead.boundary.cluster import LeaseEnded, Write
from fairlead.engine.cluster.shared import Shared
from fairlead.engine.context import Context
from fairlead.engine.ledger import put
from fairlead.model.cluster import Member
from fairlead.model.config import Cluster
from fairlead.overlay import keys
from fairlead.overlay.documents import write_member

log = logging.getLogger(__name__)


class Membership:
    """What this host is for the others."""

    def __init__(self, context: Context, shared: Shared, settings: Cluster):
        self._context = context
        self._shared = shared
        self.settings = settings
        self.alive = False

    @property
    def lease(self) -> int:
        """The lease that everything goes with."""
        return self._context.records.hosts["host"].lease

    @property
    def generation(self) -> int:
        """How often this host has joined."""
        return self._context.records.hosts["host"].generation

    async def join(self) -> None:
        """Go on with the lease that there is, or take a new one under a new generation.

        A daemon that follows another on the same host takes over its lease, so that the others
        notice nothing.
        """
        if self.lease:
            try:
                await self._shared.store.keep_alive(self.lease)
                self.alive = True
                return
            except LeaseEnded:
                log.warning("this host's lease has ended: it joins anew")
        self.alive = False
        lease = await self._shared.store.grant(self.settings.ttl)
        self._context.at("cluster join: lease granted")
        host = self._context.records.hosts["host"]
        await self._context.ledger.commit(put(replace(host, lease=lease, generation=host.generation + 1)))
        self._context.at("cluster join: lease recorded")
        self.alive = True

    async def own(self) -> Member:
        """This host as the others see it."""
        name = (await self._context.machine.facts()).name or "unknown"
        identity = self._shared.copy.own_id
        return Member(identity, name, self.settings.vtep, self.settings.advertise, self.generation)

    async def say(self) -> None:
        """Tell the others that this host is there, if they do not know already."""
        own = await self.own()
        key, value = keys.member(own.id), write_member(own)
        if self._shared.copy.value(key) != value:
            await self._shared.commit([], [Write(key, value, self.lease)])
            self._context.at("cluster join: others told")

    async def pulse(self) -> None:
        """Keep the lease alive for ever.  LeaseEnded, StoreAway."""
        while True:
            await self._context.clock.sleep(self.settings.heartbeat)
            await self._shared.store.keep_alive(self.lease)

    async def leave(self) -> None:
        """End the lease, and with it all that this host has said."""
        await self._shared.store.revoke(self.lease)
        self._context.at("cluster part: lease ended")
        self.alive = False
        host = self._context.records.hosts["host"]
        await self._context.ledger.commit(put(replace(host, lease=0)))
