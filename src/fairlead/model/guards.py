"""What is closed by default although Docker leaves it open, by the names with which it is opened again."""

from collections.abc import Iterable
from enum import StrEnum

from fairlead.model.errors import InvalidParameter


class Guard(StrEnum):
    """A guard, by what it allows when it is switched off: `--allow NAME`, or the network's option."""

    DIRECT_ROUTING = (
        "direct-routing"  # from other links to a container's own address, past its published ports
    )
    WEAK_HOST = "weak-host"  # to a port published on one address, by a link that does not hold the address
    SPOOFING = "spoofing"  # a container sends what is not its own: MAC, IP, ARP, neighbour discovery
    ROUTER_ADVERTISEMENTS = "router-advertisements"  # a container says that it is a router, or redirects
    LAYER_2 = "layer-2"  # frames between containers of a network without icc


EVERY_GUARD = frozenset(Guard)


def parse_guards(names: Iterable[str]) -> frozenset[Guard]:
    """Guards by their names.  Raises InvalidParameter for a name that is none."""
    found = set()
    for name in names:
        if name not in EVERY_GUARD:
            raise InvalidParameter(f'cannot allow "{name}": it is none of {", ".join(Guard)}')
        found.add(Guard(name))
    return frozenset(found)
