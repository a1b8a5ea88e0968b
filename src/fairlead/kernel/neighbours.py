"""What is told to a link instead of learned: who is behind which VTEP, and who has which address.

A hardware address behind a VXLAN link stands in two tables: the link's own says to which host the
frame goes, the bridge's that it goes by this link.  An entry is both; either may be found alone.
"""

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from pyroute2.netlink import NLM_F_CREATE, NLM_F_REPLACE
from pyroute2.netlink.rtnl import RTM_DELNEIGH, RTM_GETNEIGH, RTM_NEWNEIGH
from pyroute2.netlink.rtnl.ndmsg import (
    NTF_MASTER,
    NTF_SELF,
    NTF_STICKY,
    NUD_NOARP,
    NUD_PERMANENT,
    ndmsg,
)

from fairlead.kernel.netlink import HEADER, Request
from fairlead.model.addresses import Address

BODY = struct.Struct("=B3xiHBB")  # family, link, state, flags, type
ATTRIBUTE = struct.Struct("=HH")
NDA_DST, NDA_LLADDR, NDA_MASTER = 1, 2, 9


@dataclass(frozen=True, slots=True)
class FoundNeighbour:
    """An entry of a forwarding or neighbour table.

    `address` is a VTEP's or the neighbour's own.  `of_bridge`: a bridge's table, not the link's.
    """

    mac: str
    address: Address | None
    state: int
    of_bridge: bool


def forwarding_of(index: int) -> Request:
    """Ask for a link's own forwarding table and for what its bridge knows by that port."""
    return Request(RTM_GETNEIGH, _message(socket.AF_BRIDGE, index))


def neighbours_of(index: int, version: int) -> Request:
    """Ask for the neighbours of one link and one IP version."""
    message = _message(_family(version), 0)
    message["attrs"] = [("NDA_IFINDEX", index)]
    return Request(RTM_GETNEIGH, message)


def forward(index: int, mac: str, vtep: Address) -> tuple[Request, Request]:
    """Send frames for an address to a VTEP, instead of where they went before: link, then bridge.

    What a container sends under somebody else's address does not draw the traffic to itself.
    """
    own = _entry(socket.AF_BRIDGE, index, NUD_PERMANENT | NUD_NOARP, NTF_SELF, mac, vtep)
    bridge = _entry(socket.AF_BRIDGE, index, NUD_NOARP, NTF_MASTER | NTF_STICKY, mac)
    return _new(own), _new(bridge)


def forget(index: int, mac: str) -> tuple[Request, Request]:
    """Send frames for an address nowhere by that link: bridge, then link."""
    bridge, own = (
        Request(RTM_DELNEIGH, _entry(socket.AF_BRIDGE, index, flags=flag, mac=mac))
        for flag in (NTF_MASTER, NTF_SELF)
    )
    return bridge, own


def new_neighbour(index: int, address: Address, mac: str) -> Request:
    """Tell a link for good which hardware address an address has."""
    return _new(_entry(_family(address.version), index, NUD_PERMANENT, mac=mac, address=address))


def delete_neighbour(index: int, address: Address) -> Request:
    """Take back what a link was told of an address."""
    return Request(RTM_DELNEIGH, _entry(_family(address.version), index, address=address))


def read_neighbour(answer: bytes) -> FoundNeighbour:
    """An entry, decoded by hand: tables are long, and their entries short."""
    _, _, state, _, _ = BODY.unpack_from(answer, HEADER.size)
    found: dict[int, bytes] = {}
    offset = HEADER.size + BODY.size
    while offset + ATTRIBUTE.size <= len(answer):
        length, kind = ATTRIBUTE.unpack_from(answer, offset)
        if length < ATTRIBUTE.size:
            break
        found[kind] = answer[offset + ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    address = found.get(NDA_DST)
    mac = found.get(NDA_LLADDR, bytes(6)).hex(":")
    return FoundNeighbour(mac, ip_address(address) if address else None, state, NDA_MASTER in found)


def forwarding_table(entries: list[FoundNeighbour]) -> dict[str, str]:
    """The VTEP for each hardware address that was told, "" where one of the two tables lacks it.

    Several VTEPs stand side by side, with spaces: somebody added where he should have replaced.
    """
    own: dict[str, list[str]] = {}
    bridge = set()
    for entry in entries:
        if not entry.of_bridge:
            own.setdefault(entry.mac, []).append(str(entry.address or ""))
        elif entry.state & (NUD_NOARP | NUD_PERMANENT) == NUD_NOARP:  # neither learned nor the port's own
            bridge.add(entry.mac)
    return {
        mac: " ".join(own.get(mac, ())) if mac in bridge else "" for mac in [*own, *(bridge - own.keys())]
    }


def is_permanent(entry: FoundNeighbour) -> bool:
    """Whether a neighbour was told for good."""
    return bool(entry.state & NUD_PERMANENT)


def _new(entry: bytes) -> Request:
    return Request(RTM_NEWNEIGH, entry, NLM_F_CREATE | NLM_F_REPLACE)


def _entry(
    family: int, index: int, state: int = 0, flags: int = 0, mac: str = "", address: Address | None = None
) -> bytes:
    """An entry, coded by hand: a network has three for each container of the other hosts."""
    parts = [BODY.pack(family, index, state, flags, 0)]
    for kind, value in (
        (NDA_DST, address.packed if address is not None else b""),
        (NDA_LLADDR, bytes.fromhex(mac.replace(":", ""))),
    ):
        if value:
            parts += [ATTRIBUTE.pack(ATTRIBUTE.size + len(value), kind), value, bytes(-len(value) % 4)]
    return b"".join(parts)


def _message(family: int, index: int) -> Any:
    message = ndmsg()
    message["family"] = family
    message["ifindex"] = index
    return message


def _family(version: int) -> int:
    return int(socket.AF_INET if version == 4 else socket.AF_INET6)
