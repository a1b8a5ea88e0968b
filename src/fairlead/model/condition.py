"""What can be observed of a host, and decides whether its containers' networks can work."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.model.addresses import Address, Subnet

Port = tuple[str, int]  # protocol and number


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """A network of the engine, as the daemon tells; `bridge` is "" where it has none on the host."""

    name: str
    bridge: str
    subnets: tuple[Subnet, ...]
    mtu: int = 0  # 0: not known


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route of the main tables."""

    destination: Subnet
    link: str


@dataclass(frozen=True, slots=True)
class Filled:
    """How much of something limited is used up; a limit of 0: it is not known."""

    used: int = 0
    limit: int = 0

    @property
    def nearly(self) -> bool:
        """Whether four fifths are."""
        return self.limit > 0 and self.used * 5 >= self.limit * 4


@dataclass(frozen=True, slots=True)
class Condition:
    """One look at a host.  `networks` and `wanted_ports` are empty where no daemon answered."""

    daemon: str = ""  # why it does not answer; "" when it does
    missing_programs: tuple[str, ...] = ()
    missing_features: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(default_factory=dict)  # sysctls by dotted name, with their values
    forward_rules: tuple[str, ...] = ()  # iptables' chain FORWARD, as iptables-save shows it
    forward_policy: str = "ACCEPT"
    closed_chains: tuple[str, ...] = ()  # nftables chains of others that drop what is forwarded
    routes: tuple[RouteFacts, ...] = ()
    bridges: tuple[str, ...] = ()  # that look like the engine's
    ipv6_bridges: tuple[str, ...] = ()  # those of them with an IPv6 address other than link-local
    default_links: tuple[str, ...] = ()
    tunnels: tuple[str, ...] = ()  # links that lead into a VPN
    uplink_mtu: int = 0
    networks: tuple[NetworkFacts, ...] = ()
    tracked: Filled = Filled()
    neighbours: Filled = Filled()
    watchers: Filled = Filled()  # inotify instances
    files: Filled = Filled()
    most_files: int = 0  # that one process may open; 0: not known
    name_servers: tuple[str, ...] = ()
    own_addresses: tuple[Address, ...] = ()
    wanted_ports: tuple[tuple[Port, str], ...] = ()  # of containers that do not run, with their names
    taken_ports: frozenset[Port] = frozenset()
    network_manager: bool = False  # NetworkManager runs, and was not told to leave our links alone
    networkd_files: tuple[str, ...] = ()  # files by which systemd-networkd takes our links
