"""The guards of networks and endpoints as elements of our own tables: who is guarded, and what is its own.

A guard that is switched off leaves its elements with None, so that they go where they are.
"""

from collections.abc import Collection, Iterable

from fairlead.firewall.nft_text import span
from fairlead.firewall.policy import bridge_link
from fairlead.model.addresses import Address, link_local_from_mac
from fairlead.model.config import Settings
from fairlead.model.endpoint import Endpoint, PublishedPort
from fairlead.model.guards import EVERY_GUARD, Guard
from fairlead.model.host import Family, Key, NftKey, Value
from fairlead.model.network import GatewayMode, Network

Elements = dict[Key, Value | None]


def allowed(network: Network, settings: Settings) -> frozenset[Guard]:
    """The guards that are switched off: all of them where the engine writes no rules."""
    return settings.allow | network.allow if settings.iptables else EVERY_GUARD


def _present(condition: bool) -> str | None:
    return "" if condition else None


def network_guards(network: Network, families: Collection[Family], settings: Settings) -> Elements:
    """What a bridge network adds: its bridge among ours, no way in from elsewhere, but from trusted links."""
    if not settings.iptables:
        return {}
    link = bridge_link(network)
    # Behind a bridge of somebody else there are others too, whom the host may route to.
    everywhere = Guard.DIRECT_ROUTING not in allowed(network, settings) and network.adoption is None
    state: Elements = {NftKey("bridges", f'"{link}"'): ""}
    for family in families:
        mode = network.gateway_mode(4 if family is Family.IPV4 else 6)
        place = f'"{link}" . {family}'
        state[NftKey("guarded", place)] = _present(everywhere and mode is not GatewayMode.UNPROTECTED)
        if mode is GatewayMode.ROUTED:
            state[NftKey("routed", place)] = ""
    state |= {NftKey("trusted", f'"{each}" . "{link}"'): "" for each in network.trusted_links}
    return state


def endpoint_guards(network: Network, endpoint: Endpoint, settings: Settings) -> Elements:
    """What an endpoint adds: its bridge port, and the addresses that are its own."""
    if not settings.iptables:
        return {}
    off, port = allowed(network, settings), f'"{endpoint.host_interface}"'
    checked = _present(Guard.SPOOFING not in off)
    state: Elements = {
        NftKey("no_routers", port): _present(Guard.ROUTER_ADVERTISEMENTS not in off),
        NftKey("endpoints", port): checked,
        NftKey("hardware_addresses", f"{port} . {endpoint.mac}"): checked,
    }
    own = {*_addresses(endpoint), link_local_from_mac(endpoint.mac)}
    return state | dict.fromkeys(_own(endpoint, own), checked)


def shared_addresses(places: Collection[tuple[Network, Endpoint]], settings: Settings) -> Elements:
    """What a container with several endpoints adds: all their addresses are its own at each."""
    if not settings.iptables:
        return {}
    state: Elements = {}
    for network, endpoint in places:
        if network.driver != "bridge":
            continue
        others = {address for _, other in places if other is not endpoint for address in _addresses(other)}
        checked = _present(Guard.SPOOFING not in allowed(network, settings))
        state |= dict.fromkeys(_own(endpoint, others), checked)
    return state


def bound_ports(
    network: Network, endpoint: Endpoint, families: Collection[Family], settings: Settings
) -> Elements:
    """The ports that are published on one address of the host, to be reached by its link alone; and
    those that are reached at the container's own.
    """
    closed = _present(Guard.WEAK_HOST not in allowed(network, settings))
    state: Elements = {}
    for port in endpoint.ports:
        if port.routed:
            state |= _opened(endpoint, port, families)
            continue
        address = port.host_address
        family, shelf = (
            (Family.IPV4, "bound_ports") if address.version == 4 else (Family.IPV6, "bound_ports6")
        )
        if family in families and not address.is_unspecified and not address.is_loopback:
            ports = span(port.host_port, port.count, "-")
            state[NftKey(shelf, f"{address} . {port.protocol} . {ports}")] = closed
    return state


def tunnel_guards(vteps: Iterable[Address], settings: Settings) -> Elements:
    """What a cluster adds: packets of overlay networks come from these hosts, and never from a container."""
    if not settings.iptables:
        return {}
    state: Elements = {NftKey("overlay_ports", str(settings.overlay_port)): ""}
    return state | {NftKey("vteps" if each.version == 4 else "vteps6", str(each)): "" for each in vteps}


def _opened(endpoint: Endpoint, port: PublishedPort, families: Collection[Family]) -> Elements:
    """Ports that are reached at the container's own address, from wherever packets are routed to it."""
    own, family, shelf = (
        (endpoint.ipv4, Family.IPV4, "opened_ports")
        if port.host_address.version == 4
        else (endpoint.ipv6, Family.IPV6, "opened_ports6")
    )
    if own is None or family not in families:
        return {}
    ports = span(port.container_port, port.count, "-")
    return {NftKey(shelf, f"{own.ip} . {port.protocol} . {ports}"): ""}


def _addresses(endpoint: Endpoint) -> list[Address]:
    own = (endpoint.ipv4, endpoint.ipv6, *endpoint.link_local)
    return [each.ip for each in own if each is not None]


def _own(endpoint: Endpoint, addresses: Iterable[Address]) -> list[NftKey]:
    port = f'"{endpoint.host_interface}"'
    return [
        NftKey("ipv4_addresses", f"{port} . {address}")
        if address.version == 4
        else NftKey("ipv6_addresses", f"{port} . {int(address):#x}")
        for address in sorted(addresses, key=lambda each: (each.version, int(each)))
    ]
