"""Which address an endpoint gets: the lowest free one of its pool."""

from collections.abc import Collection
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from fairlead.model.addresses import Address
from fairlead.model.errors import Conflict, InvalidParameter
from fairlead.model.network import Network, Pool


def reserved(pool: Pool) -> set[Address]:
    """The addresses of a pool that no endpoint may have: network, broadcast, gateway, auxiliary ones.

    Source: libnetwork's default IPAM keeps the first and last address of an IPv4 subnet back.
    """
    kept: set[Address] = {pool.subnet.network_address, *pool.auxiliary.values()}
    if isinstance(pool.subnet, IPv4Network):
        kept.add(pool.subnet.broadcast_address)
    if pool.gateway is not None:
        kept.add(pool.gateway)
    return kept


def lowest_free(pool: Pool, taken: Collection[Address]) -> Address | None:
    """The lowest address of the pool (of its range, if it has one) that nobody holds; None if full."""
    span = pool.span
    # Numbers are compared many times faster than addresses.
    held = {int(address) for address in (*taken, *reserved(pool)) if address.version == span.version}
    for number in range(int(span.network_address), int(span.broadcast_address) + 1):
        if number not in held:
            return IPv4Address(number) if span.version == 4 else IPv6Address(number)
    return None


def lease(
    network: Network, version: int, taken: Collection[Address], wanted: Address | None = None
) -> Address:
    """An address on the network: the wanted one, or the lowest free of its pools of that IP version.

    Raises InvalidParameter when the wanted address is in no subnet of the network, Conflict when
    it is held or nothing is free; texts as libnetwork words them.
    """
    pools = [pool for pool in network.pools if pool.subnet.version == version]
    if wanted is not None:
        return _wanted(pools, taken, wanted)
    for pool in pools:
        free = lowest_free(pool, taken)
        if free is not None:
            return free
    raise Conflict(
        f"no available IPv{version} addresses on this network's address pools: {network.name} ({network.id})"
    )


def _wanted(pools: list[Pool], taken: Collection[Address], wanted: Address) -> Address:
    pool = next((each for each in pools if wanted in each.subnet), None)
    if pool is None:
        raise InvalidParameter(
            f"Invalid address {wanted}: It does not belong to any of this network's subnets"
        )
    if wanted in reserved(pool) or wanted in taken:
        raise Conflict("Address already in use")
    return wanted
