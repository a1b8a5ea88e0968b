"""Ping from many network namespaces to many addresses at once; run in a virtual host.

Standard input: {"pairs": {namespace: [addresses]}, "seconds": how long at most}; prints the pairs
that did not answer and how long it took, as JSON.
"""

import json
import os
import select
import socket
import struct
import sys
import time

CLONE_NEWNET = 0x40000000
ECHO, REPLY = 8, 0
AGAIN = 0.3  # seconds until what has not answered is asked again


def open_in(namespace: str) -> socket.socket:
    """A raw ICMP socket in a namespace; the process comes back to its own."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/self/ns/net") as home, open(f"/run/netns/{namespace}") as there:
        if libc.setns(there.fileno(), CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
        try:
            made = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        finally:
            libc.setns(home.fileno(), CLONE_NEWNET)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    return made


def echo(number: int) -> bytes:
    """An echo request."""
    head = struct.pack("!BBHHH", ECHO, 0, 0, os.getpid() & 0xFFFF, number)
    total = sum(struct.unpack("!4H", head))
    total = (total >> 16) + (total & 0xFFFF)
    return struct.pack("!BBHHH", ECHO, 0, ~total & 0xFFFF, os.getpid() & 0xFFFF, number)


def hear(source: socket.socket, waiting: set[str]) -> None:
    """Strike out who has answered."""
    while True:
        try:
            packet, (address, _) = source.recvfrom(256)
        except (BlockingIOError, ConnectionError, OSError):
            return
        start = (packet[0] & 15) * 4
        kind, identity = packet[start], struct.unpack_from("!H", packet, start + 4)[0]
        if kind == REPLY and identity == os.getpid() & 0xFFFF:
            waiting.discard(address)


def main() -> None:
    """Ask until all have answered, or time is up."""
    asked = json.load(sys.stdin)
    sources = {name: open_in(name) for name in asked["pairs"]}
    waiting = {name: set(addresses) for name, addresses in asked["pairs"].items()}
    by_number = {each.fileno(): name for name, each in sources.items()}
    began, number = time.monotonic(), 0
    while any(waiting.values()) and time.monotonic() - began < asked["seconds"]:
        number += 1
        for name, left in waiting.items():
            for address in tuple(left):
                try:
                    sources[name].sendto(echo(number), (address, 0))
                except OSError:
                    break  # its queue is full, or it has no way there: again later
            hear(sources[name], left)
        end = time.monotonic() + AGAIN
        while any(waiting.values()) and (rest := end - time.monotonic()) > 0:
            for ready in select.select(list(by_number), [], [], rest)[0]:
                hear(sources[by_number[ready]], waiting[by_number[ready]])
    missing = [[name, address] for name, left in waiting.items() for address in sorted(left)]
    print(json.dumps({"missing": missing, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main()
