"""The kernel's table of IPv4 neighbours: one for all network namespaces of the machine, with one limit.

Whoever sends to somebody new while it is full sends nothing (neighbour.c: neigh_alloc).  What is
told for good, as to overlay networks, does not count; what each container finds out by asking does.
"""

import socket
import struct

from fairlead.kernel.netlink import ATTRIBUTE, HEADER, Conversation, Request
from fairlead.model.surroundings import NeighbourTable

# linux/neighbour.h: the message, its attributes, and in the statistics the last of eleven counters.
RTM_GETNEIGHTBL = 66
BODY = struct.Struct("=B3x")
NDTA_THRESH3, NDTA_STATS = 4, 7
LIMIT, COUNTERS = struct.Struct("=I"), struct.Struct("=11Q")


def neighbour_table() -> NeighbourTable:
    """How it stands.  Raises Refused."""
    talk = Conversation(socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0))
    try:
        for message in talk.dump(Request(RTM_GETNEIGHTBL, BODY.pack(socket.AF_INET))):
            found = read_table(message)
            if found is not None:
                return found
    finally:
        talk.close()
    return NeighbourTable()


def read_table(message: bytes) -> NeighbourTable | None:
    """The table of a message; None for the settings of one link, which come in messages of the same kind."""
    found: dict[int, bytes] = {}
    offset = HEADER.size + BODY.size
    while offset + ATTRIBUTE.size <= len(message):
        length, kind = ATTRIBUTE.unpack_from(message, offset)
        if length < ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = message[offset + ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    counters = found.get(NDTA_STATS, b"")
    if NDTA_THRESH3 not in found or len(counters) < COUNTERS.size:
        return None
    return NeighbourTable(LIMIT.unpack(found[NDTA_THRESH3])[0], COUNTERS.unpack_from(counters)[-1])
