"""What the host says is read in one place; when it says something else, networks and containers follow."""

import asyncio
import logging

from fairlead.engine.context import Context
from fairlead.engine.hostfiles import name_servers
from fairlead.engine.networks import Networks
from fairlead.engine.supervision import Supervision
from fairlead.model.errors import FairleadError
from fairlead.model.surroundings import Surroundings

log = logging.getLogger(__name__)


class Following:
    """Keeps `context.surroundings` true, and the host in line with it."""

    def __init__(self, context: Context, networks: Networks, supervision: Supervision):
        self._context = context
        self._networks = networks
        self._supervision = supervision
        self._turn = asyncio.Lock()

    async def begin(self) -> None:
        """Read what the host says before anything is made by it."""
        self._context.surroundings = await self._read()

    async def changed(self) -> None:
        """Look again; where the host says something else than before, bring what follows it into line."""
        async with self._turn:
            now = await self._read()
            follow = now != self._context.surroundings
            if follow:
                log.info("the host has changed: %s", now)
            self._context.surroundings = now
            try:
                follow |= await self._networks.follow()
            except FairleadError as error:
                log.error("cannot bring the networks into line: %s", error.message)
            if follow:
                await self._supervision.renew()

    async def _read(self) -> Surroundings:
        machine = self._context.machine
        return Surroundings(
            uplink_mtu=await machine.uplink_mtu(),
            name_servers=name_servers(await machine.resolv_conf(), await machine.resolved_conf()),
        )
