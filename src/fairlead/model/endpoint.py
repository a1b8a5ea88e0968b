"""How a container is attached to networks: what it asked for, and what it holds while it runs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from fairlead.model.addresses import Address, Interface

# Driver options of one endpoint: what its interface is called, and settings of it.
INTERFACE_NAME = "com.docker.network.endpoint.ifname"
INTERFACE_SYSCTLS = "com.docker.network.endpoint.sysctls"


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a container asks of one network; part of the container's record, running or not.

    `network` is a name or id as the user gave it until the engine resolves it to an id
    (`network_id`).  `has_ipam` keeps apart "IPAMConfig": null and {} for inspect, `has_aliases`
    "Aliases": null and [].
    """

    network: str
    network_id: str = ""
    aliases: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    ipv4: IPv4Address | None = None
    ipv6: IPv6Address | None = None
    link_local: tuple[Address, ...] = ()
    has_ipam: bool = False
    mac: str = ""
    driver_options: Mapping[str, str] | None = None
    gateway_priority: int = 0
    has_aliases: bool = False


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """One published port or an unbroken run of them, as it is held: an inclusive span of `count`.

    Port `host_port + i` of `host_address` leads to `container_port + i`.  `protocol` is tcp,
    udp or sctp.  A binding without a host address is two of these: 0.0.0.0 and ::.  Where
    packets are routed to the container itself, `host_port` is 0: the container's port is open.
    """

    protocol: str
    host_address: Address
    host_port: int
    container_port: int
    count: int = 1

    @property
    def routed(self) -> bool:
        """Whether it is reached at the container's address, not at the host's."""
        return self.host_port == 0


@dataclass(frozen=True, slots=True)
class Opening:
    """A port of a link's target, open to the linking container where others may not talk to it."""

    address: IPv4Address
    port: int
    protocol: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A running container's place on a network: its lease, its veth pair, its published ports.

    The record is written before the kernel is touched (`pending`), settled after, and marked
    `removing` before anything is taken away.  `sequence` orders endpoints by creation, and so
    the rules that Docker appends.
    """

    id: str
    network_id: str
    container_id: str
    sandbox_id: str
    sequence: int
    interface: str  # inside the sandbox: eth0, eth1, ...
    host_interface: str  # the host's end of the veth pair
    mac: str
    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    gateway4: IPv4Address | None = None
    gateway6: IPv6Address | None = None
    default_route: bool = False  # the container's way out goes by this endpoint
    default_route6: bool = False  # the same for IPv6
    gateway_priority: int = 0  # whose is highest has the way out
    link_local: tuple[Interface, ...] = ()  # further addresses that --link-local-ip names
    sysctls: Mapping[str, str] = field(default_factory=dict)  # of its interface, by their paths: net/ipv4/...
    ports: tuple[PublishedPort, ...] = ()
    names: tuple[str, ...] = ()  # what neighbours on the network may call it
    openings: tuple[Opening, ...] = ()  # what its links open
    # Nobody asked for it: it is the way out that a container on global networks needs.
    implied: bool = False
    phase: str = "pending"  # pending, settled, removing

    @property
    def addresses(self) -> list[Address]:
        """Its addresses, without their prefix lengths."""
        return [each.ip for each in (self.ipv4, self.ipv6) if each is not None]


def alias_directory(exec_root: str) -> str:
    """Where an engine keeps the aliases of its pins: below /run, since pins and aliases end with the boot.

    The default exec root is such a place itself; any other gets a directory named after it, so
    that engines side by side do not mix.
    """
    if exec_root.rstrip("/") == "/run/fairlead":
        return "/run/fairlead/netns"
    return f"/run/fairlead/{hashlib.sha256(exec_root.encode()).hexdigest()[:8]}/netns"


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A network namespace of ours: pinned as /run/netns/NAME, its alias ALIASES/ID[:12].

    `upstreams` are the name servers that were chosen for it; without any its resolver asks the
    host's.  `inside` are those of them that are its own: on its loopback.  `search` and `ndots`
    are by what its clients complete names.  `links` are (name, network id, target name) known in
    this sandbox alone.
    """

    id: str
    container_id: str
    name: str
    sysctls: Mapping[str, str] = field(default_factory=dict)
    embedded_dns: bool = False
    upstreams: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 0
    links: tuple[tuple[str, str, str], ...] = ()
    # How many interfaces of each prefix it has had: a number is not used twice, as with Docker.
    interfaces: Mapping[str, int] = field(default_factory=dict)
    phase: str = "pending"
