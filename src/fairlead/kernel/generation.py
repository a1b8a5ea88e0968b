"""The generation of nftables: a number that grows by one with every transaction, whoever makes it.

What was read at a generation stands unchanged as long as the number is the same.  Foreign changes
can therefore never be missed, however fast they are; a monitor would tell of them later.
"""

import os
import socket
import struct
import threading
from dataclasses import dataclass, field

from fairlead.kernel.netlink import ATTRIBUTE, HEADER

NETLINK_NETFILTER = 12
GET_GENERATION = 10 << 8 | 16  # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETGEN (linux/netfilter/nf_tables.h)
NLM_F_REQUEST = 1
SUBSYSTEM_HEADER = 4  # struct nfgenmsg
GENERATION_ID = 1  # NFTA_GEN_ID
DEADLINE = 5.0  # seconds; the kernel answers at once


@dataclass(slots=True)
class Generation:
    """The generation in one network namespace, and which steps of it our own tables alone have made.

    The namespace is that of the thread which asks first.
    """

    _socket: socket.socket | None = None
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _own: tuple[int, int] = field(default=(0, 0))  # from which to which number only we went

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

    def note(self, before: int | None) -> None:
        """One transaction of ours, in tables that are nobody else's, was made after `before` was read."""
        after = self.now()
        if before is None or after != before + 1:
            return  # somebody else's came between: whoever remembers something has to look again
        self._own = (self._own[0] if self._own[1] == before else before, after)

    def follow(self, number: int | None) -> int | None:
        """The last number that differs from this one by steps of ours alone."""
        return self._own[1] if number is not None and self._own[0] <= number <= self._own[1] else number

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
