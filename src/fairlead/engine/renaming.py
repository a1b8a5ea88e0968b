"""Giving containers other names: in the records, and for who runs in the resolver and the port holder."""

from contextlib import AsyncExitStack
from dataclasses import replace

from fairlead.engine.context import Context
from fairlead.engine.creation import Creation
from fairlead.engine.ledger import put
from fairlead.engine.references import References
from fairlead.engine.sandboxes import Sandboxes
from fairlead.model.container import Container
from fairlead.model.errors import Conflict, InvalidParameter
from fairlead.planner.steps import transition


class Renaming:
    """Renames containers."""

    def __init__(self, context: Context, references: References, sandboxes: Sandboxes):
        self._context = context
        self._references = references
        self._sandboxes = sandboxes

    async def rename(self, reference: str, name: str) -> None:
        """Give it another name.  Conflict if that is taken."""
        found = self._references.find(reference)
        if not name:
            raise InvalidParameter("Neither old nor new names may be empty")
        if name.removeprefix("/") == found.name:
            raise InvalidParameter("Renaming a container with the same name as its current name")
        async with self._context.lock(found.id):
            container = self._references.find(found.id)
            try:
                free = self._references.require_free("/" + name.removeprefix("/"))
            except (Conflict, InvalidParameter) as error:
                raise type(error)(f"Error when allocating new name: {error.message}") from error
            renamed = replace(container, name=free)
            async with AsyncExitStack() as undo:
                # The name is taken before anything is awaited that others could come between.
                undo.push_async_callback(self._context.ledger.commit, put(container))
                await self._context.ledger.commit(put(renamed))
                await self._tell_neighbours(container, renamed, undo)
                undo.pop_all()
        attributes = {**Creation.attributes(renamed), "oldName": f"/{container.name}"}
        self._context.events.emit("container", "rename", container.id, attributes)

    async def _tell_neighbours(self, before: Container, after: Container, undo: AsyncExitStack) -> None:
        context, stay = self._context, self._sandboxes.of(after.id)
        if stay is None:
            return
        renamed = self._sandboxes.renamed(after, stay)
        old, new = self._sandboxes.state(stay, before.name), self._sandboxes.state(renamed, after.name)
        await context.reconciler.converge(transition(old, new))
        undo.push_async_callback(context.reconciler.converge, transition(new, old))
        context.at("rename: neighbours told")
        undo.push_async_callback(context.ledger.commit, *(put(endpoint) for _, endpoint in stay.places))
        await context.ledger.commit(*(put(endpoint) for _, endpoint in renamed.places))
        await self._sandboxes.overlays.say(renamed.places)
