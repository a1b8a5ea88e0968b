"""What follows for others when the target of a link comes or goes: its new address, its opened ports."""

import logging
from dataclasses import replace

from fairlead.engine import links
from fairlead.engine.context import Context
from fairlead.engine.files import Files
from fairlead.engine.ledger import put
from fairlead.engine.sandboxes import Sandboxes, Stay
from fairlead.model.container import Container
from fairlead.model.errors import FairleadError
from fairlead.planner.steps import transition

log = logging.getLogger(__name__)


class Linking:
    """Keeps running containers in line with the targets of their links."""

    def __init__(self, context: Context, sandboxes: Sandboxes, files: Files):
        self._context = context
        self._sandboxes = sandboxes
        self._files = files

    async def begin(self) -> None:
        """Bring all of them into line: a target may have moved just before the daemon ended."""
        for container in list(self._context.records.containers.values()):
            if container.links:
                await self._renew(container)

    async def follow(self, target_id: str) -> None:
        """Bring every running container that links to this one into line with it."""
        for container in self._context.records.linked_to(target_id):
            await self._renew(container)

    async def _renew(self, container: Container) -> None:
        """What fails is logged: it must not stop what the target does."""
        async with self._context.lock(container.id):
            try:
                await self._bring_into_line(container.id)
            except FairleadError as error:
                log.error("cannot renew the links of container %s: %s", container.name, error.message)

    async def _bring_into_line(self, container_id: str) -> None:
        records = self._context.records
        container, stay = records.containers.get(container_id), self._sandboxes.of(container_id)
        if container is None or stay is None or stay.sandbox.phase != "settled":
            return
        await self._reopen(container, stay)
        for _, alias, address in links.targets(records, container):
            await self._files.move(container, alias, address)

    async def _reopen(self, container: Container, before: Stay) -> None:
        context = self._context
        after = self.opened(container, before)
        if after == before:
            return
        old = self._sandboxes.state(before, container.name)
        await context.reconciler.converge(transition(old, self._sandboxes.state(after, container.name)))
        context.at("link: kernel changed")
        await context.ledger.commit(*(put(endpoint) for _, endpoint in after.places))

    def opened(self, container: Container, stay: Stay) -> Stay:
        """The stay with what the container's links open."""
        records = self._context.records
        places = tuple(
            (network, replace(endpoint, openings=links.openings(records, container, network)))
            for network, endpoint in stay.places
        )
        return Stay(stay.sandbox, places)
