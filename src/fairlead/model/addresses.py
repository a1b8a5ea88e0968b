"""Addresses and the hardware addresses that follow from them."""

from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Subnet = IPv4Network | IPv6Network


def mac_from_ipv4(address: IPv4Address) -> str:
    """The hardware address of an endpoint: 02:42 and the four bytes of its IPv4 address.

    Source: libnetwork `netutils.GenerateMACFromIP`; locally administered, unicast.
    """
    return "02:42:" + ":".join(f"{byte:02x}" for byte in address.packed)


def link_local_from_mac(mac: str) -> IPv6Address:
    """The link-local address that an interface gives itself (RFC 4291, modified EUI-64)."""
    first, *rest = bytes.fromhex(mac.replace(":", ""))
    identifier = bytes((first ^ 2, *rest[:2], 0xFF, 0xFE, *rest[2:]))
    return IPv6Address(b"\xfe\x80" + bytes(6) + identifier)


def mac_from_bytes(chance: bytes) -> str:
    """A locally administered unicast hardware address from six bytes of chance, 02:42 first."""
    return "02:42:" + ":".join(f"{byte:02x}" for byte in chance[:4])
