"""Records for tests of the engine: networks, containers and their places."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, ip_address, ip_network

from fairlead.engine.context import Context
from fairlead.engine.ledger import Ledger, put
from fairlead.model.config import Settings
from fairlead.model.container import Config, Container, ContainerState, HostConfig
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.host import Key, State, Step, Value
from fairlead.model.network import BRIDGE_NAME, DEFAULT_BRIDGE, ENABLE_ICC, Network, Pool
from fairlead.model.records import Record, RecordChange, Records
from fairlead.reconcile.converge import Reconciler


def bridge(icc: bool = True) -> Network:
    """The default bridge network."""
    options = {DEFAULT_BRIDGE: "true", BRIDGE_NAME: "docker0", ENABLE_ICC: "true" if icc else "false"}
    pool = Pool(ip_network("172.17.0.0/16"), gateway=ip_address("172.17.0.1"))
    return Network("f" * 64, "bridge", "bridge", 0, 0, pools=(pool,), options=options, phase="settled")


def container(name: str, *, links: Sequence[tuple[str, str]] = (), exposed: Sequence[str] = ()) -> Container:
    """A running container; its id is its name, repeated."""
    config = Config(
        image="busybox", hostname=name, exposed_ports=tuple(exposed), env=("COLOUR=red", "PATH=/")
    )
    return Container(
        (name * 64)[:64],
        name,
        0,
        "0" * 64,
        config,
        HostConfig(),
        links=tuple(links),
        state=ContainerState(status="running", pid=1, ever_started=True),
        phase="settled",
    )


def place(of: Container, network: Network, number: int) -> tuple[Sandbox, Endpoint]:
    """Its sandbox and its endpoint, with the address that ends in `number`."""
    sandbox = Sandbox(f"{number:064x}", of.id, of.name, phase="settled")
    endpoint = Endpoint(
        f"{number + 1000:064x}",
        network.id,
        of.id,
        sandbox.id,
        number,
        "eth0",
        f"veth{number}",
        "02:42:ac:11:00:02",
        ipv4=IPv4Interface(f"172.17.0.{number}/16"),
        phase="settled",
    )
    return sandbox, endpoint


def write(records: Records, *written: Record) -> None:
    """Put records among those there are."""
    for each in written:
        records.apply(put(each))


class FakeStore:
    """A store that keeps nothing but the changes."""

    def __init__(self, records: Records):
        self.records = records
        self.written: list[Sequence[RecordChange]] = []

    async def load(self) -> Records:
        """What it was made with."""
        return self.records

    async def commit(self, changes: Sequence[RecordChange]) -> None:
        """Done."""
        self.written.append(changes)


@dataclass
class FakeHost:
    """An actuator for every kind of key, and the files of containers."""

    handles: tuple[type, ...] = Key.__args__  # type: ignore[attr-defined]
    there: dict[Key, Value | None] = field(default_factory=dict)
    files: dict[tuple[str, str], str] = field(default_factory=dict)
    forwards: bool = True

    def chance(self, count: int) -> bytes:
        """Bytes by no chance at all."""
        return bytes(range(0xA0, 0xA0 + count))

    async def sleep(self, seconds: float) -> None:
        """At once."""

    async def resolv_conf(self) -> str:
        """The host's resolv.conf."""
        return "nameserver 198.51.100.1\n"

    async def resolved_conf(self) -> str:
        """No systemd-resolved."""
        return ""

    async def forwarding(self) -> bool:
        """Whether IPv4 forwarding is on."""
        return self.forwards

    async def observe(self, keys: Sequence[Key]) -> State:
        """What is there under the keys."""
        return {key: self.there.get(key) for key in keys}

    async def everything(self) -> State:
        """All that is there."""
        return self.there

    async def perform(self, steps: Sequence[Step]) -> None:
        """Do as told."""
        for step in steps:
            self.there[step.key] = step.after

    async def read_file(self, container_id: str, name: str) -> str:
        """The text of a file."""
        return self.files.get((container_id, name), "")

    async def write_files(self, container_id: str, files: dict[str, str]) -> None:
        """Write files."""
        for name, text in files.items():
            self.files[container_id, name] = text


def context(host: FakeHost, records: Records) -> Context:
    """The parts of an engine that work with records, the host and files."""
    ledger = Ledger(FakeStore(records), records)
    nothing: object = None
    return Context(
        settings=Settings(),
        ledger=ledger,
        reconciler=Reconciler([host]),  # type: ignore[list-item]
        runtime=nothing,  # type: ignore[arg-type]
        images=nothing,  # type: ignore[arg-type]
        archives=nothing,  # type: ignore[arg-type]
        machine=host,  # type: ignore[arg-type]
        clock=host,  # type: ignore[arg-type]
        events=nothing,  # type: ignore[arg-type]
    )


@dataclass
class FakeEvents:
    """Events, noted as action and subject."""

    told: list[tuple[str, str]] = field(default_factory=list)

    def emit(self, kind: str, action: str, identity: str, attributes: object) -> None:
        """Note that something happened."""
        self.told.append((f"{kind} {action}", identity))
