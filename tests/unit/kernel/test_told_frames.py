"""What is encoded and decoded by hand for neighbours says the same as the libraries it stands in for."""

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address

from hypothesis import given
from hypothesis import strategies as some
from pyroute2.netlink.rtnl.ndmsg import NTF_MASTER, NTF_SELF, NTF_STICKY, NUD_NOARP, NUD_PERMANENT, ndmsg
from scapy.layers.inet6 import ICMPv6ND_NA, ICMPv6NDOptDstLLAddr, IPv6
from scapy.layers.l2 import ARP, Ether

from fairlead.kernel.announcing import announcement
from fairlead.kernel.neighbours import (
    delete_neighbour,
    forget,
    forward,
    forwarding_table,
    new_neighbour,
    read_neighbour,
)
from fairlead.kernel.netlink import HEADER

MACS = some.binary(min_size=6, max_size=6).map(lambda text: "02" + text.hex(":")[2:])


@given(some.ip_addresses(v=4), MACS)
def test_a_gratuitous_arp_reply(address: IPv4Address, mac: str) -> None:
    own, holder = str(address), mac
    reply = ARP(op="is-at", hwsrc=holder, psrc=own, hwdst=holder, pdst=own)
    assert announcement(address, mac) == bytes(Ether(src=mac, dst="ff:ff:ff:ff:ff:ff") / reply)


@given(some.ip_addresses(v=6), MACS)
def test_an_unsolicited_neighbour_advertisement(address: IPv6Address, mac: str) -> None:
    told = ICMPv6ND_NA(R=0, S=0, O=1, tgt=str(address)) / ICMPv6NDOptDstLLAddr(lladdr=mac)
    packet = IPv6(src=str(address), dst="ff02::1", hlim=255) / told
    assert announcement(address, mac) == bytes(Ether(src=mac, dst="33:33:00:00:00:01") / packet)


@given(some.ip_addresses(), MACS, some.integers(0, 255), some.booleans())
def test_an_entry_of_a_table(
    address: IPv4Address | IPv6Address, mac: str, state: int, of_bridge: bool
) -> None:
    message = ndmsg()
    message["family"] = 7
    message["state"] = state
    message["attrs"] = [("NDA_LLADDR", mac), ("NDA_DST", str(address))]
    if of_bridge:
        message["attrs"].append(("NDA_MASTER", 7))
    message.encode()
    entry = read_neighbour(bytes(message.data))
    assert (entry.mac, entry.address, entry.state, entry.of_bridge) == (mac, address, state, of_bridge)


@given(some.ip_addresses(), MACS, some.integers(1, 1 << 30))
def test_entries_as_they_are_told(address: IPv4Address | IPv6Address, mac: str, index: int) -> None:
    def told(message: bytes) -> tuple[dict[str, int], dict[str, object]]:
        read = ndmsg(HEADER.pack(HEADER.size + len(message), 0, 0, 0, 0) + message)
        read.decode()
        said = dict(read["attrs"])
        if "NDA_DST" in said:  # of some addresses there are several texts
            said["NDA_DST"] = ip_address(said["NDA_DST"])
        return {name: read[name] for name in ("family", "ifindex", "state", "flags")}, said

    def head(family: int, state: int = 0, flags: int = 0) -> dict[str, int]:
        return {"family": family, "ifindex": index, "state": state, "flags": flags}

    bridge, ip = socket.AF_BRIDGE, socket.AF_INET if address.version == 4 else socket.AF_INET6
    mine, place = {"NDA_LLADDR": mac}, {"NDA_DST": address}
    own, ports = (told(each.message) for each in forward(index, mac, address))
    assert own == (head(bridge, NUD_PERMANENT | NUD_NOARP, NTF_SELF), mine | place)
    assert ports == (head(bridge, NUD_NOARP, NTF_MASTER | NTF_STICKY), mine)
    gone = [told(each.message) for each in forget(index, mac)]
    assert gone == [(head(bridge, 0, NTF_MASTER), mine), (head(bridge, 0, NTF_SELF), mine)]
    assert told(new_neighbour(index, address, mac).message) == (head(ip, NUD_PERMANENT), mine | place)
    assert told(delete_neighbour(index, address).message) == (head(ip), place)


def test_an_entry_that_one_table_lacks_or_that_leads_to_several_hosts_is_seen() -> None:
    def entry(number: int, vtep: str | None, state: int = 0x80) -> bytes:
        message = ndmsg()
        message["state"] = state
        message["attrs"] = [("NDA_LLADDR", f"02:00:00:00:00:0{number}")]
        message["attrs"].append(("NDA_DST", vtep) if vtep else ("NDA_MASTER", 7))
        message.encode()
        return bytes(message.data)

    static, learned, its_own = 0x40, 0x02, 0x80
    found = [
        *(entry(1, vtep) for vtep in ("10.0.0.1", "10.0.0.2")),
        entry(1, None, static),
        entry(2, "10.0.0.1"),
        entry(2, None, learned),
        entry(3, None, static),
        entry(4, None, its_own),
    ]
    assert forwarding_table(list(map(read_neighbour, found))) == {
        "02:00:00:00:00:01": "10.0.0.1 10.0.0.2",
        "02:00:00:00:00:02": "",
        "02:00:00:00:00:03": "",
    }
