"""The port holder in memory: it refuses what the kernel would refuse."""

import errno
from collections.abc import Collection, Sequence

from fairlead.model.addresses import Address
from fairlead.model.errors import PortTaken
from fairlead.model.host import HeldPortKey, Key, State, Step, Target


class FakePorts:
    """boundary.Actuator for held ports.

    `strangers` are ports that other processes have: (protocol, address, port) to the holder's name.
    `addresses` are the host's own; only these, loopback and the unspecified can be bound.
    """

    handles: tuple[type[Key], ...] = (HeldPortKey,)

    def __init__(self, addresses: Collection[Address] = ()) -> None:
        self.strangers: dict[tuple[str, Address, int], str] = {}
        self.addresses = set(addresses)
        self._held: dict[HeldPortKey, Target] = {}

    async def observe(self, keys: Collection[Key]) -> State:
        return {key: self._held.get(key) for key in keys if isinstance(key, HeldPortKey)}

    async def everything(self) -> State:
        return dict(self._held)

    async def perform(self, steps: Sequence[Step]) -> None:
        before = dict(self._held)
        for step in steps:
            assert isinstance(step.key, HeldPortKey)
            if step.after is None:
                self._held.pop(step.key, None)
                continue
            assert isinstance(step.after, Target)
            try:
                if step.key not in self._held:
                    self._require_free(step.key)
            except PortTaken:
                self._held = before
                raise
            self._held[step.key] = step.after

    def _require_free(self, key: HeldPortKey) -> None:
        for port in range(key.port, key.port + key.count):
            holder = self._holder(key, port)
            if holder:
                raise self._taken(key, port, errno.EADDRINUSE, holder)
            bindable = key.address.is_unspecified or key.address.is_loopback or key.address in self.addresses
            if not bindable:
                raise self._taken(key, port, errno.EADDRNOTAVAIL, "")

    def _holder(self, key: HeldPortKey, port: int) -> str:
        for held, target in self._held.items():
            if held.port <= port < held.port + held.count and _collide(key, (held.protocol, held.address)):
                return f"container {target.label}"
        for (protocol, address, taken), holder in self.strangers.items():
            both_families = str(address) == "::" and protocol == key.protocol
            if taken == port and (both_families or _collide(key, (protocol, address))):
                return holder
        return ""

    @staticmethod
    def _taken(key: HeldPortKey, port: int, number: int, holder: str) -> PortTaken:
        place = f"[{key.address}]" if key.address.version == 6 else str(key.address)
        words = {
            errno.EADDRINUSE: f"address already in use: held by {holder}",
            errno.EADDRNOTAVAIL: "cannot assign requested address",
        }
        network = f"{key.protocol}{4 if key.address.version == 4 else 6}"
        return PortTaken(
            f"Error starting userland proxy: listen {network} {place}:{port}: bind: {words[number]}",
            holder,
            protocol=key.protocol,
            address=str(key.address),
            port=port,
            errno=number,
        )


def _collide(key: HeldPortKey, other: tuple[str, Address]) -> bool:
    protocol, address = other
    if (protocol, address.version) != (key.protocol, key.address.version):
        return False
    return address == key.address or address.is_unspecified or key.address.is_unspecified
