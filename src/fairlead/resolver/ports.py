"""Held ports as the engine sees them: what the port holder says, and what it is told."""

import asyncio
import errno
import os
from collections.abc import Collection, Sequence
from contextlib import nullcontext
from ipaddress import ip_address
from typing import Any

from fairlead.model.errors import FairleadError, PortTaken, StepFailed
from fairlead.model.host import HeldPortKey, Key, State, Step, Target, Value
from fairlead.resolver.asking import Revive, ask_or_revive
from fairlead.resolver.estate import Estate
from fairlead.resolver.keeping import Keeper, Kept, dealt
from fairlead.resolver.port_messages import key_document, read_key, read_target, target_document
from fairlead.resolver.socket_owner import port_owner

# Of these the kernel refuses the socket, of all others its binding.
NO_SOCKET = (errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.ESOCKTNOSUPPORT, errno.EMFILE, errno.ENFILE)


class PortHolder:
    """boundary.Actuator for held ports, on the port holder behind a control socket."""

    handles: tuple[type[Key], ...] = (HeldPortKey,)

    def __init__(self, socket_path: str, revive: Revive | None = None, keeper: Keeper | None = None):
        """`revive` starts the port holder where it does not answer; `keeper` keeps its sockets."""
        self._path = socket_path
        self._revive = revive
        self._keeper = keeper

    async def observe(self, keys: Collection[Key]) -> State:
        """Where each run leads, None if it is not held as exactly this run."""
        wanted = [_held(key) for key in keys]
        request = {"do": "observe", "keys": list(map(key_document, wanted))}
        if self._keeper is None:
            targets = (await self._ask(request))["targets"]
        else:
            targets = await self._observe_and_keep(self._keeper, wanted, request)
        return dict(zip(keys, map(read_target, targets), strict=True))

    async def _observe_and_keep(
        self, keeper: Keeper, keys: Sequence[HeldPortKey], request: dict[str, Any]
    ) -> list[Any]:
        places, now = keeper.lacking(keys), keeper.now
        reply, sockets = await ask_or_revive(self._path, {**request, "copies": places}, self._revive)
        found: dict[Key, Kept] = {
            key: Kept(target) for key, target in zip(keys, reply["targets"], strict=True)
        }
        # A port holder of an earlier release sends none.
        counts = reply.get("copied", ())
        for place, own in zip(places, dealt(sockets, counts), strict=False):
            found[keys[place]].sockets = own
        keeper.note(now, found)
        return list(reply["targets"])

    def kept(self) -> Estate:
        """What is kept of it, as its predecessor would hand it over."""
        held = [(key, each) for key, each in (self._keeper.everything() if self._keeper else ())]
        runs = [[key_document(_held(key)), each.value] for key, each in held]
        sockets = [each for _, kept in held for each in kept.sockets]
        return Estate({"runs": runs, "sessions": [], "streams": []}, sockets)

    async def everything(self) -> State:
        """All that is held, also what nobody asked for."""
        reply = await self._ask({"do": "everything"})
        return {read_key(key): read_target(target) for key, target in reply["held"]}

    async def perform(self, steps: Sequence[Step]) -> None:
        """Carry out all the steps or none.

        Raises PortTaken, in Docker's words and with the holder, when a port cannot be bound.
        """
        changes = [[key_document(_held(step.key)), target_document(_target(step.after))] for step in steps]
        letting_go = self._keeper.changing([step.key for step in steps]) if self._keeper else nullcontext()
        try:
            with letting_go:
                reply = await self._ask({"do": "perform", "changes": changes})
        except FairleadError as error:
            raise StepFailed(f"cannot hold ports: {error.message}", 0) from error
        if "refused" in reply:
            raise await _taken(reply["refused"])

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        reply, _ = await ask_or_revive(self._path, request, self._revive)
        return reply


def _held(key: Key) -> HeldPortKey:
    assert isinstance(key, HeldPortKey)
    return key


def _target(value: Value | None) -> Target | None:
    assert value is None or isinstance(value, Target)
    return value


async def _taken(refused: dict[str, Any]) -> PortTaken:
    protocol, port, number = refused["protocol"], refused["port"], refused["errno"]
    address = ip_address(refused["address"])
    holder = f"container {refused['label']}" if refused["label"] else ""
    if number == errno.EADDRINUSE and not holder:
        holder = await asyncio.to_thread(port_owner, protocol, address, port, refused["pid"])
    message = taken_message(protocol, str(address), port, number)
    return PortTaken(
        f"{message}: held by {holder}" if holder else message,
        holder,
        protocol=protocol,
        address=str(address),
        port=port,
        errno=number,
    )


def taken_message(protocol: str, address: str, port: int, number: int) -> str:
    """Docker's words for a port that cannot be held.

    Source: docker-proxy's report, which ends in Go's net.OpError: operation, network, address, call, error.
    """
    reason = os.strerror(number).lower()
    if protocol == "sctp":  # whose library names neither place nor call
        return f"Error starting userland proxy: {reason}"
    place = f"[{address}]" if ":" in address else address
    network = f"{protocol}{6 if ':' in address else 4}"
    call = "socket" if number in NO_SOCKET else "bind"
    return f"Error starting userland proxy: listen {network} {place}:{port}: {call}: {reason}"
