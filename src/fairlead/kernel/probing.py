"""Asking addresses whether they answer: ICMP echo (RFC 792), whose identities the kernel checks."""

import asyncio
import socket
import struct
from collections.abc import Collection
from ipaddress import ip_address

from fairlead.model.addresses import Address

ECHO, REPLY = 8, 0
ROUNDS = 3  # in case one packet is lost


async def answering(
    echo: socket.socket, addresses: Collection[Address], seconds: float
) -> frozenset[Address]:
    """Those of the IPv4 addresses that answer in time; the socket is closed."""
    loop = asyncio.get_running_loop()
    waiting, answered = set(addresses), set[Address]()
    with echo:
        echo.setblocking(False)
        for number in range(ROUNDS):
            for address in waiting:
                _ask(echo, address, number)
            try:
                async with asyncio.timeout(seconds / ROUNDS):
                    while waiting:
                        data, source = await loop.sock_recvfrom(echo, 1024)
                        if data and data[0] == REPLY:
                            answered.add(ip_address(source[0]))
                            waiting -= answered
            except (TimeoutError, OSError):
                continue
    return frozenset(answered & set(addresses))


def _ask(echo: socket.socket, address: Address, number: int) -> None:
    """Send one request; the kernel fills in identity and checksum.  What cannot be sent is not answered."""
    try:
        echo.sendto(struct.pack("!BBHHH", ECHO, 0, 0, 0, number), (str(address), 0))
    except OSError:
        return
