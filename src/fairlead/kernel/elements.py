"""Single elements of our nftables tables, asked of the kernel itself.

libnftables fetches every element of a table before it answers about one, as often as anything has
changed: a container's start would take the longer, the more containers there are.
"""

import errno
import socket
import struct
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Address, IPv6Address

from fairlead.firewall.tables import BY_NAME, TABLE, TABLE_OF
from fairlead.kernel.netlink import ATTRIBUTE, HEADER, Conversation, Refused, Request
from fairlead.model.host import NftKey

NETLINK_NETFILTER = 12
# linux/netfilter/nf_tables.h, nfnetlink.h
GET_ELEMENT = 10 << 8 | 13  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETSETELEM
FAMILIES = {"inet": 1, "ip": 2, "bridge": 7}
SUBSYSTEM_HEADER = struct.Struct("!BBH")  # struct nfgenmsg: family, version, resource
OF_TABLE, OF_SET, ELEMENTS = 1, 2, 3  # NFTA_SET_ELEM_LIST_*
ELEMENT, KEY, DATA, VALUE = 1, 1, 2, 1  # NFTA_LIST_ELEM, NFTA_SET_ELEM_KEY and _DATA, NFTA_DATA_VALUE
NESTED, KIND = 0x8000, 0x3FFF

_PROTOCOLS = {"tcp": 6, "udp": 17, "sctp": 132}
_IP_VERSIONS = {"ipv4": 2, "ipv6": 10}  # NFPROTO_*


def _link(text: str) -> bytes:
    return text.strip('"').encode().ljust(16, b"\0")


WRITTEN: Mapping[str, Callable[[str], bytes]] = {
    "ifname": _link,
    "iifname": _link,
    "ipv4_addr": lambda text: IPv4Address(text).packed,
    "ipv6_addr": lambda text: IPv6Address(text).packed,
    "@nh,64,128": lambda text: int(text, 16).to_bytes(16),
    "ether_addr": lambda text: bytes.fromhex(text.replace(":", "")),
    "inet_proto": lambda text: bytes([_PROTOCOLS[text]]),
    "inet_service": lambda text: int(text).to_bytes(2),
    "nf_proto": lambda text: bytes([_IP_VERSIONS[text]]),
}
READ: Mapping[str, tuple[int, Callable[[bytes], str]]] = {
    "ipv4_addr": (4, lambda content: str(IPv4Address(content))),
    "inet_service": (2, lambda content: str(int.from_bytes(content))),
}


class Elements:
    """One conversation with nftables, in the network namespace of the thread that makes it."""

    def __init__(self) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._talk = Conversation(socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER))

    def find(self, key: NftKey) -> str | None:
        """The content of an element of a shelf without intervals; None if there is none such."""
        try:
            answer = self._talk.get(Request(GET_ELEMENT, _question(key)))
        except Refused as refused:
            if refused.code == errno.ENOENT:
                return None
            raise
        return _content(key, answer)

    def close(self) -> None:
        """Let the socket go."""
        self._talk.close()


def _question(key: NftKey) -> bytes:
    family = TABLE_OF[key.name].family
    names = _attribute(OF_TABLE, TABLE.encode() + b"\0") + _attribute(OF_SET, key.name.encode() + b"\0")
    element = _nested(ELEMENT, _nested(KEY, _attribute(VALUE, encoded(key))))
    return SUBSYSTEM_HEADER.pack(FAMILIES[family], 0, 0) + names + _nested(ELEMENTS, element)


def encoded(key: NftKey) -> bytes:
    """An element's key as the kernel has it: joined keys fill up words of four bytes each."""
    kinds = BY_NAME[key.name].key
    parts = [WRITTEN[kind](text) for kind, text in zip(kinds, key.element.split(" . "), strict=True)]
    return parts[0] if len(parts) == 1 else b"".join(map(_padded, parts))


def _content(key: NftKey, answer: bytes) -> str:
    """What a map holds under the key, as text; "" for a set."""
    value = answer[HEADER.size + SUBSYSTEM_HEADER.size :]
    kinds = BY_NAME[key.name].data
    for step in (ELEMENTS, ELEMENT, DATA, VALUE) if kinds else ():
        value = next((content for kind, content in _attributes(value) if kind == step), b"")
    words, offset = [], 0
    for kind in kinds:
        size, read = READ[kind]
        words.append(read(value[offset : offset + size]))
        offset += (size + 3) & ~3
    return " . ".join(words)


def _padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 4)


def _attribute(kind: int, content: bytes) -> bytes:
    return ATTRIBUTE.pack(ATTRIBUTE.size + len(content), kind) + _padded(content)


def _nested(kind: int, content: bytes) -> bytes:
    return _attribute(kind | NESTED, content)


def _attributes(content: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset + ATTRIBUTE.size <= len(content):
        size, kind = ATTRIBUTE.unpack_from(content, offset)
        if size < ATTRIBUTE.size:
            return
        yield kind & KIND, content[offset + ATTRIBUTE.size : offset + size]
        offset += (size + 3) & ~3
