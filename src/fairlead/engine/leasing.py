"""The addresses of an endpoint: those asked for, else free ones that no stopped container has asked for."""

from collections.abc import Set
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

from fairlead.ipam.leases import lease
from fairlead.model.addresses import Address
from fairlead.model.endpoint import Attachment
from fairlead.model.errors import Conflict
from fairlead.model.network import Network, Pool


@dataclass(frozen=True, slots=True)
class Leases:
    """An endpoint's addresses and gateways."""

    ipv4: IPv4Interface | None = None
    ipv6: IPv6Interface | None = None
    gateway4: IPv4Address | None = None
    gateway6: IPv6Address | None = None


def leases(
    network: Network, attachment: Attachment, taken: Set[Address], promised: Set[Address], routed: bool
) -> Leases:
    """Addresses of each IP version that the network has; `promised` ones only where nothing else is left.

    `routed`: it has gateways.  Raises Conflict or InvalidParameter in Docker's words.
    """
    found = Leases()
    if network.enable_ipv4 and any(pool.subnet.version == 4 for pool in network.pools):
        address, pool = _lease(network, 4, taken, promised, attachment.ipv4)
        way = pool.way_out if routed else None
        found = Leases(
            IPv4Interface(f"{address}/{pool.subnet.prefixlen}"),
            gateway4=way if isinstance(way, IPv4Address) else None,
        )
    if network.enable_ipv6 and any(pool.subnet.version == 6 for pool in network.pools):
        address, pool = _lease(network, 6, taken, promised, attachment.ipv6)
        way = pool.way_out if routed else None
        found = Leases(
            found.ipv4,
            IPv6Interface(f"{address}/{pool.subnet.prefixlen}"),
            found.gateway4,
            way if isinstance(way, IPv6Address) else None,
        )
    return found


def placed_ipv6(
    network: Network, leased: IPv6Interface | None, mac: str, taken: Set[Address]
) -> IPv6Interface | None:
    """The IPv6 address that an endpoint gets: on docker0 the one that follows from its MAC, if it is free.

    Source: libnetwork's bridge driver, for subnets that leave 48 bits to the host.
    """
    if leased is None or not network.default_bridge or leased.network.prefixlen > 80:
        return leased
    address = leased.network.network_address + int(mac.replace(":", ""), 16)
    return leased if address in taken else IPv6Interface((address, leased.network.prefixlen))


def _lease(
    network: Network, version: int, taken: Set[Address], promised: Set[Address], wanted: Address | None
) -> tuple[Address, Pool]:
    address = _address(network, version, taken, promised, wanted)
    return address, next(pool for pool in network.pools if address in pool.subnet)


def _address(
    network: Network, version: int, taken: Set[Address], promised: Set[Address], wanted: Address | None
) -> Address:
    if wanted is not None or not promised:
        return lease(network, version, taken, wanted)
    try:
        return lease(network, version, {*promised, *taken})
    except Conflict:
        return lease(network, version, taken)
