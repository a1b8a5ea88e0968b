"""Links, addresses and routes as numbers: cheap to get, and another one where something was changed.

What the kernel counts or times by itself is left out, so a number stays while nobody does anything.
Nothing is decoded: a namespace costs some tenths of a millisecond, where looking costs many.
"""

import errno
import struct
from collections import defaultdict
from typing import Final

from pyroute2.netlink.rtnl import RTM_GETADDR, RTM_GETLINK, RTM_GETNEIGH, RTM_GETROUTE

from fairlead.kernel.netlink import HEADER, Refused, Request, attributes
from fairlead.kernel.visit import Visit
from fairlead.model.errors import NotFound
from fairlead.model.host import OVERLAY

Place = tuple[str, str]  # a namespace and a link's name; "" for the namespace itself

# Attributes by their numbers: linux/if_link.h, if_addr.h, rtnetlink.h.
LINK_ADDRESS, LINK_NAME, LINK_MTU, LINK_OTHER, LINK_MASTER, LINK_INFO, LINK_MASK, LINK_NUMBER = (
    1, 3, 4, 5, 10, 18, 29, 37,
)  # fmt: skip
INFO_KIND, INFO_DETAILS, INFO_PORT = 1, 2, 5
PORT_STATE = 1  # of spanning tree, which follows the carrier
DETAILED = (b"vxlan\0", b"macvlan\0")  # kinds whose details are settings and no timers
ADDRESS_ITSELF, ADDRESS_LOCAL = 1, 2
ROUTE_DESTINATION, ROUTE_LINK, ROUTE_GATEWAY, ROUTE_PRIORITY, ROUTE_TABLE = 1, 4, 5, 6, 15
UP = 1
MAIN_TABLE, BY_KERNEL = 254, 2
SKIP_STATISTICS: Final = 8
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, change
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, lengths, tos, table, protocol, scope, type, flags
_NEIGHBOUR = struct.Struct("=BxxxiHBB")  # family, index, state, flags, type
_NUMBER = struct.Struct("=I")
_WHOLE = struct.Struct("=HHI")  # an attribute of one number

LINKS = Request(RTM_GETLINK, _LINK.pack(0, 0, 0, 0, 0) + _WHOLE.pack(8, LINK_MASK, SKIP_STATISTICS))
ADDRESSES = Request(RTM_GETADDR, _ADDRESS.pack(0, 0, 0, 0, 0))


def _routes(family: int, protocol: int) -> Request:
    head = _ROUTE.pack(family, 0, 0, 0, MAIN_TABLE, protocol, 0, 0, 0)
    return Request(RTM_GETROUTE, head + _WHOLE.pack(8, ROUTE_TABLE, MAIN_TABLE))


ROUTES = tuple(_routes(family, 0) for family in (2, 10))
# A host may have many routes; those that follow from its addresses are few.
OWN_ROUTES = tuple(_routes(family, BY_KERNEL) for family in (2, 10))
# What links of overlay networks were told, and not learnt: forwarding entries, then neighbours.
TOLD = tuple(Request(RTM_GETNEIGH, _NEIGHBOUR.pack(family, 0, 0, 0, 0)) for family in (7, 2, 10))
TOLD_PARTS = (1, 2)  # the address, the hardware address
LASTING = 0x80 | 0x40  # NUD_PERMANENT, NUD_NOARP


def fingerprint(visit: Visit, namespace: str) -> dict[Place, int]:
    """A number for each link of a namespace, and for the namespace; nothing where it is not there."""
    try:
        talk = visit.talk(namespace)
    except (NotFound, OSError):
        return {}
    names: dict[int, str] = {}
    seen: defaultdict[int, list[object]] = defaultdict(list)
    for message in talk.dump(LINKS):
        _, _, index, flags, _ = _LINK.unpack_from(message, HEADER.size)
        name, what = _link(message)
        names[index] = name
        seen[index] += [flags & UP, *what]
    for message in talk.dump(ADDRESSES):
        _, length, _, _, index = _ADDRESS.unpack_from(message, HEADER.size)
        kept = [
            body for kind, body in attributes(message, HEADER.size + _ADDRESS.size) if kind <= ADDRESS_LOCAL
        ]
        seen[index].append((length, *kept))
    for request in ROUTES if namespace else OWN_ROUTES:
        try:
            messages = talk.dump(request)
        except Refused as error:
            if error.code != errno.ENOENT:  # no route was ever made there
                raise
            continue
        for message in messages:
            index, route = _route(message)
            seen[index].append(route)
    if namespace.startswith(OVERLAY):
        for request in TOLD:
            for message in talk.dump(request):
                _, index, state, _, _ = _NEIGHBOUR.unpack_from(message, HEADER.size)
                if state & LASTING:
                    kept = [
                        body
                        for kind, body in attributes(message, HEADER.size + _NEIGHBOUR.size)
                        if kind in TOLD_PARTS
                    ]
                    seen[index].append((state, *kept))
    # Nobody promises an order of what a dump lists, only of the attributes in a message.
    marks = {(namespace, names[index]): hash((index, frozenset(what))) for index, what in seen.items()
             if index in names}  # fmt: skip
    return {(namespace, ""): 0, **marks}


def _link(message: bytes) -> tuple[str, list[object]]:
    name, what, kind = "", list[object](), b""
    for number, body in attributes(message, HEADER.size + _LINK.size):
        if number == LINK_NAME:
            name = body.rstrip(b"\0").decode(errors="replace")
        elif number in (LINK_ADDRESS, LINK_MTU, LINK_OTHER, LINK_MASTER, LINK_NUMBER):
            what.append((number, body))
        elif number == LINK_INFO:
            for inner, content in attributes(body):
                if inner == INFO_KIND:
                    kind = content
                    what.append(kind)
                elif inner == INFO_DETAILS and kind in DETAILED:
                    what.append(content)
                elif inner == INFO_PORT:
                    what += [
                        (port, value)
                        for port, value in attributes(content)
                        if len(value) == 1 and port != PORT_STATE
                    ]
    return name, what


def _route(message: bytes) -> tuple[int, object]:
    link, kept = 0, list[object]()
    for number, body in attributes(message, HEADER.size + _ROUTE.size):
        if number == ROUTE_LINK:
            link = _NUMBER.unpack(body)[0]
        elif number in (ROUTE_DESTINATION, ROUTE_GATEWAY, ROUTE_PRIORITY):
            kept.append((number, body))
    family, length = message[HEADER.size], message[HEADER.size + 1]
    return link, ("route", family, length, *kept)
