"""Which subnet a network gets when it does not name one: the next that nothing overlaps."""

import hashlib
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network

from fairlead.model.addresses import Subnet
from fairlead.model.config import AddressPool
from fairlead.model.errors import Conflict

# Docker's own blocks first and in its order (libnetwork `ipamutils`), so that the same networks
# get the same subnets; then smaller ones to spare, since 31 networks are soon used up.
SPARE = AddressPool(ip_network("10.128.0.0/9"), 24)
BUILT_IN = (
    *(AddressPool(ip_network(f"172.{second}.0.0/16"), 16) for second in range(17, 32)),
    AddressPool(ip_network("192.168.0.0/16"), 20),
    SPARE,
)


def unique_local(identity: str) -> AddressPool:
    """Where IPv6 subnets come from when nobody says: an engine's own /48 of fd00::/8, in pieces of 64.

    Derived from the engine's identity, so that it stays and hosts do not share it (RFC 4193).
    """
    chance = hashlib.sha256(identity.encode()).digest()[:5]
    return AddressPool(IPv6Network((b"\xfd" + chance + bytes(10), 48)), 64)


def pools_in_force(configured: Sequence[AddressPool], identity: str) -> tuple[AddressPool, ...]:
    """The configured pools, with the usual ones for an IP version that they leave out."""
    versions = {pool.base.version for pool in configured}
    usual4 = () if 4 in versions else BUILT_IN
    usual6 = () if 6 in versions else (unique_local(identity),)
    return (*configured, *usual4, *usual6)


def overlaps(one: Subnet, other: Subnet) -> bool:
    """Whether two subnets share an address; never across IP versions."""
    return one.version == other.version and one.overlaps(other)


def relevant_routes(routes: Iterable[Subnet]) -> list[Subnet]:
    """The routes that a new subnet must not overlap: all but default routes and halves of one.

    A VPN that takes all traffic by 0.0.0.0/1 and 128.0.0.0/1 would otherwise leave nothing free.
    """
    return [route for route in routes if route.prefixlen > 1]


def choose(
    pools: Sequence[AddressPool], version: int, used: Iterable[Subnet], last: Subnet | None = None
) -> Subnet:
    """The first subnet of that IP version behind `last` which overlaps none in `used`; then from the start.

    What is to spare comes last of all.  Raises Conflict with Docker's words when the pools are exhausted.
    """
    spans = sorted({_span(each) for each in used if each.version == version})
    in_turn = [pool for pool in pools if pool.base.version == version and pool != SPARE]
    spare = [pool for pool in pools if pool.base.version == version and pool == SPARE]
    for pool, begin in (*_behind(in_turn, last), *((pool, 0) for pool in (*in_turn, *spare))):
        free = _first_free(pool, spans, begin)
        if free is not None:
            return free
    raise Conflict(
        f"could not find an available, non-overlapping IPv{version} address pool among the defaults "
        "to assign to the network"
    )


def _behind(pools: Sequence[AddressPool], last: Subnet | None) -> list[tuple[AddressPool, int]]:
    """What comes behind a subnet of a pool: each pool with where to begin in it."""
    for number, pool in enumerate(pools):
        if last is not None and last.prefixlen == pool.size and overlaps(last, pool.base):
            return [(pool, _span(last)[1] + 1), *((other, 0) for other in pools[number + 1 :])]
    return []


def _span(subnet: Subnet) -> tuple[int, int]:
    first = int(subnet.network_address)
    return first, first + (1 << subnet.max_prefixlen - subnet.prefixlen) - 1


def _first_free(pool: AddressPool, spans: Sequence[tuple[int, int]], begin: int) -> Subnet | None:
    """The lowest subnet of the pool from `begin` on that touches none of the spans, which are in order."""
    base = pool.base
    size = 1 << (base.max_prefixlen - pool.size)
    candidate = max(int(base.network_address), begin)
    for low, high in spans:
        if low >= candidate + size:
            break
        if high >= candidate:
            candidate = (high // size + 1) * size
    if candidate + size - 1 > int(base.broadcast_address):
        return None
    kind = IPv4Network if base.version == 4 else IPv6Network
    return kind((candidate, pool.size))
