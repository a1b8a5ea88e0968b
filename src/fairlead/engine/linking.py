"""What follows for others when the target of a link comes or goes: its new address, its opened ports."""

from dataclasses import replace

from fairlead.engine import links
from fairlead.engine.context import Context
from fairlead.engine.files import Files
from fairlead.engine.insisting import insist
from fairlead.engine.ledger import put
from fairlead.engine.references import References
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.stay import Stay
from fairlead.model.container import Container
from fairlead.model.errors import Failed, FairleadError, NotFound
from fairlead.model.records import RecordChange
from fairlead.planner.steps import transition


class Linking:
    """Keeps running containers in line with the targets of their links."""

    def __init__(self, context: Context, references: References, sandboxes: Sandboxes, files: Files):
        self._context = context
        self._references = references
        self._sandboxes = sandboxes
        self._files = files

    async def begin(self) -> None:
        """Bring all of them into line: a target may have moved just before the daemon ended."""
        records = self._context.records
        opened = {each.container_id for each in records.endpoints.values() if each.openings}
        for container in list(records.containers.values()):
            if container.links or container.id in opened:
                await self._renew(container)

    async def follow(self, target_id: str) -> None:
        """Bring every running container that links to this one into line with it."""
        for container in self._context.records.linked_to(target_id):
            await self._renew(container)

    async def _renew(self, container: Container) -> None:
        """What fails is tried again, then logged: it must not stop what the target does."""
        async with self._context.lock(container.id):
            await insist(
                self._context.clock,
                lambda: self._bring_into_line(container.id),
                f"cannot renew the links of container {container.name}",
            )

    async def _bring_into_line(self, container_id: str) -> None:
        container = self._context.records.containers.get(container_id)
        if container is not None:
            await self._reopen(container)
            await self._move(container)

    async def _move(self, container: Container) -> None:
        """Tell it where the targets of its links are now."""
        if self._settled(container) is not None:
            for _, alias, address in links.targets(self._context.records, container):
                await self._files.move(container, links.short(alias), address)

    def _settled(self, container: Container) -> Stay | None:
        """Its places, while nobody changes them."""
        stay = self._sandboxes.of(container.id)
        return stay if stay is not None and stay.sandbox.phase == "settled" else None

    async def _reopen(self, container: Container, *also: RecordChange) -> None:
        """Open what its links open and nothing else; written down together with what is to be as well."""
        context, before = self._context, self._settled(container)
        after = self.opened(container, before) if before is not None else None
        if before is None or after is None or after == before:
            if also:
                await context.ledger.commit(*also)
            return
        old, new = (self._sandboxes.state(stay, container.name) for stay in (before, after))
        await context.reconciler.converge(transition(old, new))
        context.at("link: kernel changed")
        try:
            await context.ledger.commit(*also, *(put(endpoint) for _, endpoint in after.places))
        except FairleadError:
            await context.reconciler.converge(transition(new, old))
            raise

    async def cut(self, reference: str) -> None:
        """End one link, `web/alias`; both containers stay.  Source: Docker's `rmLink`.

        Raises NotFound if there is no such link, Failed for a container that is named otherwise.
        """
        target = self._references.find(reference)
        found = self._references.link(reference)
        if found is None:
            raise Failed("Conflict, cannot remove the default link name of the container")
        async with self._context.lock(found[0].id):
            holder = self._context.records.containers.get(found[0].id)
            if holder is None or (target.id, found[1]) not in holder.links:
                raise NotFound(f"No such container: {reference}")
            left = tuple(each for each in holder.links if each != (target.id, found[1]))
            cut = replace(holder, links=left)
            # The file first: what ends here leaves a link that can be cut again.
            await self._files.unlink(cut, links.short(found[1]))
            await self._reopen(cut, put(cut))
            self._context.at("unlink: record changed")
            await self._move(cut)

    def opened(self, container: Container, stay: Stay) -> Stay:
        """The stay with what the container's links open."""
        records = self._context.records
        places = tuple(
            (network, replace(endpoint, openings=links.openings(records, container, network)))
            for network, endpoint in stay.places
        )
        return Stay(stay.sandbox, places)
