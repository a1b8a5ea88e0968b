"""Addresses and routes as route netlink requests, and the kernel's answers as values."""

import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Interface, IPv4Network, IPv6Interface, IPv6Network, ip_address
from typing import Any

from pyroute2.netlink import NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELROUTE,
    RTM_GETADDR,
    RTM_GETROUTE,
    RTM_NEWADDR,
    RTM_NEWROUTE,
)
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from fairlead.kernel.netlink import HEADER, Request, attributes
from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.host import Route

WITHOUT_DETECTION = 2  # IFA_F_NODAD: duplicate address detection takes two seconds
WITHOUT_ROUTE = 0x200  # IFA_F_NOPREFIXROUTE
MAIN_TABLE = 254
PROTOCOL_KERNEL, METRIC6 = 2, 256
PROTOCOL_BOOT = 3  # what `ip route add` and Docker leave, shown without a word by `ip route`
SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_NOWHERE = 0, 253, 255
UNICAST = 1
ADDRESS = struct.Struct("=BBBBI")  # struct ifaddrmsg: family, prefix length, flags, scope, link
ROUTE_SIZE = 12  # struct rtmsg, which begins with the family and the destination's prefix length
NUMBER = struct.Struct("=I")
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
RTA_DST, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY = 1, 4, 5, 6


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """A route of the main table; `link` is a number, 0 for none; the lowest `priority` wins."""

    destination: Subnet
    gateway: Address | None
    link: int
    priority: int


def addresses_of(index: int) -> Request:
    """Ask for the addresses of one link, both families."""
    message = ifaddrmsg()
    message["index"] = index
    return Request(RTM_GETADDR, message)


def new_address(index: int, address: Interface) -> Request:
    """Give a link an address; IPv6 is usable at once."""
    attributes = _address_attributes(address)
    if address.version == 6:
        attributes.append(("IFA_FLAGS", WITHOUT_DETECTION))
    elif address.network.prefixlen < 31:
        attributes.append(("IFA_BROADCAST", str(address.network.broadcast_address)))
    return Request(RTM_NEWADDR, _address_message(index, address, attributes), NLM_F_CREATE | NLM_F_EXCL)


def delete_address(index: int, address: Interface) -> Request:
    """Take an address from a link."""
    return Request(RTM_DELADDR, _address_message(index, address, _address_attributes(address)))


def routes_of(version: int, link: int = 0) -> Request:
    """Ask for the main table of one IP version, or for what leads to one link."""
    message = rtmsg()
    message["family"] = _family(version)
    message["table"] = MAIN_TABLE
    message["attrs"] = [("RTA_TABLE", MAIN_TABLE), *([("RTA_OIF", link)] if link else [])]
    return Request(RTM_GETROUTE, message)


def new_route(destination: Subnet, route: Route, link: int, replace: bool) -> Request:
    """Add a route to the main table, or put it in the place of the one to the same destination."""
    message = _route_message(destination, route, link)
    message["type"] = UNICAST
    message["proto"] = PROTOCOL_BOOT
    direct = destination.version == 4 and route.gateway is None
    message["scope"] = SCOPE_LINK if direct else SCOPE_UNIVERSE
    return Request(RTM_NEWROUTE, message, NLM_F_CREATE | (NLM_F_REPLACE if replace else NLM_F_EXCL))


def new_direct_route(index: int, address: Interface) -> Request:
    """Add the route to an address's subnet that the kernel adds along with the address."""
    message = _route_message(address.network, Route(None, ""), index)
    message["type"] = UNICAST
    message["proto"] = PROTOCOL_KERNEL  # so that it goes with the address
    message["scope"] = SCOPE_LINK if address.version == 4 else SCOPE_UNIVERSE
    if address.version == 4:
        message["attrs"] = [*message["attrs"], ("RTA_PREFSRC", str(address.ip))]
    else:
        message["attrs"] = [*message["attrs"], ("RTA_PRIORITY", METRIC6)]
    return Request(RTM_NEWROUTE, message, NLM_F_CREATE | NLM_F_APPEND)


def delete_route(destination: Subnet, route: Route, link: int) -> Request:
    """Delete a route from the main table."""
    message = _route_message(destination, route, link)
    message["scope"] = SCOPE_NOWHERE  # of any scope
    return Request(RTM_DELROUTE, message)


def read_address(answer: bytes) -> tuple[Interface, bool]:
    """An address with its prefix length, and whether the kernel adds a route to its subnet along with it."""
    family, length, flags, _, _ = ADDRESS.unpack_from(answer, HEADER.size)
    told = dict(attributes(answer, HEADER.size + ADDRESS.size))
    interface = IPv4Interface if family == socket.AF_INET else IPv6Interface
    address = interface((told.get(IFA_LOCAL) or told[IFA_ADDRESS], length))
    if IFA_FLAGS in told:  # all of them; the header has room for the first eight
        [flags] = NUMBER.unpack(told[IFA_FLAGS])
    return address, length < address.max_prefixlen and not flags & WITHOUT_ROUTE


def read_route(answer: bytes) -> FoundRoute:
    """A route of the main table."""
    family, length = answer[HEADER.size], answer[HEADER.size + 1]
    told = dict(attributes(answer, HEADER.size + ROUTE_SIZE))
    network = IPv4Network if family == socket.AF_INET else IPv6Network
    gateway = told.get(RTA_GATEWAY)
    return FoundRoute(
        destination=network((told.get(RTA_DST, 0), length), strict=False),
        gateway=ip_address(gateway) if gateway else None,
        link=_number(told.get(RTA_OIF)),
        priority=_number(told.get(RTA_PRIORITY)),
    )


def _number(content: bytes | None) -> int:
    return int(NUMBER.unpack(content)[0]) if content else 0


def _family(version: int) -> int:
    return int(socket.AF_INET if version == 4 else socket.AF_INET6)


def _address_attributes(address: Interface) -> list[Any]:
    return [("IFA_LOCAL", str(address.ip)), ("IFA_ADDRESS", str(address.ip))]


def _address_message(index: int, address: Interface, attributes: list[Any]) -> Any:
    message = ifaddrmsg()
    message["family"] = _family(address.version)
    message["prefixlen"] = address.network.prefixlen
    message["index"] = index
    message["attrs"] = attributes
    return message


def _route_message(destination: Subnet, route: Route, link: int) -> Any:
    message = rtmsg()
    message["family"] = _family(destination.version)
    message["dst_len"] = destination.prefixlen
    message["table"] = MAIN_TABLE
    attributes: list[Any] = []
    if destination.prefixlen:
        attributes.append(("RTA_DST", str(destination.network_address)))
    if route.gateway is not None:
        attributes.append(("RTA_GATEWAY", str(route.gateway)))
    if link:
        attributes.append(("RTA_OIF", link))
    message["attrs"] = attributes
    return message
