"""What a packet's path depends on, as a value: the host, its rules, and the containers."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.firewall.ruleset import Ruleset
from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.host import NftKey


@dataclass(frozen=True, slots=True)
class LinkFacts:
    """A link of one namespace; `number` and `peer` are of the kernel's counting, `master` its bridge."""

    up: bool
    addresses: tuple[Interface, ...] = ()
    number: int = 0
    peer: int = 0
    master: str = ""
    isolated: bool = False  # a port that exchanges no frames with others of the kind


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """A route: to a destination by a link, and by a gateway if there is one."""

    destination: Subnet
    link: str
    gateway: Address | None = None


@dataclass(frozen=True, slots=True)
class Listening:
    """A port that somebody has bound, on one address or (unspecified) on all."""

    protocol: str
    address: Address
    port: int

    def hears(self, protocol: str, address: Address, port: int) -> bool:
        """Whether what is sent there arrives at it; a socket of IPv6 mostly hears IPv4 too."""
        return (self.protocol, self.port) == (protocol, port) and (
            self.address == address
            or (self.address.is_unspecified and self.address.version >= address.version)
        )


@dataclass(frozen=True, slots=True)
class Inside:
    """What a network namespace has."""

    links: Mapping[str, LinkFacts] = field(default_factory=dict)
    routes: tuple[RouteFacts, ...] = ()
    listening: tuple[Listening, ...] = ()

    def route(self, address: Address) -> RouteFacts | None:
        """The route to an address, None if there is none."""
        fitting = [
            each
            for each in self.routes
            if each.destination.version == address.version and address in each.destination
        ]
        return max(fitting, key=lambda each: each.destination.prefixlen, default=None)

    def holds(self, address: Address) -> bool:
        """Whether the address is its own."""
        return address.is_loopback or any(
            interface.ip == address for link in self.links.values() for interface in link.addresses
        )

    def hears(self, protocol: str, address: Address, port: int) -> bool:
        """Whether somebody listens there."""
        return any(each.hears(protocol, address, port) for each in self.listening)


@dataclass(frozen=True, slots=True)
class Publication:
    """A port of the host that leads into a container."""

    protocol: str
    address: Address
    port: int
    inner: int


@dataclass(frozen=True, slots=True)
class Membership:
    """A container's place on a network; `bridge` is "" where the host has none for it."""

    network: str
    bridge: str
    addresses: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Party:
    """A container; `inside` is None while it does not run, or when it has the host's namespace."""

    name: str
    running: bool
    memberships: tuple[Membership, ...] = ()
    published: tuple[Publication, ...] = ()
    inside: Inside | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """One look at everything.  `rules` by IP version; `bridged`: bridged packets pass iptables."""

    host: Inside
    rules: Mapping[int, Ruleset]
    elements: Mapping[NftKey, str] = field(default_factory=dict)
    parties: tuple[Party, ...] = ()
    bridged: bool = True

    def party_at(self, address: Address) -> Party | None:
        """The running container that has an address."""
        for party in self.parties:
            if any(address in each.addresses for each in party.memberships):
                return party
        return None
