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
