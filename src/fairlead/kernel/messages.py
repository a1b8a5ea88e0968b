"""Our words as route netlink requests, and the kernel's answers as values: nothing is sent here."""

import struct
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from pyroute2.netlink import NLM_F_CREATE, NLM_F_EXCL
from pyroute2.netlink.rtnl import (
    RTM_DELLINK,
    RTM_GETLINK,
    RTM_GETNSID,
    RTM_NEWLINK,
    RTM_NEWNSID,
)
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.nsidmsg import nsidmsg

from fairlead.kernel.netlink import HEADER, Request, attributes
from fairlead.model.host import LinkSetting, Vxlan, mark_for

IFF_UP, IFF_LOOPBACK = 1, 8
SKIP_STATISTICS = 8  # RTEXT_FILTER_SKIP_STATS
BRIDGE_PORT = {
    LinkSetting.HAIRPIN: "IFLA_BRPORT_MODE",
    LinkSetting.ISOLATED: "IFLA_BRPORT_ISOLATED",
    LinkSetting.LEARNING: "IFLA_BRPORT_LEARNING",
}
NO_NUMBER = 0xFFFFFFFF  # -1, without its sign
# Links are read by hand, since pyroute2 takes a millisecond for one: linux/if_link.h.
LINK = struct.Struct("=BxHiII")  # struct ifinfomsg: family, type, index, flags, change
NUMBER = struct.Struct("=I")
MAC, NAME, MTU, PEER, MASTER, INFO, PEER_NAMESPACE = 1, 3, 4, 5, 10, 18, 37
INFO_KIND, INFO_PORT_KIND, INFO_PORT = 1, 4, 5
PORT_HAIRPIN, PORT_LEARNING, PORT_ISOLATED = 4, 8, 33
ON = b"\1"
LINK_INDEX = struct.Struct("=i")
LINK_INDEX_OFFSET = 20  # behind the netlink header, a family and a type

# One queue each way: more cost up to two grace periods of RCU.  No transmit queue, as with Docker.
_PLAIN = [("IFLA_NUM_TX_QUEUES", 1), ("IFLA_NUM_RX_QUEUES", 1), ("IFLA_TXQLEN", 0)]


@dataclass(frozen=True, slots=True)
class FoundLink:
    """A link as the kernel describes it.

    `master` is a link's number, 0 for none.  `peer` is the number of a veth's other end or of a
    macvlan's or VLAN's parent, 0 if unknown, and `peer_namespace` the number of its namespace, None
    if it is the link's own.  `mode` is a macvlan's, `vlan` the number of a VLAN, else 0.
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
    vlan: int = 0


def link_named(name: str) -> Request:
    """Ask for one link by name."""
    return _link_request(RTM_GETLINK, [("IFLA_IFNAME", name), ("IFLA_EXT_MASK", SKIP_STATISTICS)])


def link_numbered(index: int) -> Request:
    """Ask for one link by its number."""
    return _link_request(RTM_GETLINK, [("IFLA_EXT_MASK", SKIP_STATISTICS)], index=index)


def links_of_kind(kind: str) -> Request:
    """Ask for all links of a namespace that are of a kind."""
    return _link_request(RTM_GETLINK, [("IFLA_EXT_MASK", SKIP_STATISTICS), _kind(kind)])


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
    attributes = [("IFLA_IFNAME", name), _kind(kind)]
    if mark := mark_for(name):
        attributes.append(("IFLA_ADDRESS", mark))
    return _link_request(RTM_NEWLINK, attributes, flags=NLM_F_CREATE | NLM_F_EXCL)


def new_vlan(name: str, parent: int, number: int) -> Request:
    """Make a link for one VLAN on another link of its namespace, down."""
    kind = _kind("vlan", ("IFLA_INFO_DATA", {"attrs": [("IFLA_VLAN_ID", number)]}))
    attributes = [("IFLA_IFNAME", name), ("IFLA_LINK", parent), kind]
    return _link_request(RTM_NEWLINK, attributes, flags=NLM_F_CREATE | NLM_F_EXCL)


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
    _, _, index, flags, _ = LINK.unpack_from(answer, HEADER.size)
    told = dict(attributes(answer, HEADER.size + LINK.size))
    about = dict(attributes(told.get(INFO, b"")))
    kind = _text(about.get(INFO_KIND, b""))
    is_port = about.get(INFO_PORT_KIND) == b"bridge\0"
    port = dict(attributes(about.get(INFO_PORT, b"") if is_port else b""))
    details = _details(answer) if kind in ("macvlan", "vlan", "vxlan") else _Attributes(None)
    return FoundLink(
        index=index,
        name=_text(told[NAME]),
        kind=kind or ("loopback" if flags & IFF_LOOPBACK else "device"),
        mac=told.get(MAC, b"").hex(":"),
        mtu=_number(told[MTU]),
        up=bool(flags & IFF_UP),
        master=_number(told.get(MASTER)),
        peer=_number(told.get(PEER)),
        peer_namespace=LINK_INDEX.unpack(told[PEER_NAMESPACE])[0] if PEER_NAMESPACE in told else None,
        hairpin=port.get(PORT_HAIRPIN) == ON,
        isolated=port.get(PORT_ISOLATED) == ON,
        mode=details["IFLA_MACVLAN_MODE"] if kind == "macvlan" else "",
        learning=not is_port or port.get(PORT_LEARNING) == ON,  # as a port is made
        tunnel=_tunnel(details) if kind == "vxlan" else None,
        vlan=details["IFLA_VLAN_ID"] if kind == "vlan" else 0,
    )


def _text(content: bytes) -> str:
    return content.rstrip(b"\0").decode(errors="replace")


def _number(content: bytes | None) -> int:
    return int(NUMBER.unpack(content)[0]) if content else 0


def _details(answer: bytes) -> "_Attributes":
    """What is peculiar to the kind of a link."""
    about = _Attributes(_Attributes(decoded(ifinfmsg, answer))["IFLA_LINKINFO"])
    return _Attributes(about.get("IFLA_INFO_DATA"))


def _tunnel(told: "_Attributes") -> Vxlan:
    """A VXLAN link; its port is 0 unless it learns nothing, floods nowhere and answers ARP."""
    quiet = told.get("IFLA_VXLAN_PROXY") and not any(
        told.get(f"IFLA_VXLAN_{name}") for name in ("LEARNING", "GROUP", "GROUP6", "COLLECT_METADATA")
    )
    local = told.get("IFLA_VXLAN_LOCAL") or told.get("IFLA_VXLAN_LOCAL6") or "0.0.0.0"
    return Vxlan(told["IFLA_VXLAN_ID"], ip_address(local), told["IFLA_VXLAN_PORT"] if quiet else 0)


def read_namespace_number(answer: bytes) -> int:
    """The number of a namespace, -1 if it has none in the asking one."""
    number = decoded(nsidmsg, answer).get_attr("NETNSA_NSID")
    return -1 if number in (None, NO_NUMBER) else int(number)


def decoded(form: Any, answer: bytes) -> Any:
    """An answer as the pyroute2 message of that form."""
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
