"""Ping between many network namespaces, every pair of them.

All virtual hosts share one kernel, whose table of neighbours has room for 1024 in all namespaces
together.  So few pairs are under way at a time, and what they left in the table is taken out.
"""

import contextlib
import ctypes
import fcntl
import os
import random
import select
import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path

CLONE_NEWNET = 0x40000000
ECHO, REPLY = 8, 0
AGAIN = 0.3  # seconds until what has not answered is asked again
UNDER_WAY = 150  # pairs, each with an entry at both ends
# Source: arp(7): struct arpreq is a protocol address, a hardware address, flags, a netmask, a device.
SIOCDARP, REQUEST = 0x8953, struct.Struct("=HH4s8x16xi16x16x")
Pair = tuple[str, str]  # the addresses of who asks and of who is asked


def silent(places: Mapping[str, Path], seconds: float) -> list[Pair]:
    """Who does not get an answer from whom in that time; each namespace, by its address, asks all others."""
    with contextlib.ExitStack() as stack:
        sources = {address: stack.enter_context(_open_in(path)) for address, path in places.items()}
        return _Asking(sources, seconds).ask()


def _open_in(namespace: Path) -> socket.socket:
    """A raw ICMP socket in a namespace; this thread comes back to its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, namespace.open() as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            made = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)
    made.setblocking(False)
    return made


def _echo(number: int) -> bytes:
    """An echo request."""
    head = struct.pack("!BBHHH", ECHO, 0, 0, os.getpid() & 0xFFFF, number)
    total = sum(struct.unpack("!4H", head))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!BBHHH", ECHO, 0, ~total & 0xFFFF, os.getpid() & 0xFFFF, number)


def _answers(source: socket.socket) -> set[str]:
    """Who has answered."""
    found = set()
    with contextlib.suppress(BlockingIOError):
        while True:
            packet, (address, _) = source.recvfrom(256)
            start = (packet[0] & 15) * 4
            kind, identity = packet[start], struct.unpack_from("!H", packet, start + 4)[0]
            if kind == REPLY and identity == os.getpid() & 0xFFFF:
                found.add(address)
    return found


class _Asking:
    """Who is still to be asked, and who has not answered yet."""

    def __init__(self, sources: Mapping[str, socket.socket], seconds: float):
        self._sources, self._seconds = sources, seconds
        self._by_number = {each.fileno(): address for address, each in sources.items()}
        self._left = [(one, other) for one in sources for other in sources if one != other]
        random.shuffle(self._left)
        self._waiting: dict[Pair, tuple[float, int]] = {}  # since when, how often it was asked

    def ask(self) -> list[Pair]:
        """Ask all: those that do not answer."""
        missing: list[Pair] = []
        while self._left or self._waiting:
            now = time.monotonic()
            while self._left and len(self._waiting) < UNDER_WAY:
                self._waiting[self._left.pop()] = (now, 0)
            for pair, (since, times) in list(self._waiting.items()):
                if now > since + self._seconds:
                    missing.append(pair)
                    del self._waiting[pair]
                elif now >= since + times * AGAIN:
                    self._waiting[pair] = (since, times + 1)
                    with contextlib.suppress(OSError):  # its queue is full, or it has no way there
                        self._sources[pair[0]].sendto(_echo(times), (pair[1], 0))
            self._hear()
        return missing

    def _hear(self) -> None:
        for ready in select.select(list(self._by_number), [], [], AGAIN)[0]:
            asker = self._by_number[ready]
            for address in _answers(self._sources[asker]):
                if self._waiting.pop((asker, address), None) and (address, asker) not in self._waiting:
                    self._forget(asker, address)
                    self._forget(address, asker)

    def _forget(self, holder: str, address: str) -> None:
        """Take out of the table what a namespace knows of an address."""
        request = REQUEST.pack(socket.AF_INET, 0, socket.inet_aton(address), 0)
        with contextlib.suppress(OSError):  # it knows nothing of it
            fcntl.ioctl(self._sources[holder], SIOCDARP, request)
