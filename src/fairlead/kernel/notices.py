"""The kernel's word that links or routes of this network namespace have changed: that, not what.

Whoever is told looks for himself; so nothing is lost when notices come faster than they are read.
"""

import asyncio
import errno
import socket
from collections.abc import Callable

LINKS, ROUTES4, ROUTES6 = 0x1, 0x40, 0x400  # RTMGRP_LINK, _IPV4_ROUTE, _IPV6_ROUTE: rtnetlink(7)
LONGEST = 1 << 16  # bytes


class Notices:
    """Calls a function soon after each change.  Made in the event loop's thread."""

    def __init__(self, tell: Callable[[], None]):
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._socket = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
        )
        self._socket.bind((0, LINKS | ROUTES4 | ROUTES6))
        self._loop.add_reader(self._socket, self._read)

    def close(self) -> None:
        """Listen no longer."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        while True:
            try:
                self._socket.recv(LONGEST)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # that one says: more has happened than is told
                    raise
        self._tell()
