"""Published ports as rules: in Docker's text what Docker does, in our own maps what its proxy did."""

from collections.abc import Collection, Iterator
from ipaddress import IPv4Address

from fairlead.firewall import nft_text
from fairlead.firewall.policy import Rules, bridge_link, rule
from fairlead.model.addresses import Address
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.host import Family
from fairlead.model.network import Network

# Docker writes three rules for every port.  A run longer than this gets three rules as a whole:
# a chain is searched from its top for each new connection.
LONGEST_SPELT_OUT = 16

PROTOCOLS = ("tcp", "udp", "sctp")


def publish_rules(
    network: Network,
    endpoint: Endpoint,
    families: Collection[Family] = (Family.IPV4,),
    userland_proxy: bool = True,
) -> Rules:
    """The iptables rules of an endpoint's published ports, in Docker's order (the highest first) and text.

    A host address leads only to the endpoint's address of the same family.  An internal network
    publishes nothing.
    """
    link = bridge_link(network)
    state: Rules = {}
    parts = [(part, inside) for port, inside in _reachable(network, endpoint) for part in _parts(port)]
    for part, inside in sorted(parts, key=lambda each: (-each[0].container_port, each[0].protocol)):
        family = Family.IPV4 if inside.version == 4 else Family.IPV6
        if family in families:
            state |= _part_rules(family, link, part, inside, userland_proxy)
    return state


def publish_elements(network: Network, endpoint: Endpoint, forwarding: bool = True) -> Rules:
    """The elements of our own maps: ways to the published IPv4 ports that Docker leaves to its proxy.

    From the host's own processes by 127.0.0.0/8, and from the containers of the same network by an
    address of the host.  The latter only where containers may talk to each other (elsewhere the
    rule against it would drop the redirected packets) and where the engine sees to `forwarding`
    (a host that does not forward leads no packet back to the bridge it came from).
    """
    link = bridge_link(network)
    state: Rules = {}
    for port, inside in _reachable(network, endpoint):
        if port.routed or not isinstance(inside, IPv4Address):
            continue
        if port.host_address.is_unspecified or port.host_address.is_loopback:
            state |= nft_text.redirection("lo", port, inside)
        if forwarding and network.icc and not port.host_address.is_loopback:
            state |= nft_text.redirection(link, port, inside)
    return state


def _reachable(network: Network, endpoint: Endpoint) -> Iterator[tuple[PublishedPort, Address]]:
    if network.internal:
        return
    for port in endpoint.ports:
        interface = endpoint.ipv4 if port.host_address.version == 4 else endpoint.ipv6
        if interface is not None and port.protocol in PROTOCOLS:
            yield port, interface.ip


def _parts(port: PublishedPort) -> Iterator[PublishedPort]:
    """The run itself when it is long, else its ports one by one."""
    if port.count > LONGEST_SPELT_OUT:
        yield port
        return
    for offset in range(port.count):
        outer = 0 if port.routed else port.host_port + offset
        yield PublishedPort(port.protocol, port.host_address, outer, port.container_port + offset)


def _part_rules(
    family: Family, link: str, port: PublishedPort, inside: Address, userland_proxy: bool
) -> Rules:
    protocol = f"-p {port.protocol} -m {port.protocol}"
    address = f"{inside}/{inside.max_prefixlen}"
    outer = nft_text.span(port.host_port, port.count, ":")
    inner = nft_text.span(port.container_port, port.count, ":")
    bound = "" if port.host_address.is_unspecified else f"-d {port.host_address}/{inside.max_prefixlen} "
    elsewhere = f"! -i {link} " if userland_proxy else ""
    redirect = f"{bound}{elsewhere}{protocol} --dport {outer} -j DNAT --to-destination"
    admit = f"-d {address} ! -i {link} -o {link} {protocol} --dport {inner} -j ACCEPT"
    to_itself = f"-s {address} -d {address} {protocol} --dport {inner} -j MASQUERADE"
    if port.routed:
        return rule(family, "filter", "DOCKER", admit)
    return {
        **rule(family, "nat", "DOCKER", f"{redirect} {_destination(port, inside)}"),
        **rule(family, "filter", "DOCKER", admit),
        **rule(family, "nat", "POSTROUTING", to_itself),
    }


def _destination(port: PublishedPort, inside: Address) -> str:
    """What DNAT is told: one port; for a run a base, from which the offset is counted, or no port at all."""
    host = f"[{inside}]" if inside.version == 6 else str(inside)
    if port.count == 1:
        return f"{host}:{port.container_port}"
    if port.host_port == port.container_port:
        return str(inside)
    return f"{host}:{nft_text.span(port.container_port, port.count, '-')}/{port.host_port}"
