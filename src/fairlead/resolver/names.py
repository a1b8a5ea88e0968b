"""Names and resolvers as the engine sees them: what the resolver says, and what it is told."""

from collections.abc import Collection, Sequence
from typing import Any

from fairlead.model import host
from fairlead.model.errors import FairleadError, StepFailed
from fairlead.model.host import NameKey, PointerKey, Resolver, ResolverKey, State, Step
from fairlead.resolver.asking import Revive, ask_or_revive
from fairlead.resolver.name_messages import Key, Value, key_document, read_key, read_value, value_document


class NameServer:
    """boundary.Actuator for names, their reverse, and resolvers, on the process behind a control socket."""

    handles: tuple[type[host.Key], ...] = (ResolverKey, NameKey, PointerKey)

    def __init__(self, socket_path: str, revive: Revive | None = None):
        """`revive` starts the process where it does not answer."""
        self._path = socket_path
        self._revive = revive

    async def observe(self, keys: Collection[host.Key]) -> State:
        """What it knows under these keys; a resolver counts only where port 53 leads to it."""
        wanted = [_key(key) for key in keys]
        reply = await self._ask({"do": "observe", "keys": [key_document(key) for key in wanted]})
        return {key: read_value(key, value) for key, value in zip(wanted, reply["values"], strict=True)}

    async def everything(self) -> State:
        """All that it knows, also what nobody asked for."""
        reply = await self._ask({"do": "everything"})
        held = [(read_key(key), value) for key, value in reply["held"]]
        return {key: read_value(key, value) for key, value in held}

    async def perform(self, steps: Sequence[Step]) -> None:
        """Carry out all the steps or none: StepFailed with `done` 0."""
        changes = [[key_document(_key(step.key)), value_document(_value(step.after))] for step in steps]
        try:
            reply = await self._ask({"do": "perform", "changes": changes})
        except FairleadError as error:
            raise StepFailed(f"cannot change names: {error.message}", 0) from error
        if "refused" in reply:
            raise StepFailed(str(reply["refused"]), 0)

    async def queries(self) -> dict[str, int]:
        """How many queries it has had since it was started, by what became of them."""
        return {name: int(count) for name, count in (await self._ask({"do": "count"})).items()}

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        return await ask_or_revive(self._path, request, self._revive)


def _key(key: host.Key) -> Key:
    assert isinstance(key, ResolverKey | NameKey | PointerKey)
    return key


def _value(value: host.Value | None) -> Value | None:
    assert value is None or isinstance(value, Resolver | str)
    return value
