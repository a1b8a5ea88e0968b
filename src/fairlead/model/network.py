"""A network as the engine records it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address

from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.guards import Guard, parse_guards

ALLOW = "io.fairlead.allow"
BRIDGE_NAME = "com.docker.network.bridge.name"
DEFAULT_BRIDGE = "com.docker.network.bridge.default_bridge"
ENABLE_ICC = "com.docker.network.bridge.enable_icc"
ENABLE_MASQUERADE = "com.docker.network.bridge.enable_ip_masquerade"
# The auxiliary addresses that name the containers' router, where that is not the bridge.
DEFAULT_GATEWAYS = {4: "DefaultGatewayIPv4", 6: "DefaultGatewayIPv6"}
HOST_BINDING = "com.docker.network.bridge.host_binding_ipv4"
PARENT = "parent"  # of a macvlan network: the host's link that its own are on
MACVLAN_MODE = "macvlan_mode"
HOST_SHIM = "io.fairlead.macvlan.host_shim"  # the host's own addresses on a macvlan network
HOST_IPV4 = "com.docker.network.host_ipv4"
MTU = "com.docker.network.driver.mtu"
TRUSTED_LINKS = "com.docker.network.bridge.trusted_host_interfaces"
INHIBIT_IPV4 = "com.docker.network.bridge.inhibit_ipv4"
INTERFACE_PREFIX = "com.docker.network.container_iface_prefix"
GATEWAY_MODES = {
    4: "com.docker.network.bridge.gateway_mode_ipv4",
    6: "com.docker.network.bridge.gateway_mode_ipv6",
}
TRUE_WORDS = ("1", "t", "T", "TRUE", "true", "True")  # Go's strconv.ParseBool


class GatewayMode(StrEnum):
    """How a network's containers and the world behind the bridge reach each other, for one IP version.

    NAT: under the host's address, by published ports.  UNPROTECTED: as NAT, and all their ports are
    open to whoever routes to them.  ROUTED: under their own addresses, published ports only.
    ISOLATED: not at all, not even the host does.
    """

    NAT = "nat"
    UNPROTECTED = "nat-unprotected"
    ROUTED = "routed"
    ISOLATED = "isolated"


@dataclass(frozen=True, slots=True)
class Pool:
    """One subnet of a network and how its addresses are handed out."""

    subnet: Subnet
    ip_range: Subnet | None = None
    gateway: Address | None = None  # the bridge's own address
    auxiliary: Mapping[str, Address] = field(default_factory=dict)  # reserved: never handed out
    # What the user asked for; Docker's inspect shows a gateway only when it was asked for.
    gateway_requested: bool = False
    subnet_requested: bool = False  # fixed addresses are allowed only then (Docker's rule)

    @property
    def span(self) -> Subnet:
        """Where free addresses are taken from: the range, if it is a part of the subnet, as with Docker."""
        inside = self.ip_range is not None and (
            self.ip_range.version == self.subnet.version
            and self.ip_range.network_address in self.subnet
            and self.ip_range.prefixlen >= self.subnet.prefixlen
        )
        return self.ip_range if self.ip_range is not None and inside else self.subnet

    @property
    def way_out(self) -> Address | None:
        """The router that endpoints use: the one that is named, else the bridge."""
        return self.auxiliary.get(DEFAULT_GATEWAYS[self.subnet.version]) or self.gateway


@dataclass(frozen=True, slots=True)
class Adoption:
    """A bridge that was there before its network, as it was found: it is given back when the network goes.

    `addresses` are those that it had; `route_localnet` is that kernel setting of its own.
    """

    addresses: tuple[Interface, ...] = ()
    up: bool = True
    route_localnet: str = "0"


@dataclass(frozen=True, slots=True)
class Network:
    """A network: its driver, pools, options and labels.

    `created` is in nanoseconds since the epoch; `sequence` orders networks by creation.
    """

    id: str
    name: str
    driver: str
    created: int
    sequence: int
    scope: str = "local"
    pools: tuple[Pool, ...] = ()
    internal: bool = False
    attachable: bool = False
    ingress: bool = False
    enable_ipv6: bool = False
    enable_ipv4: bool = True
    options: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ipam_driver: str = "default"
    ipam_options: Mapping[str, str] | None = None
    predefined: bool = False
    vni: int = 0  # of a global network: which packets between hosts are its own
    config_only: bool = False  # nobody is on it: other networks are made like it
    config_from: str = ""  # the name of the network that it was made like
    makes_parent: bool = False  # the VLAN link that its parent is was made, and is deleted, by the engine
    adoption: Adoption | None = None  # None: its bridge is made, and deleted, by the engine
    phase: str = "pending"  # pending: being made; settled; removing: nothing of it is desired

    @property
    def bridge_name(self) -> str:
        """The name of its bridge: the option's, else `br-` and twelve digits of its id."""
        return self.options.get(BRIDGE_NAME) or f"br-{self.id[:12]}"

    @property
    def default_bridge(self) -> bool:
        """Whether this is the predefined network `bridge`."""
        return self.options.get(DEFAULT_BRIDGE) == "true"

    @property
    def icc(self) -> bool:
        """Whether its containers may talk to each other."""
        return self._says(ENABLE_ICC, "true")

    @property
    def masquerade(self) -> bool:
        """Whether its containers' packets leave the host with the host's address."""
        return self._says(ENABLE_MASQUERADE, "true")

    @property
    def allow(self) -> frozenset[Guard]:
        """The guards that its options switch off.  Raises InvalidParameter for a name that is none."""
        return parse_guards(_words(self.options.get(ALLOW, ""), ","))

    @property
    def trusted_links(self) -> tuple[str, ...]:
        """The host's links that may reach its containers directly."""
        return _words(self.options.get(TRUSTED_LINKS, ""), ":")

    @property
    def mtu(self) -> int:
        """The MTU asked for, or 0 for the default."""
        return int(self.options.get(MTU) or 0)

    @property
    def inhibits_ipv4(self) -> bool:
        """Whether the bridge goes without an IPv4 address, since something else is the gateway."""
        return self._says(INHIBIT_IPV4, "false")

    @property
    def interface_prefix(self) -> str:
        """What its containers' interfaces are called, before the number."""
        return self.options.get(INTERFACE_PREFIX) or "eth"

    @property
    def host_binding(self) -> IPv4Address:
        """The host's address for published ports that name none.  The daemon's --ip is docker0's alone."""
        return IPv4Address(self.options.get(HOST_BINDING) or "0.0.0.0")

    def gateway_mode(self, version: int) -> GatewayMode:
        """How it is reached by an IP version."""
        return GatewayMode(self.options.get(GATEWAY_MODES[version]) or "nat")

    def _says(self, option: str, default: str) -> bool:
        return self.options.get(option, default) in TRUE_WORDS


def _words(text: str, joint: str) -> tuple[str, ...]:
    return tuple(word for word in (each.strip() for each in text.split(joint)) if word)
