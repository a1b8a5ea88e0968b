"""Tracked flows in memory."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from fairlead.firewall.flows import Flow, astray, belongs
from fairlead.model.addresses import Address
from fairlead.model.errors import Failed
from fairlead.model.host import AddressFlowsKey, Key, PortFlowsKey, State, Step


@dataclass
class FakeFlows:
    """An Actuator of flows that somebody else makes."""

    handles: tuple[type[Key], ...] = (AddressFlowsKey, PortFlowsKey)
    flows: list[Flow] = field(default_factory=list)
    local: set[Address] = field(default_factory=set)

    def _wrong(self, key: Key) -> list[Flow]:
        match key:
            case AddressFlowsKey():
                return [flow for flow in self.flows if belongs(flow, key)]
            case PortFlowsKey():
                return [flow for flow in self.flows if astray(flow, key, lambda each: each in self.local)]
        raise Failed(f"cannot find {key} among the flows: it is none")

    async def observe(self, keys: Collection[Key]) -> State:
        """Whether there are flows of an address; whether those to a port lead where they should."""
        wrong = {key: bool(self._wrong(key)) for key in keys}
        return {key: (each ^ isinstance(key, PortFlowsKey)) or None for key, each in wrong.items()}

    async def everything(self) -> State:
        """Nothing."""
        return {}

    async def perform(self, steps: Sequence[Step]) -> None:
        """End the flows that are not wanted."""
        for step in steps:
            if isinstance(step.key, PortFlowsKey) is (step.after is not None):
                wrong = self._wrong(step.key)
                self.flows = [flow for flow in self.flows if flow not in wrong]
