"""Finding containers by what users call them, and the names that they may have."""

import re
from dataclasses import dataclass

from fairlead.engine.context import Context
from fairlead.engine.names import random_name
from fairlead.model.container import Container
from fairlead.model.errors import Conflict, InvalidParameter, NotFound

NAME = re.compile(r"/?[a-zA-Z0-9][a-zA-Z0-9_.-]+\Z")


@dataclass(slots=True)
class References:
    """Names and ids of containers."""

    context: Context

    def find(self, reference: str) -> Container:
        """A container by id, name (with or without slash), link name or unambiguous beginning of its id.

        Source of the order and the words: Docker's `GetContainer`.
        """
        containers = self.context.records.containers
        if not reference:
            raise InvalidParameter('invalid name or ID supplied: ""')
        if reference in containers:
            return containers[reference]
        named = self.context.records.container_named(reference.removeprefix("/"))
        if named is not None:
            return named
        linked = self.link(reference)
        if linked is not None and linked[2] in containers:
            return containers[linked[2]]
        begun = [each for each in containers.values() if each.id.startswith(reference)]
        if len(begun) > 1:
            raise InvalidParameter(f"Multiple IDs found with provided prefix: {reference}")
        if not begun:
            raise NotFound(f"No such container: {reference}")
        return begun[0]

    def link(self, reference: str) -> tuple[Container, str, str] | None:
        """The link on the default bridge that `web/alias` names: web, the alias and the target's id."""
        name, _, alias = reference.removeprefix("/").partition("/")
        holder = self.context.records.container_named(name)
        if holder is None:
            return None
        return next(((holder, alias, target) for target, each in holder.links if each == alias), None)

    def new_name(self, wanted: str) -> str:
        """The wanted name if it is valid and free, a chosen one for ""; else InvalidParameter or Conflict."""
        if wanted:
            return self.require_free(wanted)
        for attempt in range(1000):
            name = random_name(self.context.clock.chance(2), attempt // 5)
            if self.context.records.container_named(name) is None:
                return name
        raise Conflict("cannot choose a name: a thousand tries were all taken")

    def require_free(self, wanted: str) -> str:
        """The name without its slash, if it is valid and nobody has it."""
        name = wanted.removeprefix("/")
        if not NAME.match(wanted):
            raise InvalidParameter(
                f"Invalid container name ({wanted}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"
            )
        holder = self.context.records.container_named(name)
        if holder is not None:
            raise Conflict(
                f'Conflict. The container name "/{name}" is already in use by container '
                f'"{holder.id}". You have to remove (or rename) that container to be able to reuse '
                "that name."
            )
        return name
