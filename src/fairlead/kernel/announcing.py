"""Frames that tell everybody on a bridge which hardware address has an address from now on.

Who asked before remembers the answer for half a minute, and would send to a container that is
gone when its address is another's.
"""

import socket
import struct
from ipaddress import IPv4Address, IPv6Address

from fairlead.model.addresses import Address

EVERYBODY, ALL_NODES_MAC = b"\xff" * 6, bytes.fromhex("333300000001")
ALL_NODES = IPv6Address("ff02::1")
ETH_P_ARP, ETH_P_IPV6 = 0x0806, 0x86DD
REPLY = 2
NEIGHBOUR_ADVERTISEMENT, OVERRIDE, TARGET_LINK_ADDRESS = 136, 0x20000000, 2
HOPS = 255  # what came over a router is not believed (RFC 4861 section 7.1.2)


def announcement(address: Address, mac: str) -> bytes:
    """A gratuitous ARP reply (RFC 5227 section 3), or an unsolicited advertisement (RFC 4861, 7.2.6)."""
    holder = bytes.fromhex(mac.replace(":", ""))
    if isinstance(address, IPv4Address):
        head = EVERYBODY + holder + struct.pack("!HHHBBH", ETH_P_ARP, 1, 0x0800, 6, 4, REPLY)
        return head + (holder + address.packed) * 2
    body = struct.pack("!BBHI", NEIGHBOUR_ADVERTISEMENT, 0, 0, OVERRIDE) + address.packed
    body += struct.pack("!BB", TARGET_LINK_ADDRESS, 1) + holder
    body = body[:2] + struct.pack("!H", _checksum(address, body)) + body[4:]
    head = struct.pack("!HIHBB", ETH_P_IPV6, 6 << 28, len(body), socket.IPPROTO_ICMPV6, HOPS)
    return ALL_NODES_MAC + holder + head + address.packed + ALL_NODES.packed + body


def _checksum(source: IPv6Address, body: bytes) -> int:
    """Of ICMPv6, with the pseudo-header (RFC 8200 section 8.1)."""
    covered = source.packed + ALL_NODES.packed + struct.pack("!II", len(body), socket.IPPROTO_ICMPV6) + body
    total: int = sum(struct.unpack(f"!{len(covered) // 2}H", covered))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
