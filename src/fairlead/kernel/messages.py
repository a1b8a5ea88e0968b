"""Our words as route netlink requests, and the kernel's answers as values: nothing is sent here."""

import socket
import struct
from dataclasses import dataclass
from ipaddress import ip_address, ip_interface, ip_network
from typing import Any

from pyroute2.netlink import NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE
from pyroute2.netlink.rtnl import (
    RTM_DELADDR,
    RTM_DELLINK,
    RTM_DELROUTE,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETNSID,
    RTM_GETROUTE,
    RTM_NEWADDR,
    RTM_NEWLINK,
    RTM_NEWNSID,
    RTM_NEWROUTE,
)
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.nsidmsg import nsidmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

from fairlead.kernel.netlink import Request
from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.host import LinkSetting, Route, Vxlan

IFF_UP, IFF_LOOPBACK = 1, 8
SKIP_STATISTICS = 8  # RTEXT_FILTER_SKIP_STATS
WITHOUT_DETECTION = 2  # IFA_F_NODAD: duplicate address detection takes two seconds
MAIN_TABLE = 254
PROTOCOL_BOOT = 3  # what `ip route add` and Docker leave, shown without a word by `ip route`
SCOPE_UNIVERSE, SCOPE_LINK, SCOPE_NOWHERE = 0, 253, 255
UNICAST = 1
BRIDGE_PORT = {
    LinkSetting.HAIRPIN: "IFLA_BRPORT_MODE",
    LinkSetting.ISOLATED: "IFLA_BRPORT_ISOLATED",
    LinkSetting.LEARNING: "IFLA_BRPORT_LEARNING",
}
NO_NUMBER = 0xFFFFFFFF  # -1, without its sign
LINK_INDEX = struct.Struct("=i")
LINK_INDEX_OFFSET = 20  # behind the netlink header, a family and a type

# One queue each way: more cost up to two grace periods of RCU.  No transmit queue, as with Docker.
_PLAIN = [("IFLA_NUM_TX_QUEUES", 1), ("IFLA_NUM_RX_QUEUES", 1), ("IFLA_TXQLEN", 0)]


@dataclass(frozen=True, slots=True)
class FoundLink:
    """A link as the kernel describes it.

    `master` is a link's number, 0 for none.  `peer` is the number of a veth's other end or of a
    macvlan's parent, 0 if unknown, and `peer_namespace` the number of its namespace, None if it is
    the link's own.  `mode` is a macvlan's.
    """

    index: int
    name: str
    kind: str
    mac: str
    mtu: int
    up: bool
    master: int
    peer: int
    peer_namespace: int | None
    hairpin: bool
    isolated: bool
    mode: str
    learning: bool
    tunnel: Vxlan | None = None  # what a VXLAN link is


@dataclass(frozen=True, slots=True)
class FoundRoute:
    """A route of the main table; `link` is a number, 0 for none; the lowest `priority` wins."""

    destination: Subnet
    gateway: Address | None
    link: int
    priority: int


def link_named(name: str) -> Request:
    """Ask for one link by name."""
    return _link_request(RTM_GETLINK, [("IFLA_IFNAME", name), ("IFLA_EXT_MASK", SKIP_STATISTICS)])


def link_numbered(index: int) -> Request:
    """Ask for one link by its number."""
    return _link_request(RTM_GETLINK, [("IFLA_EXT_MASK", SKIP_STATISTICS)], index=index)


def vxlan_links() -> Request:
    """Ask for all links of a namespace that are VXLAN tunnel ends."""
    return _link_request(RTM_GETLINK, [("IFLA_EXT_MASK", SKIP_STATISTICS), _kind("vxlan")])


def new_bridge(name: str, mac: str) -> Request:
    """Make a bridge; it does not speak the spanning tree protocol, the kernel's default."""
    attributes = [("IFLA_IFNAME", name), ("IFLA_TXQLEN", 0), _kind("bridge")]
    if mac:
        attributes.append(("IFLA_ADDRESS", mac))
    return _link_request(RTM_NEWLINK, attributes, flags=NLM_F_CREATE | NLM_F_EXCL)


def new_veth(name: str, peer: str, peer_mac: str, peer_namespace: int) -> Request:
    """Make a veth pair, both ends down; `peer_namespace` is a file descriptor."""
    other: list[tuple[str, Any]] = [("IFLA_IFNAME", peer), ("IFLA_NET_NS_FD", peer_namespace), *_PLAIN]
    if peer_mac:
        other.append(("IFLA_ADDRESS", peer_mac))
    kind = _kind("veth", ("IFLA_INFO_DATA", {"attrs": [("VETH_INFO_PEER", {"attrs": other})]}))
    attributes = [("IFLA_IFNAME", name), *_PLAIN, kind]
    return _link_request(RTM_NEWLINK, attributes, flags=NLM_F_CREATE | NLM_F_EXCL)


def new_macvlan(name: str, parent: int, parent_namespace: int | None, mode: str, mac: str) -> Request:
    """Make a macvlan link, down, with its parent's MTU.

    `parent_namespace` is the number by which the namespace asked knows the parent's, None for its own.
    """
    kind = _kind("macvlan", ("IFLA_INFO_DATA", {"attrs": [("IFLA_MACVLAN_MODE", mode)]}))
    attributes = [("IFLA_IFNAME", name), ("IFLA_LINK", parent), kind]
    if parent_namespace is not None:
        attributes.append(("IFLA_LINK_NETNSID", parent_namespace))
    if mac:
        attributes.append(("IFLA_ADDRESS", mac))
    return _link_request(RTM_NEWLINK, attributes, flags=NLM_F_CREATE | NLM_F_EXCL)


def new_dummy(name: str, kind: str) -> Request:
    """Make a link that leads nowhere, of one of the kinds that a `Dummy` can be of."""
    return _link_request(RTM_NEWLINK, [("IFLA_IFNAME", name), _kind(kind)], flags=NLM_F_CREATE | NLM_F_EXCL)


def new_vxlan(name: str, vxlan: Vxlan, namespace: int | None) -> Request:
    """Make a VXLAN link, down; `namespace` is a file descriptor, None for the namespace asked.

    Its packets are those of the namespace asked, wherever it lives itself.
    """
    kind = _vxlan_kind(
        vxlan,
        ("IFLA_VXLAN_PORT", vxlan.port),
        ("IFLA_VXLAN_LEARNING", 0),
        ("IFLA_VXLAN_PROXY", 1),
        ("IFLA_VXLAN_UDP_CSUM", 1),
    )
    attributes = [("IFLA_IFNAME", name), kind]
    if namespace is not None:
        attributes.append(("IFLA_NET_NS_FD", namespace))
    return _link_request(RTM_NEWLINK, attributes, flags=NLM_F_CREATE | NLM_F_EXCL)


def set_vxlan(name: str, vxlan: Vxlan) -> Request:
    """Send a VXLAN link's packets from another address; nothing else of it can be changed."""
    return _link_request(RTM_NEWLINK, [("IFLA_IFNAME", name), _vxlan_kind(vxlan)])


def _vxlan_kind(vxlan: Vxlan, *more: tuple[str, Any]) -> tuple[str, Any]:
    local = "IFLA_VXLAN_LOCAL" if vxlan.local.version == 4 else "IFLA_VXLAN_LOCAL6"
    told = [("IFLA_VXLAN_ID", vxlan.vni), (local, str(vxlan.local)), *more]
    return _kind("vxlan", ("IFLA_INFO_DATA", {"attrs": told}))


def delete_link(name: str) -> Request:
    """Delete a link; the kernel answers after 15 to 35 ms."""
    return _link_request(RTM_DELLINK, [("IFLA_IFNAME", name)])


def group_link(name: str, group: int) -> Request:
    """Put a link into a numbered group."""
    return _link_request(RTM_NEWLINK, [("IFLA_IFNAME", name), ("IFLA_GROUP", group)])


def delete_group(group: int) -> Request:
    """Delete all links of a group, in the time that one takes."""
    return _link_request(RTM_DELLINK, [("IFLA_GROUP", group)])


def set_up(name: str, up: bool) -> Request:
    """Raise a link, or take it down."""
    return _link_request(RTM_NEWLINK, [("IFLA_IFNAME", name)], state=up)


def set_master(name: str, master: int) -> Request:
    """Make a link a port of the bridge with that number, 0 for none."""
    return _link_request(RTM_NEWLINK, [("IFLA_IFNAME", name), ("IFLA_MASTER", master)])


def set_mtu(name: str, mtu: int) -> Request:
    """Set the largest packet of a link, in bytes."""
    return _link_request(RTM_NEWLINK, [("IFLA_IFNAME", name), ("IFLA_MTU", mtu)])


def set_mac(name: str, mac: str) -> Request:
    """Set a link's hardware address."""
    return _link_request(RTM_NEWLINK, [("IFLA_IFNAME", name), ("IFLA_ADDRESS", mac)])


def set_port(name: str, setting: LinkSetting, on: bool) -> Request:
    """Switch HAIRPIN or ISOLATED of a bridge's port."""
    port = {"attrs": [("IFLA_INFO_SLAVE_KIND", "bridge"), ("IFLA_INFO_SLAVE_DATA", _port(setting, on))]}
    return _link_request(RTM_NEWLINK, [("IFLA_IFNAME", name), ("IFLA_LINKINFO", port)])


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


def routes_of(version: int) -> Request:
    """Ask for the main table of one IP version."""
    message = rtmsg()
    message["family"] = _family(version)
    message["table"] = MAIN_TABLE
    message["attrs"] = [("RTA_TABLE", MAIN_TABLE)]
    return Request(RTM_GETROUTE, message)


def new_route(destination: Subnet, route: Route, link: int, replace: bool) -> Request:
    """Add a route to the main table, or put it in the place of the one to the same destination."""
    message = _route_message(destination, route, link)
    message["type"] = UNICAST
    message["proto"] = PROTOCOL_BOOT
    direct = destination.version == 4 and route.gateway is None
    message["scope"] = SCOPE_LINK if direct else SCOPE_UNIVERSE
    return Request(RTM_NEWROUTE, message, NLM_F_CREATE | (NLM_F_REPLACE if replace else NLM_F_EXCL))


def delete_route(destination: Subnet, route: Route, link: int) -> Request:
    """Delete a route from the main table."""
    message = _route_message(destination, route, link)
    message["scope"] = SCOPE_NOWHERE  # of any scope
    return Request(RTM_DELROUTE, message)


def namespace_number(descriptor: int) -> Request:
    """Ask by which number the asking namespace knows another one, given by file descriptor."""
    message = nsidmsg()
    message["attrs"] = [("NETNSA_FD", descriptor)]
    return Request(RTM_GETNSID, message)


def number_namespace(descriptor: int) -> Request:
    """Give another namespace, given by file descriptor, a number in the asking one."""
    message = nsidmsg()
    message["attrs"] = [("NETNSA_FD", descriptor), ("NETNSA_NSID", NO_NUMBER)]  # the kernel chooses one
    return Request(RTM_NEWNSID, message)


def read_link_index(answer: bytes) -> int:
    """Only the number from a description of a link: decoding it all costs more than asking."""
    return int(LINK_INDEX.unpack_from(answer, LINK_INDEX_OFFSET)[0])


def read_link(answer: bytes) -> FoundLink:
    """A link's description."""
    message = _decoded(ifinfmsg, answer)
    told = _Attributes(message)
    about = _Attributes(told.get("IFLA_LINKINFO"))
    is_port = about.get("IFLA_INFO_SLAVE_KIND") == "bridge"
    port = _Attributes(about.get("IFLA_INFO_SLAVE_DATA") if is_port else None)
    flags = message["flags"]
    is_macvlan = about.get("IFLA_INFO_KIND") == "macvlan"
    mode = _Attributes(about.get("IFLA_INFO_DATA")).get("IFLA_MACVLAN_MODE") if is_macvlan else ""
    return FoundLink(
        index=message["index"],
        name=told["IFLA_IFNAME"],
        kind=about.get("IFLA_INFO_KIND") or ("loopback" if flags & IFF_LOOPBACK else "device"),
        mac=told.get("IFLA_ADDRESS") or "",
        mtu=told["IFLA_MTU"],
        up=bool(flags & IFF_UP),
        master=told.get("IFLA_MASTER") or 0,
        peer=told.get("IFLA_LINK") or 0,
        peer_namespace=told.get("IFLA_LINK_NETNSID"),
        hairpin=bool(port.get(BRIDGE_PORT[LinkSetting.HAIRPIN])),
        isolated=bool(port.get(BRIDGE_PORT[LinkSetting.ISOLATED])),
        mode=mode,
        learning=not is_port or bool(port.get(BRIDGE_PORT[LinkSetting.LEARNING])),  # as a port is made
        tunnel=_tunnel(about) if about.get("IFLA_INFO_KIND") == "vxlan" else None,
    )


def _tunnel(about: "_Attributes") -> Vxlan:
    """A VXLAN link; its port is 0 unless it learns nothing, floods nowhere and answers ARP."""
    told = _Attributes(about["IFLA_INFO_DATA"])
    quiet = told.get("IFLA_VXLAN_PROXY") and not any(
        told.get(f"IFLA_VXLAN_{name}") for name in ("LEARNING", "GROUP", "GROUP6", "COLLECT_METADATA")
    )
    local = told.get("IFLA_VXLAN_LOCAL") or told.get("IFLA_VXLAN_LOCAL6") or "0.0.0.0"
    return Vxlan(told["IFLA_VXLAN_ID"], ip_address(local), told["IFLA_VXLAN_PORT"] if quiet else 0)


def read_address(answer: bytes) -> Interface:
    """An address with its prefix length."""
    message = _decoded(ifaddrmsg, answer)
    address = message.get_attr("IFA_LOCAL") or message.get_attr("IFA_ADDRESS")
    return ip_interface(f"{address}/{message['prefixlen']}")


def read_route(answer: bytes) -> FoundRoute:
    """A route of the main table."""
    message = _decoded(rtmsg, answer)
    anywhere = "0.0.0.0" if message["family"] == socket.AF_INET else "::"
    destination = message.get_attr("RTA_DST") or anywhere
    gateway = message.get_attr("RTA_GATEWAY")
    return FoundRoute(
        destination=ip_network(f"{destination}/{message['dst_len']}", strict=False),
        gateway=ip_address(gateway) if gateway else None,
        link=message.get_attr("RTA_OIF") or 0,
        priority=message.get_attr("RTA_PRIORITY") or 0,
    )


def read_namespace_number(answer: bytes) -> int:
    """The number of a namespace, -1 if it has none in the asking one."""
    number = _decoded(nsidmsg, answer).get_attr("NETNSA_NSID")
    return -1 if number in (None, NO_NUMBER) else int(number)


def _decoded(form: Any, answer: bytes) -> Any:
    message = form(answer)
    message.decode()
    return message


class _Attributes:
    """The attributes of a message by name, each decoded when it is asked for."""

    def __init__(self, message: Any):
        self._slots = {slot[0]: slot for slot in message["attrs"]} if message is not None else {}

    def __getitem__(self, name: str) -> Any:
        return self._slots[name][1]

    def get(self, name: str) -> Any:
        return self._slots[name][1] if name in self._slots else None


def _kind(kind: str, *more: tuple[str, Any]) -> tuple[str, Any]:
    return ("IFLA_LINKINFO", {"attrs": [("IFLA_INFO_KIND", kind), *more]})


def _port(setting: LinkSetting, on: bool) -> dict[str, Any]:
    return {"attrs": [(BRIDGE_PORT[setting], int(on))]}


def _link_request(
    kind: int, attributes: list[Any], flags: int = 0, index: int = 0, state: bool | None = None
) -> Request:
    message = ifinfmsg()
    message["index"] = index
    message["attrs"] = attributes
    if state is not None:
        message["flags"] = IFF_UP if state else 0
        message["change"] = IFF_UP
    return Request(kind, message, flags)


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
