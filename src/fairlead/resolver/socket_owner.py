"""Who has a port: the process behind a socket that is bound to it, found in /proc."""

import contextlib
import os
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from fairlead.model.addresses import Address

LISTENING = "0A"  # a TCP state in /proc/net/tcp


def port_owner(protocol: str, address: Address, port: int, pid: int) -> str:
    """The process that keeps others from a port, as `process PID (NAME)`; "" if none can be seen.

    Looks in the network namespace that process `pid` is in.  Reads much of /proc: not for an event
    loop's own thread.
    """
    inodes = {inode for bound, inode in _bound(protocol, port, pid) if _collide(bound, address)}
    return _process_with(inodes - {"0"}) if inodes else ""


def _bound(protocol: str, port: int, pid: int) -> Iterator[tuple[Address, str]]:
    """Sockets that have the port: (address, inode)."""
    if protocol not in ("tcp", "udp"):
        return  # the kernel lists SCTP's sockets elsewhere
    for table in (protocol, f"{protocol}6"):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/net/{table}") as lines:
            next(lines, None)
            for line in lines:
                words = line.split()
                place, _, number = words[1].partition(":")
                if int(number, 16) == port and (protocol == "udp" or words[3] == LISTENING):
                    yield _address(place), words[9]


def _address(digits: str) -> Address:
    """An address as /proc/net prints it: 32-bit words in the machine's byte order."""
    words = struct.pack(
        f"={len(digits) // 8}I", *(int(digits[i : i + 8], 16) for i in range(0, len(digits), 8))
    )
    return IPv4Address(words) if len(words) == 4 else IPv6Address(words)


def _collide(bound: Address, wanted: Address) -> bool:
    """Whether a socket on one address keeps another from the same port."""
    if isinstance(bound, IPv6Address) and bound.ipv4_mapped is not None:
        bound = bound.ipv4_mapped
    if bound.version != wanted.version:
        return bound == IPv6Address("::")  # it may serve IPv4 as well
    return bound == wanted or bound.is_unspecified or wanted.is_unspecified


def _process_with(inodes: set[str]) -> str:
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(entry.path) in wanted:
                        return f"process {pid} ({_name(pid)})"
    return ""


def _name(pid: str) -> str:
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()
