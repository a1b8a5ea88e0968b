"""What the daemon and the port holder say to each other, as JSON arrays; parsed where it comes in."""

from ipaddress import ip_address
from typing import Any

from fairlead.model.host import HeldPortKey, Target

PROTOCOLS = ("tcp", "udp", "sctp")
LAST_PORT = 65535


def key_document(key: HeldPortKey) -> list[Any]:
    """A key as [protocol, address, port, count]."""
    return [key.protocol, str(key.address), key.port, key.count]


def read_key(document: Any) -> HeldPortKey:
    """The key of such an array.  Raises ValueError or TypeError."""
    protocol, address, port, count = document
    if protocol not in PROTOCOLS:
        raise ValueError(f"{protocol!r} is not a protocol")
    if not (1 <= port <= port + count - 1 <= LAST_PORT):
        raise ValueError(f"{count} ports from {port} on are not ports")
    return HeldPortKey(protocol, ip_address(address), port, count)


def target_document(target: Target | None) -> list[Any] | None:
    """A target as [address, port, owner, label], None as None."""
    if target is None:
        return None
    return [str(target.address), target.port, target.owner, target.label]


def read_target(document: Any) -> Target | None:
    """The target of such an array.  Raises ValueError or TypeError."""
    if document is None:
        return None
    address, port, owner, label = document
    if not 1 <= port <= LAST_PORT:
        raise ValueError(f"{port} is not a port")
    return Target(ip_address(address), port, str(owner), str(label))
