"""A container as the engine records it: what was asked for, and the state it is in.

Field names follow Docker's documents in snake case; `dockerapi.documents` holds the table
between the two.  None where Docker's API tells null from empty.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from fairlead.model.addresses import Address
from fairlead.model.endpoint import Attachment


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """A health check; durations in nanoseconds, 0 for the default.

    `test` begins with NONE, CMD or CMD-SHELL, as Docker's does.
    """

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class Config:
    """What runs in the container (Docker's `Config`), image defaults merged in at create."""

    image: str = ""
    hostname: str = ""
    domainname: str = ""
    user: str = ""
    attach_stdin: bool = False
    attach_stdout: bool = False
    attach_stderr: bool = False
    tty: bool = False
    open_stdin: bool = False
    stdin_once: bool = False
    env: tuple[str, ...] = ()
    cmd: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    volumes: tuple[str, ...] | None = None
    working_dir: str = ""
    exposed_ports: tuple[str, ...] = ()  # "80/tcp"; images may say anything, `exposed` reads them
    labels: Mapping[str, str] = field(default_factory=dict)
    stop_signal: str = ""
    stop_timeout: int | None = None  # seconds
    shell: tuple[str, ...] | None = None
    on_build: tuple[str, ...] | None = None
    mac_address: str = ""
    network_disabled: bool = False
    args_escaped: bool = False
    health_check: HealthCheck | None = None


def exposed(ports: Iterable[str]) -> Iterator[tuple[int, str]]:
    """Number and protocol of each port that texts such as `80/tcp`, `53` and `8000-8010/udp` name.

    What is not a port is passed over: images may say anything.
    """
    for text in ports:
        if match := re.fullmatch(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/([a-zA-Z]+))?", text):
            first, last = int(match[1]), int(match[2] or match[1])
            for number in range(first, min(last, 65535) + 1):
                yield number, (match[3] or "tcp").lower()


@dataclass(frozen=True, slots=True)
class PortRequest:
    """One wish to publish: a container port, and where; `host_port` 0..65535 as text span or "".

    `host_port` is "", "8080" or a span "8000-8010" of which one free port is taken.
    """

    container_port: int
    protocol: str
    host_address: str = ""
    host_port: str = ""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a container that ended is started again: "", no, always, unless-stopped, on-failure."""

    name: str = "no"
    maximum_retry_count: int = 0


@dataclass(frozen=True, slots=True)
class LogConfig:
    """Where output is kept: driver (json-file, local, none) and its options."""

    driver: str = "json-file"
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ulimit:
    """A resource limit."""

    name: str
    soft: int
    hard: int


@dataclass(frozen=True, slots=True)
class Device:
    """A device of the host made known to the container."""

    path_on_host: str
    path_in_container: str
    permissions: str = "rwm"


@dataclass(frozen=True, slots=True)
class ThrottleDevice:
    """A block device and its rate or weight."""

    path: str
    rate: int


@dataclass(frozen=True, slots=True)
class Mount:
    """A mount asked for with --mount (Docker's HostConfig.Mounts); options per type."""

    type: str  # bind, volume, tmpfs
    source: str
    target: str
    read_only: bool = False
    consistency: str = ""
    propagation: str = ""
    non_recursive: bool = False
    create_mountpoint: bool = False
    no_copy: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    driver_name: str = ""
    driver_options: Mapping[str, str] = field(default_factory=dict)
    tmpfs_size: int = 0  # bytes
    tmpfs_mode: int = 0


@dataclass(frozen=True, slots=True)
class MountPoint:
    """A mount as resolved at create: what is mounted where (Docker's top-level Mounts)."""

    type: str  # bind, volume, tmpfs
    source: str  # path on the host
    destination: str
    mode: str = ""
    writable: bool = True
    propagation: str = ""
    name: str = ""  # of the volume
    driver: str = ""
    copy: bool = True  # a new volume takes over what the image has there
    recursive: bool = True
    tmpfs_options: str = ""


@dataclass(frozen=True, slots=True)
class HostConfig:
    """How the container sits on its host (Docker's `HostConfig`)."""

    binds: tuple[str, ...] | None = None
    container_id_file: str = ""
    log_config: LogConfig = field(default_factory=LogConfig)
    network_mode: str = "default"
    port_bindings: tuple[PortRequest, ...] = ()
    restart_policy: RestartPolicy = field(default_factory=RestartPolicy)
    auto_remove: bool = False
    volume_driver: str = ""
    volumes_from: tuple[str, ...] | None = None
    mounts: tuple[Mount, ...] | None = None
    cap_add: tuple[str, ...] | None = None
    cap_drop: tuple[str, ...] | None = None
    cgroupns_mode: str = ""
    dns: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    extra_hosts: tuple[str, ...] | None = None
    group_add: tuple[str, ...] | None = None
    ipc_mode: str = ""
    cgroup: str = ""
    links: tuple[str, ...] | None = None  # "name:alias" as asked
    oom_score_adj: int = 0
    pid_mode: str = ""
    privileged: bool = False
    publish_all_ports: bool = False
    readonly_rootfs: bool = False
    security_opt: tuple[str, ...] | None = None
    storage_opt: Mapping[str, str] | None = None
    tmpfs: Mapping[str, str] | None = None
    uts_mode: str = ""
    userns_mode: str = ""
    shm_size: int = 0  # bytes; 0 = default
    sysctls: Mapping[str, str] | None = None
    runtime: str = ""
    console_size: tuple[int, int] = (0, 0)
    isolation: str = ""
    cpu_shares: int = 0
    memory: int = 0  # bytes
    nano_cpus: int = 0
    cgroup_parent: str = ""
    blkio_weight: int = 0
    blkio_weight_device: tuple[ThrottleDevice, ...] | None = None
    blkio_device_read_bps: tuple[ThrottleDevice, ...] | None = None
    blkio_device_write_bps: tuple[ThrottleDevice, ...] | None = None
    blkio_device_read_iops: tuple[ThrottleDevice, ...] | None = None
    blkio_device_write_iops: tuple[ThrottleDevice, ...] | None = None
    cpu_period: int = 0
    cpu_quota: int = 0
    cpu_realtime_period: int = 0
    cpu_realtime_runtime: int = 0
    cpuset_cpus: str = ""
    cpuset_mems: str = ""
    devices: tuple[Device, ...] = ()
    device_cgroup_rules: tuple[str, ...] | None = None
    kernel_memory: int = 0
    kernel_memory_tcp: int = 0
    memory_reservation: int = 0
    memory_swap: int = 0
    memory_swappiness: int | None = None
    oom_kill_disable: bool = False
    pids_limit: int | None = None
    ulimits: tuple[Ulimit, ...] | None = None
    masked_paths: tuple[str, ...] | None = None
    readonly_paths: tuple[str, ...] | None = None
    init: bool | None = None
    annotations: Mapping[str, str] | None = None  # handed to the runtime as they are
    # Attributes that the request left null though their type cannot say so; only inspect tells them apart.
    unset: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthResult:
    """One run of a health check; times in nanoseconds since the epoch."""

    start: int
    end: int
    exit_code: int
    output: str


@dataclass(frozen=True, slots=True)
class Health:
    """What the health check has found: starting, healthy, unhealthy; the last five results."""

    status: str = "starting"
    failing_streak: int = 0
    log: tuple[HealthResult, ...] = ()


@dataclass(frozen=True, slots=True)
class ContainerState:
    """Where a container is in its life; times in nanoseconds since the epoch, 0 for never."""

    status: str = "created"  # created, running, paused, restarting, removing, exited, dead
    pid: int = 0
    exit_code: int = 0
    error: str = ""
    oom_killed: bool = False
    started: int = 0
    finished: int = 0
    restart_count: int = 0
    # The user stopped or killed it: no restart policy brings it back until it is started again.
    stopped_by_user: bool = False
    ever_started: bool = False
    health: Health | None = None

    @property
    def running(self) -> bool:
        """Whether its process lives (Docker counts a paused one, and one between two restarts)."""
        return self.status in ("running", "paused", "restarting")


@dataclass(frozen=True, slots=True)
class Container:
    """A container: identity, configuration, attachments, state."""

    id: str
    name: str  # without the leading slash
    created: int  # nanoseconds since the epoch
    image_id: str  # 64 hex digits
    config: Config
    host_config: HostConfig
    path: str = ""
    args: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    mounts: tuple[MountPoint, ...] = ()
    state: ContainerState = field(default_factory=ContainerState)
    # Links as resolved at create: (target container id, alias); the name of a target that is no more.
    links: tuple[tuple[str, str], ...] = ()
    sandbox_id: str = ""  # the sandbox it has, or had when it last ran: inspect shows it ever after
    # Which files have been made for it (inspect shows their paths only then).
    has_files: bool = False
    phase: str = "pending"  # pending: being made; settled; removing: being taken away
    sequence: int = 0  # orders containers by creation


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume of the local driver."""

    name: str
    created: int
    mountpoint: str
    driver: str = "local"
    labels: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, str] = field(default_factory=dict)
    anonymous: bool = False


@dataclass(frozen=True, slots=True)
class HostsEntry:
    """One line of a container's /etc/hosts: an address and its names."""

    address: Address
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PathStat:
    """A path inside a container: `mode` in Go's FileMode bits, `modified` in nanoseconds since the epoch."""

    name: str
    size: int
    mode: int
    modified: int
    link_target: str = ""
