"""The daemon's settings, as flags and daemon.json give them, parsed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Network

from fairlead.model.addresses import Address, Subnet
from fairlead.model.container import LogConfig, Ulimit
from fairlead.model.guards import Guard


@dataclass(frozen=True, slots=True)
class AddressPool:
    """A block from which networks get subnets of the prefix length `size`."""

    base: Subnet
    size: int


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the hosts' shared store is, and how this host says that it is there.

    `advertise` is ADDRESS:PORT, and that address is the host's VTEP.  Times are in seconds.
    """

    store: str  # as it was given: etcd://HOST:PORT,HOST:PORT/PREFIX
    endpoints: tuple[str, ...]  # HOST:PORT of each member
    advertise: str
    vtep: Address
    prefix: str = ""  # goes before every key: "" or /PREFIX
    ca: str = ""  # paths; no `ca`, no TLS
    certificate: str = ""
    key: str = ""
    heartbeat: int = 3
    ttl: int = 10


@dataclass(frozen=True, slots=True)
class Settings:
    """What the engine goes by.  Field names follow dockerd's flags."""

    data_root: str = "/var/lib/fairlead"
    exec_root: str = "/run/fairlead"
    bridge: str = "docker0"  # "none": no default bridge network
    bip: IPv4Interface | None = None
    fixed_cidr: IPv4Network | None = None
    ipv6: bool = False  # docker0 has IPv6 too
    fixed_cidr_v6: IPv6Network | None = None  # its subnet; None: the first free one
    default_gateway: Address | None = None  # of docker0, one in each of its subnets
    default_gateway_v6: Address | None = None
    host_gateway_ip: Address | None = None  # None: docker0's address
    # Options of new networks by driver, where they do not say themselves.
    default_network_options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    mtu: int = 0  # 0: 1500
    iptables: bool = True
    ip6tables: bool = True  # rules for networks with IPv6
    ip_forward: bool = True
    ip_masq: bool = True
    icc: bool = True
    allow: frozenset[Guard] = frozenset()  # guards that are switched off
    ip: Address = field(default_factory=lambda: IPv4Address("0.0.0.0"))
    userland_proxy: bool = True
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_opt: tuple[str, ...] = ()
    default_address_pools: tuple[AddressPool, ...] = ()
    live_restore: bool = True
    repair: bool = True  # what others break is brought back
    labels: tuple[str, ...] = ()
    default_ulimits: tuple[Ulimit, ...] = ()
    log_config: LogConfig = field(default_factory=LogConfig)  # of containers that name no driver
    default_runtime: str = "runc"
    init: bool = False
    init_path: str = ""
    insecure_registries: tuple[str, ...] = ()
    registry_mirrors: tuple[str, ...] = ()
    shutdown_timeout: int = 15  # seconds
    debug: bool = False
    cluster: Cluster | None = None
    overlay_port: int = 4789  # UDP, for VXLAN
