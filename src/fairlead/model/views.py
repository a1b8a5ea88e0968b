"""What the engine shows: everything that a document of the API is rendered from."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.cluster import RemoteEndpoint
from fairlead.model.container import Container
from fairlead.model.endpoint import Attachment, Endpoint, PublishedPort, Sandbox
from fairlead.model.image import Image
from fairlead.model.network import Network


@dataclass(frozen=True, slots=True)
class AttachedNetwork:
    """One network of a container: what it asked for, and the endpoint it holds while it runs."""

    name: str
    attachment: Attachment
    network: Network | None
    endpoint: Endpoint | None


@dataclass(frozen=True, slots=True)
class ContainerView:
    """A container with all that inspect and list show.

    `networks` are in the order of attachment; sizes in bytes, -1 when not asked for.
    `image_name` is what list shows: the name given at create, or the image's id.
    """

    container: Container
    image_name: str
    networks: tuple[AttachedNetwork, ...] = ()
    sandbox: Sandbox | None = None
    sandbox_key: str = ""
    hostname_path: str = ""
    hosts_path: str = ""
    resolv_conf_path: str = ""
    log_path: str = ""
    links: tuple[str, ...] = ()  # "/target:/name/alias", as inspect shows them
    names: tuple[str, ...] = ()  # "/name", and "/other/alias" as others' links call it, as the list shows
    exec_ids: tuple[str, ...] = ()
    graph: Mapping[str, str] = field(default_factory=dict)
    size_rw: int = -1
    size_root: int = -1
    way_out: Endpoint | None = None  # on docker_gwbridge, where none of its networks leads outside

    @property
    def ports(self) -> tuple[PublishedPort, ...]:
        """Everything it publishes now, over all its networks."""
        places = [each.endpoint for each in self.networks]
        return tuple(port for each in (*places, self.way_out) if each for port in each.ports)


@dataclass(frozen=True, slots=True)
class NetworkView:
    """A network and who is on it: (endpoint, container's name); `remotes` are on other hosts."""

    network: Network
    members: tuple[tuple[Endpoint, str], ...] = ()
    remotes: tuple[RemoteEndpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class ExecView:
    """An exec as inspect shows it."""

    id: str
    container_id: str
    command: tuple[str, ...]
    user: str = ""
    tty: bool = False
    open_stdin: bool = False
    open_stdout: bool = False
    open_stderr: bool = False
    privileged: bool = False
    running: bool = False
    exit_code: int | None = None
    pid: int = 0
    detach_keys: str = ""


@dataclass(frozen=True, slots=True)
class ImageView:
    """An image and how many containers use it."""

    image: Image
    containers: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """Something happened: type and action as Docker names them; time in nanoseconds since the epoch."""

    type: str
    action: str
    id: str
    attributes: Mapping[str, str]
    time: int
    scope: str = "local"


@dataclass(frozen=True, slots=True)
class WaitResult:
    """How a container ended."""

    code: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Removed:
    """What a prune took away: names or ids, and bytes set free."""

    names: tuple[str, ...]
    space: int = 0


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What `docker info` says of the machine and the daemon, beyond what the records hold."""

    engine_id: str = ""
    name: str = ""
    kernel: str = ""
    operating_system: str = ""
    os_version: str = ""
    architecture: str = "x86_64"
    cpus: int = 1
    memory: int = 0
    root: str = ""
    root_filesystem: str = ""  # the kind of filesystem that holds it, as mount(8) calls it
    runtime: str = "runc"
    runtimes: tuple[str, ...] = ("runc",)
    cgroup_driver: str = "cgroupfs"
    cgroup_version: str = "1"
    forwarding: bool = True
    bridge_nf_iptables: bool = True
    bridge_nf_ip6tables: bool = True
    labels: tuple[str, ...] = ()
    insecure_registries: tuple[str, ...] = ()
    registry_mirrors: tuple[str, ...] = ()
    live_restore: bool = False
    debug: bool = False
    logging_driver: str = "json-file"
    started: int = 0
    address_pools: tuple[tuple[str, int], ...] = ()
    default_runtime: str = "runc"
    init_binary: str = "docker-init"
    cluster_store: str = ""
    cluster_advertise: str = ""
    warnings: tuple[str, ...] = ()
    containers: int = 0
    running: int = 0
    paused: int = 0
    stopped: int = 0
    images: int = 0


@dataclass(frozen=True, slots=True)
class LogLine:
    """One piece of output as logged; time in nanoseconds since the epoch."""

    stream: int  # 1 stdout, 2 stderr
    time: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Usage:
    """What a container uses now: counters from its control groups, in Docker's units."""

    cpu_total: int = 0  # nanoseconds
    cpu_user: int = 0
    cpu_kernel: int = 0
    per_cpu: tuple[int, ...] = ()
    system_cpu: int = 0  # nanoseconds of the whole machine
    online_cpus: int = 1
    memory: int = 0
    memory_limit: int = 0
    memory_max: int = 0
    memory_stats: Mapping[str, int] = field(default_factory=dict)
    pids: int = 0
    pids_limit: int = 0
    block_read: int = 0
    block_write: int = 0
    # By interface inside the sandbox: rx_bytes, rx_packets, rx_errors, rx_dropped, tx_...
    networks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
