"""The hosts of a cluster, and what each has on the networks that they share."""

from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv6Interface

from fairlead.model.addresses import Address


@dataclass(frozen=True, slots=True)
class Member:
    """A host of the cluster, alive as long as its lease is.

    `id` is its engine's id and stays; `generation` grows with each time that it joins, so that what
    it said in an earlier life can be told from what it says now.  `vtep` is where the others send
    its VXLAN packets, `advertised` what --cluster-advertise names: ADDRESS:PORT.
    """

    id: str
    name: str
    vtep: Address
    advertised: str
    generation: int


@dataclass(frozen=True, slots=True)
class RemoteEndpoint:
    """A running container's place on a global network, as its host tells the others.

    It vanishes with its host's lease.  Its own host keeps an `Endpoint` for it.
    """

    id: str
    network_id: str
    member_id: str
    generation: int  # the member's, when it said so
    vtep: Address
    mac: str
    container: str  # the container's name
    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Claim:
    """An address of a global network that an endpoint holds.

    It stays when its host's lease ends: only a transaction that sees the host gone takes it away,
    and a host that comes back yields what is no longer its own.
    """

    network_id: str
    address: Address
    member_id: str
    endpoint_id: str
    container: str = ""  # its name; hosts of earlier releases do not say it
