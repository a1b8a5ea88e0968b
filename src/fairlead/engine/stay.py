"""Where a container is: its sandbox and its places on networks, as one value."""

from dataclasses import dataclass, replace

from fairlead.engine.ledger import drop, put
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.network import Network
from fairlead.model.records import RecordChange


@dataclass(frozen=True, slots=True)
class Stay:
    """A container's sandbox and its places on networks, in the order of attachment."""

    sandbox: Sandbox
    places: tuple[tuple[Network, Endpoint], ...]

    @property
    def asked(self) -> tuple[tuple[Network, Endpoint], ...]:
        """Its places on networks that somebody asked for."""
        return tuple(place for place in self.places if not place[1].implied)

    def in_phase(self, phase: str) -> "Stay":
        """The same with all its records in another phase."""
        places = tuple((network, replace(endpoint, phase=phase)) for network, endpoint in self.places)
        return Stay(replace(self.sandbox, phase=phase), places)

    def written(self) -> list[RecordChange]:
        """The changes that write its records."""
        return [put(self.sandbox), *(put(endpoint) for _, endpoint in self.places)]

    def dropped(self) -> list[RecordChange]:
        """The changes that take its records away."""
        return [drop(self.sandbox), *(drop(endpoint) for _, endpoint in self.places)]
