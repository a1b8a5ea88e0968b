"""What a global network and its endpoints get: a VNI, a subnet, addresses; decided from values and chance."""

from collections.abc import Container as Holding
from ipaddress import ip_network

from fairlead.model.addresses import Address
from fairlead.model.config import AddressPool
from fairlead.model.errors import Conflict
from fairlead.model.network import Pool
from fairlead.overlay.fields import LARGEST_VNI
from fairlead.overlay.trust import kept_back

# Source: libnetwork `ipamutils`, the pools of the global address space.
GLOBAL_POOLS = (AddressPool(ip_network("10.0.0.0/8"), 24),)
SMALLEST_VNI = 4096  # below are those that people number by hand


def choose_vni(taken: Holding[int], chance: bytes) -> int:
    """A VNI that nobody has, beginning at a place of chance: hosts that choose at once rarely meet."""
    span = LARGEST_VNI - SMALLEST_VNI + 1
    start = int.from_bytes(chance, "big") % span
    for offset in range(span):
        number = SMALLEST_VNI + (start + offset) % span
        if number not in taken:
            return number
    raise Conflict("cannot choose a VNI: all are in use")


def free_address(pool: Pool, taken: Holding[int], chance: bytes = b"") -> Address | None:
    """The lowest free address of a pool; with `chance` the first free one from a place of chance on.

    That is for when others choose at the same time and are faster at the lowest.  None: all are taken.
    """
    span = pool.span
    kept = {int(address) for address in kept_back(pool)}
    first, count = int(span.network_address), span.num_addresses
    start = int.from_bytes(chance, "big") % count
    for offset in range(count):
        number = first + (start + offset) % count
        if number not in kept and number not in taken:
            return span.network_address + (number - first)
    return None
