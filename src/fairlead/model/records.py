"""All that is stored: records by kind and id, and a change of one of them."""

from dataclasses import dataclass, field

from fairlead.model.container import Container, Volume
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.network import Network


@dataclass(frozen=True, slots=True)
class HostRecord:
    """What the engine must remember about its host, under the one id "host".

    `engine_id` is the daemon's identity in `docker info`.
    """

    id: str = "host"
    engine_id: str = ""


Record = Network | Endpoint | Sandbox | Container | Volume | HostRecord


def record_id(record: Record) -> str:
    """The key of a record within its kind."""
    return record.name if isinstance(record, Volume) else record.id


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One record written (`after`) or taken away (`after` None)."""

    kind: type[Record]
    id: str
    after: Record | None


@dataclass(slots=True)
class Records:
    """Everything stored, in memory, by id.  Changed only through the engine's transactions."""

    networks: dict[str, Network] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    sandboxes: dict[str, Sandbox] = field(default_factory=dict)
    containers: dict[str, Container] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    hosts: dict[str, HostRecord] = field(default_factory=dict)

    def table(self, kind: type[Record]) -> dict[str, Record]:
        """The dictionary that holds records of this kind."""
        tables = {
            Network: self.networks,
            Endpoint: self.endpoints,
            Sandbox: self.sandboxes,
            Container: self.containers,
            Volume: self.volumes,
            HostRecord: self.hosts,
        }
        return tables[kind]  # type: ignore[return-value]

    def apply(self, change: RecordChange) -> None:
        """Carry out one change in memory."""
        table = self.table(change.kind)
        if change.after is None:
            table.pop(change.id, None)
        else:
            table[change.id] = change.after
