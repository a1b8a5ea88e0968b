"""What a host believes of the others: a value is sound by itself, and it fits what else is known."""

from collections.abc import Iterable
from ipaddress import ip_network

from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.cluster import Claim, Member, RemoteEndpoint
from fairlead.model.network import Network, Pool
from fairlead.overlay.fields import Refused

SHORTEST_PREFIX = {4: 8, 6: 32}
NEVER = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "224.0.0.0/3",
        "::/16",
        "fe80::/10",
        "ff00::/8",
    )
)


def require_member(member: Member, own_id: str, own_vtep: Address | None) -> None:
    """A host may not say that its tunnel ends here."""
    if member.id != own_id and own_vtep is not None and member.vtep == own_vtep:
        raise Refused(f"its vtep {member.vtep} is this host's own")


def require_subnets(subnets: Iterable[Subnet], hosts: Iterable[Address]) -> None:
    """The subnets of a network: small enough, of addresses that containers can have, without any host's."""
    known = list(hosts)
    before: list[Subnet] = []
    for subnet in subnets:
        if subnet.prefixlen < SHORTEST_PREFIX[subnet.version]:
            raise Refused(f"its subnet {subnet} is too large")
        if any(_overlap(subnet, each) for each in NEVER):
            raise Refused(f"its subnet {subnet} has addresses that no container can have")
        covered = next((address for address in known if address in subnet), None)
        if covered is not None:
            raise Refused(f"its subnet {subnet} holds {covered}, the address of a host")
        if any(_overlap(subnet, each) for each in before):
            raise Refused(f"its subnet {subnet} overlaps another of its own")
        before.append(subnet)


def require_endpoint(
    endpoint: RemoteEndpoint, network: Network, member: Member, claims: Iterable[Claim | None]
) -> None:
    """An endpoint is its member's, on its network, at addresses that it has claimed."""
    if endpoint.vtep != member.vtep:
        raise Refused(f"its vtep {endpoint.vtep} is not that of its host {member.name} ({member.vtep})")
    for interface in places(endpoint):
        _require_place(interface, network)
    holders = {(claim.member_id, claim.endpoint_id) if claim is not None else None for claim in claims}
    if holders != {(endpoint.member_id, endpoint.id)}:
        raise Refused("it has not claimed its address")


def places(endpoint: RemoteEndpoint) -> list[Interface]:
    """The addresses of an endpoint."""
    return [each for each in (endpoint.ipv4, endpoint.ipv6) if each is not None]


def _require_place(interface: Interface, network: Network) -> None:
    pool = next((each for each in network.pools if interface.ip in each.subnet), None)
    if pool is None:
        raise Refused(f"its address {interface.ip} is in no subnet of network {network.name}")
    if interface.network != pool.subnet or interface.ip in kept_back(pool):
        raise Refused(f"its address {interface} is none that network {network.name} gives")


def kept_back(pool: Pool) -> set[Address]:
    """The addresses of a pool that no endpoint has."""
    ends: set[Address] = {pool.subnet.network_address}
    if pool.subnet.version == 4:
        ends.add(pool.subnet.broadcast_address)
    if pool.gateway is not None:
        ends.add(pool.gateway)
    return ends | set(pool.auxiliary.values())


def _overlap(one: Subnet, other: Subnet) -> bool:
    return one.version == other.version and one.overlaps(other)
