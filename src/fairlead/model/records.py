"""All that is stored: records by kind and id, and a change of one of them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from fairlead.model.addresses import Address
from fairlead.model.cluster import Member, RemoteEndpoint
from fairlead.model.container import Container, Volume
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.index import Index
from fairlead.model.network import Network


@dataclass(frozen=True, slots=True)
class HostRecord:
    """What the engine must remember about its host, under the one id "host".

    `engine_id` is the daemon's identity in `docker info`.  `lease` and `generation` are what it is
    a member of a cluster by: the next daemon goes on with them.  `dropping` are the families whose
    FORWARD had the policy DROP when all was right.
    """

    id: str = "host"
    engine_id: str = ""
    lease: int = 0
    generation: int = 0
    dropping: tuple[str, ...] = ()


Record = Network | Endpoint | Sandbox | Container | Volume | HostRecord | Member | RemoteEndpoint
Place = tuple[str, Address, int]  # protocol, host address, host port


def record_id(record: Record) -> str:
    """The key of a record within its kind."""
    return record.name if isinstance(record, Volume) else record.id


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One record written (`after`) or taken away (`after` None)."""

    kind: type[Record]
    id: str
    after: Record | None


def outlives_power(change: RecordChange) -> bool:
    """Whether what the change tells of may be there after the power has failed.

    Links, namespaces and rules are not: while they are being made, or taken away, a record of it has
    to outlive the daemon only.
    """
    after = change.after
    return not isinstance(after, (Network, Endpoint, Sandbox)) or after.phase == "settled"


TABLES: Mapping[type[Record], str] = {
    Network: "networks",
    Endpoint: "endpoints",
    Sandbox: "sandboxes",
    Container: "containers",
    Volume: "volumes",
    HostRecord: "hosts",
    Member: "members",
    RemoteEndpoint: "remotes",
}


def _places(endpoint: Endpoint) -> Iterator[Place]:
    for port in endpoint.ports:
        if port.routed:
            continue
        for offset in range(port.count):
            yield port.protocol, port.host_address, port.host_port + offset


def _promises(container: Container) -> list[str]:
    """The networks, by name or id, on which a container has addresses of its own choice."""
    return [each.network for each in container.attachments if each.ipv4 or each.ipv6]


def _indexes() -> dict[str, tuple[type[Record], Index]]:
    return {
        "networks by name": (Network, Index(lambda each: (each.name,))),
        "endpoints by container": (Endpoint, Index(lambda each: (each.container_id,))),
        "endpoints by network": (Endpoint, Index(lambda each: (each.network_id,))),
        "endpoints by port": (Endpoint, Index(_places)),
        "sandboxes by container": (Sandbox, Index(lambda each: (each.container_id,))),
        "sandboxes by name": (Sandbox, Index(lambda each: (each.name,))),
        "containers by name": (Container, Index(lambda each: (each.name,))),
        "remotes by network": (RemoteEndpoint, Index(lambda each: (each.network_id,))),
        "containers by network mode": (Container, Index(lambda each: (each.host_config.network_mode,))),
        "containers by promise": (Container, Index(_promises)),
        "containers by link": (Container, Index(lambda each: [target for target, _ in each.links])),
    }


@dataclass(slots=True)
class Records:
    """Everything stored, in memory, by id and by what it is looked up by.

    `apply` is the only way to change it; what it costs does not grow with what is stored.
    """

    networks: Mapping[str, Network] = field(default_factory=dict)
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    sandboxes: Mapping[str, Sandbox] = field(default_factory=dict)
    containers: Mapping[str, Container] = field(default_factory=dict)
    volumes: Mapping[str, Volume] = field(default_factory=dict)
    hosts: Mapping[str, HostRecord] = field(default_factory=dict)
    members: Mapping[str, Member] = field(default_factory=dict)
    remotes: Mapping[str, RemoteEndpoint] = field(default_factory=dict)
    last_sequence: int = field(default=0, init=False, compare=False)  # the largest that any has had
    _tables: dict[type[Record], dict[str, Record]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _by: dict[str, tuple[type[Record], Index]] = field(
        default_factory=_indexes, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Take over what it is made with; from now on the dictionaries can only be read."""
        for kind, name in TABLES.items():
            table = self._tables[kind] = dict(getattr(self, name))
            setattr(self, name, MappingProxyType(table))
            for identity, record in table.items():
                self._note(kind, identity, None, record)

    def table(self, kind: type[Record]) -> Mapping[str, Record]:
        """The dictionary that holds records of this kind."""
        return self._tables[kind]

    def apply(self, change: RecordChange) -> None:
        """Carry out one change in memory."""
        table = self._tables[change.kind]
        self._note(change.kind, change.id, table.get(change.id), change.after)
        if change.after is None:
            table.pop(change.id, None)
        else:
            table[change.id] = change.after

    def _note(self, kind: type[Record], identity: str, before: Record | None, after: Record | None) -> None:
        for of_kind, index in self._by.values():
            if of_kind is kind:
                index.change(identity, before, after)
        self.last_sequence = max(self.last_sequence, getattr(after, "sequence", 0))

    def _ids(self, index: str, key: object) -> tuple[str, ...]:
        return self._by[index][1].ids(key)

    # -- looking up ------------------------------------------------------------------------------

    def network_named(self, name: str) -> Network | None:
        """The network of that name."""
        return next((self.networks[each] for each in self._ids("networks by name", name)), None)

    def endpoints_of(self, container_id: str) -> list[Endpoint]:
        """A container's endpoints, oldest first."""
        return self._oldest_first("endpoints by container", container_id)

    def endpoints_on(self, network_id: str) -> list[Endpoint]:
        """The endpoints on a network, oldest first."""
        return self._oldest_first("endpoints by network", network_id)

    def _oldest_first(self, index: str, key: str) -> list[Endpoint]:
        found = [self.endpoints[each] for each in self._ids(index, key)]
        return sorted(found, key=lambda each: each.sequence)

    def remotes_on(self, network_id: str) -> list[RemoteEndpoint]:
        """The endpoints that other hosts have on a global network, by id."""
        return [self.remotes[each] for each in sorted(self._ids("remotes by network", network_id))]

    def publisher(self, place: Place) -> Endpoint | None:
        """The endpoint that has published a port of the host."""
        return next((self.endpoints[each] for each in self._ids("endpoints by port", place)), None)

    def sandbox_of(self, container_id: str) -> Sandbox | None:
        """A container's sandbox."""
        return next(
            (self.sandboxes[each] for each in self._ids("sandboxes by container", container_id)), None
        )

    def sandbox_named(self, name: str) -> Sandbox | None:
        """The sandbox whose pin has that name."""
        return next((self.sandboxes[each] for each in self._ids("sandboxes by name", name)), None)

    def container_named(self, name: str) -> Container | None:
        """The container of that name, without the slash."""
        return next((self.containers[each] for each in self._ids("containers by name", name)), None)

    def sharing(self, owner: Container) -> list[Container]:
        """The containers that were told to use the network of this one."""
        modes = (f"container:{owner.id}", f"container:{owner.name}")
        found = {each for mode in modes for each in self._ids("containers by network mode", mode)}
        return [self.containers[each] for each in sorted(found)]

    def promised(self, network: Network, container_id: str) -> set[Address]:
        """The addresses on a network that containers have asked for, running or not, all but this one."""
        names = (network.name, network.id)
        holders = {each for name in names for each in self._ids("containers by promise", name)}
        return {
            address
            for holder in holders - {container_id}
            for attachment in self.containers[holder].attachments
            if attachment.network in names
            for address in (attachment.ipv4, attachment.ipv6)
            if address is not None
        }

    def linked_to(self, target: str) -> list[Container]:
        """The containers whose links lead to a container's id (or to the name of one that is no more)."""
        return [self.containers[each] for each in self._ids("containers by link", target)]
