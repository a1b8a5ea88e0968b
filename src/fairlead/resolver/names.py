"""Names and resolvers as the engine sees them: what the resolver says, and what it is told."""

from collections.abc import Collection, Sequence
from contextlib import nullcontext
from typing import Any

from fairlead.model import host
from fairlead.model.errors import FairleadError, StepFailed
from fairlead.model.host import NameKey, PointerKey, Resolver, ResolverKey, State, Step
from fairlead.resolver.asking import Revive, ask_or_revive
from fairlead.resolver.estate import Estate
from fairlead.resolver.keeping import BY_UDP_AND_TCP, Keeper, Kept, dealt
from fairlead.resolver.name_messages import Key, Value, key_document, read_key, read_value, value_document


class NameServer:
    """boundary.Actuator for names, their reverse, and resolvers, on the process behind a control socket."""

    handles: tuple[type[host.Key], ...] = (ResolverKey, NameKey, PointerKey)

    def __init__(self, socket_path: str, revive: Revive | None = None, keeper: Keeper | None = None):
        """`revive` starts the process where it does not answer; `keeper` keeps its sockets."""
        self._path = socket_path
        self._revive = revive
        self._keeper = keeper

    async def observe(self, keys: Collection[host.Key]) -> State:
        """What it knows under these keys; a resolver counts only where port 53 leads to it."""
        wanted = [_key(key) for key in keys]
        request = {"do": "observe", "keys": list(map(key_document, wanted))}
        if self._keeper is None:
            values = (await self._ask(request))["values"]
        else:
            values = await self._observe_and_keep(self._keeper, wanted, request)
        return {key: read_value(key, value) for key, value in zip(wanted, values, strict=True)}

    async def _observe_and_keep(
        self, keeper: Keeper, keys: Sequence[Key], request: dict[str, Any]
    ) -> list[Any]:
        places, now = keeper.lacking(keys), keeper.now
        reply, sockets = await ask_or_revive(self._path, {**request, "copies": places}, self._revive)
        found: dict[host.Key, Kept] = {
            key: Kept(value) for key, value in zip(keys, reply["values"], strict=True)
        }
        origins = reply.get("copied", ())  # a resolver of an earlier release sends none
        own = dealt(sockets, [BY_UDP_AND_TCP if each else 0 for each in origins])
        for place, origin, pair in zip(places, origins, own, strict=False):
            found[keys[place]].origin, found[keys[place]].sockets = origin, pair
        keeper.note(now, found)
        return list(reply["values"])

    def kept(self) -> Estate:
        """What is kept of it, as its predecessor would hand it over."""
        names, sandboxes, sockets = [], [], []
        for key, each in self._keeper.everything() if self._keeper else ():
            if isinstance(key, ResolverKey):
                sandboxes.append({"name": key.namespace, "value": each.value, **each.origin})
                sockets += each.sockets
            else:
                names.append([key_document(_key(key)), each.value])
        return Estate({"names": names, "sandboxes": sandboxes}, sockets)

    async def everything(self) -> State:
        """All that it knows, also what nobody asked for."""
        reply = await self._ask({"do": "everything"})
        held = [(read_key(key), value) for key, value in reply["held"]]
        return {key: read_value(key, value) for key, value in held}

    async def perform(self, steps: Sequence[Step]) -> None:
        """Carry out all the steps or none: StepFailed with `done` 0."""
        changes = [[key_document(_key(step.key)), value_document(_value(step.after))] for step in steps]
        letting_go = self._keeper.changing([step.key for step in steps]) if self._keeper else nullcontext()
        try:
            with letting_go:
                reply = await self._ask({"do": "perform", "changes": changes})
        except FairleadError as error:
            raise StepFailed(f"cannot change names: {error.message}", 0) from error
        if "refused" in reply:
            raise StepFailed(str(reply["refused"]), 0)

    async def queries(self) -> dict[str, int]:
        """How many queries it has had since it was started, by what became of them."""
        return {name: int(count) for name, count in (await self._ask({"do": "count"})).items()}

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        reply, _ = await ask_or_revive(self._path, request, self._revive)
        return reply


def _key(key: host.Key) -> Key:
    assert isinstance(key, ResolverKey | NameKey | PointerKey)
    return key


def _value(value: host.Value | None) -> Value | None:
    assert value is None or isinstance(value, Resolver | str)
    return value
