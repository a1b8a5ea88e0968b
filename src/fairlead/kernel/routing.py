"""Addresses and routes as route netlink requests, and the kernel's answers as values."""

import socket
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
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

from fairlead.kernel.messages import decoded
from fairlead.kernel.netlink import Request
from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.host import Route

WITHOUT_DETECTION = 2  # IFA_F_NODAD: duplicate address detection takes two seconds
WITHOUT_ROUTE = 0x200  # IFA_F_NOPREFIXROUTE
MAIN_TABLE = 254
PROTOCOL_KERNEL, METRIC6 = 2, 256
PROTOCOL_BOOT = 3  # what `ip route add` and Docker leave, shown without a word by `ip route`
SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_NOWHERE = 0, 253, 255
UNICAST = 1


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


def read_address(answer: bytes) -> Interface:
    """An address with its prefix length."""
    message = decoded(ifaddrmsg, answer)
    address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return ip_interface(f"{address}/{message['prefixlen']}")


def brings_route(answer: bytes) -> bool:
    """Whether the kernel adds a route to its subnet along with an address."""
    message = decoded(ifaddrmsg, answer)
    longest = 32 if message["family"] == socket.AF_INET else 128
    flags = int(message.get_attr("IFA_FLAGS") or 0)
    return message["prefixlen"] < longest and not flags & WITHOUT_ROUTE


def read_route(answer: bytes) -> FoundRoute:
    """A route of the main table."""
    message = decoded(rtmsg, answer)
    anywhere = "0.0.0.0" if message["family"] == socket.AF_INET else "::"
    destination = message.get_attr("RTA_DST") or anywhere
    gateway = message.get_attr("RTA_GATEWAY")
    return FoundRoute(
        destination=ip_network(f"{destination}/{message['dst_len']}", strict=False),
        gateway=ip_address(gateway) if gateway else None,
        link=message.get_attr("RTA_OIF") or 0,
        priority=message.get_attr("RTA_PRIORITY") or 0,
    )


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
