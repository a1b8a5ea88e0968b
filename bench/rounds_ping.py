"""Ping between many network namespaces, every pair of them.

All virtual hosts share one kernel, whose table of neighbours has room for 1024 in all namespaces
together.  So few pairs are under way at a time, and what they left in the table is taken out.  Where
the machine's limit was raised so far that all pairs fit in (docs/overlay.md says how), all are asked
at once, and everybody remembers whom it has spoken with: as containers do.
Run as a program, with a document on its standard input, it does one share of the asking.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

CLONE_NEWNET = 0x40000000
ECHO, REPLY = 8, 0
SOL_RAW, ICMP_FILTER, ONLY_REPLIES = (
    255,
    1,
    struct.pack("=I", ~(1 << REPLY) & 0xFFFFFFFF),
)  # raw(7), linux/icmp.h
AGAIN = 0.3  # seconds until what has not answered is asked again
SHARES = 2  # processes that ask
UNDER_WAY = 150  # pairs of one of them, each with an entry at both ends; where there is room for all:
AT_ONCE = 1000
LIMIT = Path("/proc/sys/net/ipv4/neigh/default/gc_thresh3")  # only in the machine's own namespace
# Source: arp(7): struct arpreq is a protocol address, a hardware address, flags, a netmask, a device.
SIOCDARP, REQUEST = 0x8953, struct.Struct("=HH4s8x16xi16x16x")
Pair = tuple[str, str]  # the addresses of who asks and of who is asked


def silent(places: Mapping[str, Path], seconds: float) -> list[Pair]:
    """Who does not get an answer from whom in that time; each namespace, by its address, asks all others."""
    roomy = int(LIMIT.read_text()) > 2 * len(places) ** 2
    document = json.dumps([{address: str(path) for address, path in places.items()}, seconds, roomy])
    argv = [sys.executable, "-m", "bench.rounds_ping"]
    asking = []
    for share in range(SHARES):
        started = subprocess.Popen(
            [*argv, str(share)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent.parent,
        )
        assert started.stdin is not None
        with started.stdin as given:
            given.write(document)
        asking.append(started)
    missing: list[Pair] = []
    for started in asking:
        assert started.stdout is not None
        with started.stdout as said:
            text = said.read()
        if started.wait():
            raise RuntimeError("a process that asks has failed")
        missing += [(one, other) for one, other in json.loads(text)]
    return missing


def _open_in(namespace: str) -> socket.socket:
    """A raw socket in a namespace that hears echo replies; this thread comes back to its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as home, open(namespace) as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            made = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)
    made.setsockopt(SOL_RAW, ICMP_FILTER, ONLY_REPLIES)
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
    """Who is still to be asked, and who has not answered yet.

    Two ask each other one right after the other: what the one has learned of the other serves both.
    """

    def __init__(self, sources: Mapping[str, socket.socket], left: list[Pair], roomy: bool):
        self._sources, self._left, self._roomy = sources, left, roomy
        random.shuffle(self._left)
        self._by_number = {each.fileno(): address for address, each in sources.items()}
        self._back = set(left)  # whoever is asked asks back
        self._since: dict[Pair, float] = {}
        self._again: deque[tuple[float, Pair]] = deque()  # when it is due, in order
        self._missing: list[Pair] = []
        self._poll = select.epoll()
        for number in self._by_number:
            self._poll.register(number, select.EPOLLIN)

    def ask(self, seconds: float) -> list[Pair]:
        """Ask all: those that do not answer in that time."""
        with self._poll:
            while self._left or self._since:
                now = time.monotonic()
                while self._left and len(self._since) < (AT_ONCE if self._roomy else UNDER_WAY):
                    self._begin(self._left.pop(), now)
                self._remind(now, seconds)
                self._hear()
        return self._missing

    def _begin(self, pair: Pair, now: float) -> None:
        self._since[pair] = now
        self._send(pair, now)

    def _end(self, pair: Pair) -> None:
        """Ask back, or be done with the two."""
        del self._since[pair]
        one, other = pair
        if pair in self._back:
            self._begin((other, one), time.monotonic())
        elif not self._roomy:
            self._forget(one, other)
            self._forget(other, one)

    def _remind(self, now: float, seconds: float) -> None:
        while self._again and self._again[0][0] <= now:
            _, pair = self._again.popleft()
            since = self._since.get(pair)
            if since is not None and now > since + seconds:
                self._missing.append(pair)
                self._end(pair)
            elif since is not None:
                self._send(pair, now)

    def _send(self, pair: Pair, now: float) -> None:
        self._again.append((now + AGAIN, pair))
        with contextlib.suppress(OSError):  # its queue is full, or it has no way there
            self._sources[pair[0]].sendto(_echo(1), (pair[1], 0))

    def _hear(self) -> None:
        for ready, _ in self._poll.poll(AGAIN / 3 if self._since else 0):
            asker = self._by_number[ready]
            for address in _answers(self._sources[asker]):
                if (asker, address) in self._since:
                    self._end((asker, address))

    def _forget(self, holder: str, address: str) -> None:
        """Take out of the table what a namespace knows of an address."""
        request = REQUEST.pack(socket.AF_INET, 0, socket.inet_aton(address), 0)
        with contextlib.suppress(OSError):  # it knows nothing of it
            fcntl.ioctl(self._sources[holder], SIOCDARP, request)


def share(places: Mapping[str, str], seconds: float, roomy: bool, number: int) -> Sequence[Pair]:
    """What one of the processes finds: it asks every `SHARES`th pair."""
    mine = list(combinations(places, 2))[number::SHARES]
    with contextlib.ExitStack() as stack:
        sources = {address: stack.enter_context(_open_in(path)) for address, path in places.items()}
        return _Asking(sources, mine, roomy).ask(seconds)


if __name__ == "__main__":
    json.dump(share(*json.load(sys.stdin), number=int(sys.argv[1])), sys.stdout)
