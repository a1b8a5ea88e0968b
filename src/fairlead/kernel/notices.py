"""The kernel's word that something has changed in the network: that, not what.

Whoever is told looks for himself; so nothing is lost when notices come faster than they are read.
Links, addresses, routes and what links were told for good are noticed in this network namespace and
in all that it knows by a number, which are those that its veth pairs lead to.
"""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable

from fairlead.kernel.netlink import HEADER, SOL_NETLINK

ADD_MEMBERSHIP, LISTEN_ALL_NSID = 1, 8  # netlink(7)
# RTNLGRP_LINK, _NEIGH, _IPV4_IFADDR, _IPV4_ROUTE, _IPV6_IFADDR, _IPV6_ROUTE, _IPV4_NETCONF, _IPV6_NETCONF
NETWORK = (1, 3, 5, 7, 9, 11, 24, 25)
NETLINK_NETFILTER, NFNLGRP_NFTABLES = 12, 7
NEIGHBOURS = (28, 29)  # RTM_NEWNEIGH, RTM_DELNEIGH
LASTING = 0x80 | 0x40  # NUD_PERMANENT, NUD_NOARP: others the kernel learns and forgets all the time
NEIGHBOUR = struct.Struct("=BxxxiHBB")  # struct ndmsg: family, index, state, flags, type
LONGEST = 1 << 16  # bytes


class Notices:
    """Calls a function soon after each change.  Made in the event loop's thread."""

    def __init__(self, tell: Callable[[], None], protocol: int = 0, groups: tuple[int, ...] = NETWORK):
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol
        )
        self._socket.bind((0, 0))  # with no number of its own it would be taken for the kernel, and left out
        self._routing = protocol == 0
        if self._routing:
            with contextlib.suppress(OSError):  # confined: then only what happens here is noticed
                self._socket.setsockopt(SOL_NETLINK, LISTEN_ALL_NSID, 1)
        for group in groups:
            self._socket.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)
        self._loop.add_reader(self._socket, self._read)

    def close(self) -> None:
        """Listen no longer."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        matters = False
        while True:
            try:
                matters |= self._matters(self._socket.recv(LONGEST))
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                matters = True  # more has happened than is told
        if matters:
            self._tell()

    def _matters(self, received: bytes) -> bool:
        """Whether it is more than what the kernel has learnt about neighbours."""
        offset = 0
        while self._routing and offset + HEADER.size + NEIGHBOUR.size <= len(received):
            length, kind = HEADER.unpack_from(received, offset)[:2]
            if kind not in NEIGHBOURS or NEIGHBOUR.unpack_from(received, offset + HEADER.size)[2] & LASTING:
                return True
            offset += max((length + 3) & ~3, HEADER.size)
        return not self._routing


def rule_notices(tell: Callable[[], None]) -> Notices:
    """The same for nftables in this network namespace, and so for iptables on top of it.

    Raises OSError where the kernel has none.
    """
    return Notices(tell, NETLINK_NETFILTER, (NFNLGRP_NFTABLES,))
