"""The documents of the shared store, as values and back.  Reading raises `Refused` with what is wrong."""

from ipaddress import IPv4Interface, IPv6Interface

from fairlead.model.addresses import Address
from fairlead.model.cluster import Claim, Member, RemoteEndpoint
from fairlead.model.network import Network, Pool
from fairlead.overlay.fields import LARGEST_VNI, Document, Part, Refused, document, is_name
from fairlead.overlay.keys import ClaimKey, EndpointKey, MemberKey, NetworkKey

LARGEST_NUMBER = 1 << 62


def write_member(member: Member) -> str:
    """A host."""
    return document(
        id=member.id,
        name=member.name,
        vtep=str(member.vtep),
        advertised=member.advertised,
        generation=member.generation,
    )


def read_member(key: MemberKey, text: str) -> Member:
    """The host under this key."""
    read = Document(text)
    _require(read.identity("id") == key.member_id, "it speaks of another host")
    return Member(
        id=key.member_id,
        name=read.name("name"),
        vtep=_vtep(read),
        advertised=read.text("advertised"),
        generation=read.number("generation", 1, LARGEST_NUMBER),
    )


def write_endpoint(endpoint: RemoteEndpoint) -> str:
    """An endpoint as the others need it."""
    return document(
        id=endpoint.id,
        network=endpoint.network_id,
        member=endpoint.member_id,
        generation=endpoint.generation,
        vtep=str(endpoint.vtep),
        mac=endpoint.mac,
        container=endpoint.container,
        ipv4=_optional(endpoint.ipv4),
        ipv6=_optional(endpoint.ipv6),
        names=list(endpoint.names),
    )


def read_endpoint(key: EndpointKey, text: str) -> RemoteEndpoint:
    """The endpoint under this key."""
    read = Document(text)
    _require(read.identity("id") == key.endpoint_id, "it speaks of another endpoint")
    _require(read.identity("network") == key.network_id, "it speaks of another network")
    ipv4, ipv6 = read.interface("ipv4"), read.interface("ipv6")
    _require(ipv4 is None or isinstance(ipv4, IPv4Interface), "its ipv4 is no IPv4 address")
    _require(ipv6 is None or isinstance(ipv6, IPv6Interface), "its ipv6 is no IPv6 address")
    _require(ipv4 is not None or ipv6 is not None, "it has no address")
    return RemoteEndpoint(
        id=key.endpoint_id,
        network_id=key.network_id,
        member_id=read.identity("member"),
        generation=read.number("generation", 1, LARGEST_NUMBER),
        vtep=_vtep(read),
        mac=read.mac("mac"),
        container=read.name("container"),
        ipv4=ipv4 if isinstance(ipv4, IPv4Interface) else None,
        ipv6=ipv6 if isinstance(ipv6, IPv6Interface) else None,
        names=read.names("names"),
    )


def write_claim(claim: Claim) -> str:
    """Who holds an address."""
    return document(member=claim.member_id, endpoint=claim.endpoint_id, container=claim.container)


def read_claim(key: ClaimKey, text: str) -> Claim:
    """Who holds the address of this key."""
    read = Document(text)
    container = read.text("container", "")
    _require(not container or is_name(container), f"its container {container[:64]!r} is no name")
    return Claim(key.network_id, key.address, read.identity("member"), read.identity("endpoint"), container)


def write_network(network: Network, removed_by: str = "") -> str:
    """A network; `removed_by` is the host that is about to take it away, so that nobody joins any more."""
    return document(
        id=network.id,
        name=network.name,
        created=network.created,
        vni=network.vni,
        pools=[_written_pool(pool) for pool in network.pools],
        internal=network.internal,
        attachable=network.attachable,
        enable_ipv4=network.enable_ipv4,
        enable_ipv6=network.enable_ipv6,
        options=dict(network.options),
        labels=dict(network.labels),
        ipam_driver=network.ipam_driver,
        ipam_options=None if network.ipam_options is None else dict(network.ipam_options),
        removed_by=removed_by,
    )


def read_network(key: NetworkKey, text: str) -> tuple[Network, str]:
    """The network under this key, and who is about to take it away ("": nobody)."""
    read = Document(text)
    _require(read.identity("id") == key.network_id, "it speaks of another network")
    network = Network(
        id=key.network_id,
        name=read.name("name"),
        driver="overlay",
        created=read.number("created", 0, LARGEST_NUMBER),
        sequence=0,
        scope="global",
        pools=tuple(_read_pool(part) for part in read.parts("pools")),
        internal=read.switch("internal"),
        attachable=read.switch("attachable"),
        enable_ipv4=read.switch("enable_ipv4", True),
        enable_ipv6=read.switch("enable_ipv6"),
        options=read.mapping("options") or {},
        labels=read.mapping("labels") or {},
        ipam_driver=read.text("ipam_driver"),
        ipam_options=read.mapping("ipam_options"),
        vni=read.number("vni", 1, LARGEST_VNI),
        phase="settled",
    )
    _require(bool(network.pools), "it has no subnet")
    mtu = network.options.get("com.docker.network.driver.mtu", "0") or "0"
    _require(mtu.isascii() and mtu.isdigit() and int(mtu) <= 65535, f"its MTU {mtu[:40]!r} is none")
    return network, read.text("removed_by", "")


def _written_pool(pool: Pool) -> dict[str, object]:
    return {
        "subnet": str(pool.subnet),
        "ip_range": _optional(pool.ip_range),
        "gateway": _optional(pool.gateway),
        "auxiliary": {name: str(address) for name, address in pool.auxiliary.items()},
        "gateway_requested": pool.gateway_requested,
        "subnet_requested": pool.subnet_requested,
    }


def _read_pool(part: Part) -> Pool:
    subnet = part.subnet("subnet")
    if subnet is None:
        raise Refused("one of its pools has no subnet")
    span = part.subnet("ip_range")
    gateway = part.interface("gateway")
    auxiliary = part.addresses("auxiliary")
    held: list[Address] = [*auxiliary.values(), *((gateway.ip,) if gateway is not None else ())]
    _require(all(address in subnet for address in held), f"an address of its pool {subnet} lies outside it")
    inside = span is None or (
        span.version == subnet.version
        and span.network_address in subnet
        and span.prefixlen >= subnet.prefixlen
    )
    _require(inside, f"the range of its pool {subnet} lies outside it")
    return Pool(
        subnet=subnet,
        ip_range=span,
        gateway=gateway.ip if gateway is not None else None,
        auxiliary=auxiliary,
        gateway_requested=part.switch("gateway_requested"),
        subnet_requested=part.switch("subnet_requested"),
    )


def _vtep(read: Document) -> Address:
    address = read.address("vtep")
    useless = (
        address.is_loopback
        or address.is_multicast
        or address.is_unspecified
        or address.is_link_local
        or str(address) == "255.255.255.255"
    )
    _require(not useless, f"its vtep {address} is no host's address")
    return address


def _optional(value: object) -> str | None:
    return None if value is None else str(value)


def _require(holds: bool, complaint: str) -> None:
    if not holds:
        raise Refused(complaint)
