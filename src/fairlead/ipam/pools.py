"""Which subnet a network gets when it does not name one: the first that nothing overlaps."""

from collections.abc import Iterable, Iterator, Sequence
from ipaddress import ip_network

from fairlead.model.addresses import Subnet
from fairlead.model.config import AddressPool
from fairlead.model.errors import Conflict

# Docker's own blocks first and in its order (libnetwork `ipamutils`), so that the same networks
# get the same subnets; then smaller ones, since 31 networks are soon used up.
BUILT_IN = (
    *(AddressPool(ip_network(f"172.{second}.0.0/16"), 16) for second in range(17, 32)),
    AddressPool(ip_network("192.168.0.0/16"), 20),
    AddressPool(ip_network("10.128.0.0/9"), 24),
)


def overlaps(one: Subnet, other: Subnet) -> bool:
    """Whether two subnets share an address; never across IP versions."""
    return one.version == other.version and one.overlaps(other)


def relevant_routes(routes: Iterable[Subnet]) -> list[Subnet]:
    """The routes that a new subnet must not overlap: all but default routes and halves of one.

    A VPN that takes all traffic by 0.0.0.0/1 and 128.0.0.0/1 would otherwise leave nothing free.
    """
    return [route for route in routes if route.prefixlen > 1]


def candidates(pools: Sequence[AddressPool]) -> Iterator[Subnet]:
    """Every subnet that the pools can give, in order."""
    for pool in pools:
        if pool.size == pool.base.prefixlen:
            yield pool.base
        else:
            yield from pool.base.subnets(new_prefix=pool.size)


def choose(pools: Sequence[AddressPool], version: int, used: Iterable[Subnet]) -> Subnet:
    """The first subnet of that IP version which overlaps none in `used`.

    Raises Conflict with Docker's words when the pools are exhausted.
    """
    occupied = [each for each in used if each.version == version]
    for subnet in candidates([pool for pool in pools if pool.base.version == version]):
        if not any(overlaps(subnet, each) for each in occupied):
            return subnet
    raise Conflict(
        f"could not find an available, non-overlapping IPv{version} address pool among the defaults "
        "to assign to the network"
    )
