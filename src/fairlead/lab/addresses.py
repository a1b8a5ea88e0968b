"""The LAN's addresses: documentation ranges, which no machine uses for anything else.

The outside has 198.51.100.1 (gateway, name server), .2 (another name server) and, as "the
internet", 203.0.113.10; host N has 198.51.100.(10+N).  Nobody outside has a route to a
container's subnet: its packets come back only if the engine masquerades them.
"""

GATEWAY = "198.51.100.1"
GATEWAY_IPV6 = "2001:db8:51::1"
NAME_SERVERS = (GATEWAY, "198.51.100.2")
OUTSIDE_ADDRESSES = (*(f"{address}/24" for address in NAME_SERVERS), f"{GATEWAY_IPV6}/64")
INTERNET = "203.0.113.10"
INTERNET_IPV6 = "2001:db8:113::10"


def host_address(number: int) -> str:
    """The IPv4 address of host `number`, counted from 1."""
    return f"198.51.100.{10 + number}"


def host_address_ipv6(number: int) -> str:
    """Its IPv6 address."""
    return f"2001:db8:51::{10 + number:x}"


def host_mac(number: int) -> str:
    """Its hardware address, fixed so that recordings can be compared."""
    return f"02:00:c6:33:64:{10 + number:02x}"
