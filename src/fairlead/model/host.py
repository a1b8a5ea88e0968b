"""What a host can have, as keys and values: the language of desired, observed and steps.

A `State` maps each key to its value; None means "not there".  Desired and observed states have
the same form, so that their difference is a comparison of dictionaries and a step is one changed
entry with its opposite.  `namespace` is "" for the host's own network namespace, else the name
of a pin below /run/netns.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum

from fairlead.model.addresses import Address, Interface, Subnet, mac_from_bytes

OVERLAY = "overlay-"  # begins the names of namespaces that hold the links of an overlay network


@dataclass(frozen=True, slots=True)
class NamespaceKey:
    """A pinned network namespace; value: its alias below EXEC_ROOT/netns (a str)."""

    name: str


@dataclass(frozen=True, slots=True)
class LinkKey:
    """A network interface; value: a `Link`, `Foreign` if of another kind."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Bridge:
    """A bridge, without spanning tree, with its own hardware address ("" = not compared)."""

    mac: str = ""


@dataclass(frozen=True, slots=True)
class Veth:
    """The host's end of a veth pair; the other end is `peer` in `peer_namespace`."""

    peer_namespace: str
    peer: str
    peer_mac: str


@dataclass(frozen=True, slots=True)
class Vxlan:
    """A VXLAN tunnel end (VTEP) that learns nothing and floods nothing: where to send is told by `FdbKey`.

    It may live in any namespace; its packets are sent and received in the host's, from `local`,
    on the UDP port `port`.  It answers ARP and neighbour solicitations itself (`NeighbourKey`).
    A link that is not so has port 0.  When it changes, what is set and told on it stays.
    """

    vni: int
    local: Address
    port: int


class MacvlanMode(StrEnum):
    """Who a macvlan link reaches on its parent; by the names that the kernel and Docker have."""

    BRIDGE = "bridge"  # the others, directly, and what is beyond the parent
    PRIVATE = "private"  # only what is beyond the parent, never the others
    VEPA = "vepa"  # the others by way of a switch beyond the parent that sends frames back
    PASSTHRU = "passthru"  # it is the only one, and has the parent to itself


@dataclass(frozen=True, slots=True)
class Macvlan:
    """A link with a hardware address of its own on another link, its parent, of the host's namespace.

    The parent never speaks with it: frames go out by the parent's wire or to its siblings.
    A hardware address of "" is not compared.
    """

    parent: str
    mode: MacvlanMode
    mac: str = ""


DUMMY_NAME = "dm-"  # what the name of a `Dummy` begins with
HOST_END = re.compile(r"veth[0-9a-f]{7}")  # the name of the host's end of an endpoint's veth pair
_OF_NETWORK = re.compile(r"(?:br|dm)-([0-9a-f]{12})")


def mark_for(name: str) -> str:
    """The hardware address by which a link of that name is known as made for a network; "" if none is.

    Names like these are Docker's too; a name and an address out of the same id are only ours.
    """
    found = _OF_NETWORK.fullmatch(name)
    return mac_from_bytes(bytes.fromhex(found[1][:8])) if found else ""


@dataclass(frozen=True, slots=True)
class Dummy:
    """A link that leads nowhere, as the parent of macvlan links that reach only each other.

    `kind` is what the kernel made it of: dummy, or ifb where it has no dummy links; either drops
    all that is sent.  An ifb is a `Dummy` only under a name that begins with DUMMY_NAME.
    """

    kind: str = field(default="dummy", compare=False)


@dataclass(frozen=True, slots=True)
class Vlan:
    """A link for the frames of one VLAN (IEEE 802.1Q) on another link, its parent, of the same namespace."""

    parent: str
    number: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """A link of some other kind under that name: never ours to change."""

    kind: str


Link = Bridge | Veth | Vxlan | Macvlan | Dummy | Vlan | Foreign


class LinkSetting(StrEnum):
    """What can be set on a link; values are str: numbers in decimal, "on"/"off" for switches."""

    MTU = "mtu"
    MASTER = "master"  # the bridge's name, "" for none
    UP = "up"
    HAIRPIN = "hairpin"  # bridge port: frames may leave by the port they came in
    ISOLATED = "isolated"  # bridge port: no frames to other isolated ports
    LEARNING = "learning"  # bridge port: senders of frames are remembered as being there
    MAC = "mac"
    KEEPS_MAC = "keeps-mac"  # bridge: its hardware address stays, whatever its ports have


@dataclass(frozen=True, slots=True)
class LinkSettingKey:
    """One setting of one link; value: str."""

    namespace: str
    link: str
    setting: LinkSetting


@dataclass(frozen=True, slots=True)
class AddressKey:
    """An address on a link, with its prefix length; value: True.  IPv6 without DAD."""

    namespace: str
    link: str
    address: Interface


@dataclass(frozen=True, slots=True)
class RouteKey:
    """A route in a namespace's main table by destination; value: `Route`."""

    namespace: str
    destination: Subnet


@dataclass(frozen=True, slots=True)
class Route:
    """Where a destination is reached: by a gateway, a link, or both."""

    gateway: Address | None
    link: str


@dataclass(frozen=True, slots=True)
class FdbKey:
    """Behind which host a hardware address is, for a VXLAN link on a bridge; value: that host's VTEP (a str).

    The link and its bridge both know it; "" stands for an entry that only one of them has.
    """

    namespace: str
    link: str
    mac: str


@dataclass(frozen=True, slots=True)
class NeighbourKey:
    """Which hardware address has an address, told to a link for good; value: the hardware address (a str).

    What is on its bridge is told once as well, since it may remember another one.
    """

    namespace: str
    link: str
    address: Address


@dataclass(frozen=True, slots=True)
class SysctlKey:
    """A kernel setting by its slash-free dotted name parts (`("net", "ipv4", ...)`); value: str.

    Parts, since an interface name may hold a dot.  None as desired value: leave it as it is.
    """

    namespace: str
    path: tuple[str, ...]


class Family(StrEnum):
    """The two address families that have rule sets of their own."""

    IPV4 = "ipv4"
    IPV6 = "ipv6"


class Placement(Enum):
    """Where in its chain a rule goes when it is missing."""

    END = "end"  # appended, as Docker does with what containers publish
    TOP = "top"  # inserted first, in the fragment's order: as Docker does with networks
    HEAD = "head"  # before everything else, always, in table order: DOCKER-USER and isolation jumps
    AFTER_HEAD = "after-head"  # directly behind the rules placed HEAD
    BEFORE_RETURN = "before-return"  # before the chain's closing RETURN


@dataclass(frozen=True, slots=True)
class ChainKey:
    """An iptables chain of ours; value: True."""

    family: Family
    table: str
    chain: str


@dataclass(frozen=True, slots=True)
class PolicyKey:
    """The policy of a built-in chain; value: ACCEPT or DROP.  None as desired: leave it."""

    family: Family
    table: str
    chain: str


@dataclass(frozen=True, slots=True)
class RuleKey:
    """An iptables rule by its text as iptables-save prints it, without `-A CHAIN`; value: Placement."""

    family: Family
    table: str
    chain: str
    text: str


@dataclass(frozen=True, slots=True)
class NftKey:
    """An element of our own nftables table; value: its content as text.

    `name` is one of the maps and sets that `firewall.nft_text` declares.
    """

    name: str
    element: str


@dataclass(frozen=True, slots=True)
class HeldPortKey:
    """A run of host ports bound by the port holder, so that nobody else takes them; value: `Target`.

    Holds `count` ports from `port` on; the value's port is the first's target.
    """

    protocol: str
    address: Address
    port: int
    count: int = 1


@dataclass(frozen=True, slots=True)
class Target:
    """Where a held port leads; `owner` is the endpoint's id, `label` the container's name."""

    address: Address
    port: int
    owner: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class ResolverKey:
    """An embedded resolver in a sandbox, on 127.0.0.11:53 UDP and TCP; value: `Resolver`."""

    namespace: str


@dataclass(frozen=True, slots=True)
class Resolver:
    """What a sandbox's resolver knows: its networks in order, its links, its upstreams.

    `networks` are ids, `network_names` what containers call them (`web.NETWORK`), in the same
    order.  `internal`: nothing is asked outside.  `links` are (name, network id, target name).
    `inside` are those of the upstreams that are asked from the sandbox, all others from the host.
    Nobody outside is asked for names below `closed` networks, or for addresses in `subnets`.
    With `ndots` above 0 its clients try names with few dots below `search` first.
    """

    networks: tuple[str, ...]
    upstreams: tuple[str, ...]
    search: tuple[str, ...] = ()
    links: tuple[tuple[str, str, str], ...] = ()
    internal: bool = False
    network_names: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    subnets: tuple[Subnet, ...] = ()
    ndots: int = 0


@dataclass(frozen=True, slots=True)
class NameKey:
    """A name on a network with one address; value: the endpoint's id."""

    network_id: str
    name: str
    address: Address


@dataclass(frozen=True, slots=True)
class PointerKey:
    """What a reverse look-up of an address on a network finds; value: the name (a str)."""

    network_id: str
    address: Address


@dataclass(frozen=True, slots=True)
class AddressFlowsKey:
    """Tracked flows that come from an address or (`led`) were redirected to it, and are translated.

    Value: True where there are some.  As desired value True allows them, None ends them.
    """

    address: Address
    led: bool


@dataclass(frozen=True, slots=True)
class PortFlowsKey:
    """The tracked flows to a published run of ports; value: True while all of them lead to its target.

    `target` and `target_port` are where the first port leads.  None as desired: leave them alone.
    """

    protocol: str
    address: Address
    port: int
    count: int
    target: Address
    target_port: int


Key = (
    NamespaceKey
    | LinkKey
    | LinkSettingKey
    | AddressKey
    | RouteKey
    | FdbKey
    | NeighbourKey
    | SysctlKey
    | ChainKey
    | PolicyKey
    | RuleKey
    | NftKey
    | HeldPortKey
    | ResolverKey
    | NameKey
    | PointerKey
    | AddressFlowsKey
    | PortFlowsKey
)
Value = str | bool | Link | Route | Placement | Target | Resolver
State = Mapping[Key, Value | None]


@dataclass(frozen=True, slots=True)
class Step:
    """One change of one entry, which knows its opposite: None stands for "not there"."""

    key: Key
    before: Value | None
    after: Value | None

    def inverse(self) -> "Step":
        """The step that leads back."""
        return Step(self.key, self.after, self.before)
