"""The generation of nftables: a number that grows by one with every transaction, whoever makes it.

What was read at a generation stands unchanged as long as the number is the same.  Foreign changes
can therefore never be missed, however fast they are; a monitor would tell of them later.
"""

import os
import socket
import struct
import threading
from dataclasses import dataclass, field
from enum import Enum

from fairlead.kernel.netlink import ATTRIBUTE, HEADER

NETLINK_NETFILTER = 12
GET_GENERATION = 10 << 8 | 16  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN (linux/netfilter/nf_tables.h)
NLM_F_REQUEST = 1
SUBSYSTEM_HEADER = 4  # struct nfgenmsg
GENERATION_ID = 1  # NFTA_GEN_ID
DEADLINE = 5.0  # seconds; the kernel answers at once
REMEMBERED = 256  # transactions


class Writer(Enum):
    """The parts of this program that write to nftables, each into tables that the other leaves alone."""

    IPTABLES = "iptables"
    NFTABLES = "nftables"


@dataclass(slots=True)
class Generation:
    """The generation in one network namespace, and which steps of it were made here, by which part.

    The namespace is that of the thread which asks first.
    """

    _socket: socket.socket | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _made: dict[int, tuple[int, Writer]] = field(default_factory=dict)  # by the number before: the one after

    def now(self) -> int | None:
        """The number now; None where the kernel has no nftables."""
        with self._turn:
            try:
                return self._ask()
            except OSError:
                self.close()
                return None

    def _ask(self) -> int | None:
        if self._socket is None:
            kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
            self._socket = socket.socket(socket.AF_NETLINK, kind, NETLINK_NETFILTER)
            self._socket.settimeout(DEADLINE)
        length = HEADER.size + SUBSYSTEM_HEADER
        self._socket.send(HEADER.pack(length, GET_GENERATION, NLM_F_REQUEST, 0, 0) + bytes(4))
        return _number(self._socket.recv(4096))

    def note(self, writer: Writer, before: int | None, transactions: int = 1) -> int | None:
        """So many transactions were made here after `before` was read: the number now.

        None if somebody else's came between: whoever remembers something has to look again.
        """
        after = self.now()
        if before is None or after != before + transactions:
            return None
        self._made[before] = (after, writer)
        if len(self._made) > REMEMBERED:
            del self._made[next(iter(self._made))]
        return after

    def follow(self, number: int | None, *writers: Writer) -> int | None:
        """The last number that differs from this one by steps of these parts alone."""
        while number in self._made and self._made[number][1] in writers:
            number = self._made[number][0]
        return number

    def close(self) -> None:
        """Let the socket go; the next question opens another."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _number(message: bytes) -> int | None:
    length, kind = HEADER.unpack_from(message)[:2]
    offset = HEADER.size + SUBSYSTEM_HEADER
    while kind >> 8 == GET_GENERATION >> 8 and offset + ATTRIBUTE.size <= min(length, len(message)):
        size, name = ATTRIBUTE.unpack_from(message, offset)
        if name == GENERATION_ID:
            return int(struct.unpack_from("!I", message, offset + ATTRIBUTE.size)[0])
        if size < ATTRIBUTE.size:
            break
        offset += (size + 3) & ~3
    return None


def counts_generations(program: str) -> bool:
    """Whether a program of iptables works on nftables: legacy tables change without a number."""
    return "nft" in os.path.basename(os.path.realpath(program))
