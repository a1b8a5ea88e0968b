"""What is asked of the kernel for a VLAN, and what it tells of one, where the kernel at hand may have none."""

from typing import Any

from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg

from fairlead.kernel.messages import new_vlan, read_link


def told(message: Any, **more: Any) -> bytes:
    """The message as the kernel would tell it, with further attributes."""
    message["index"] = 7
    message["attrs"] = [*message["attrs"], *more.items()]
    message.encode()
    return bytes(message.data)


def test_what_is_asked_for_is_read_again() -> None:
    link = read_link(told(new_vlan("eth0.50", 3, 50).message, IFLA_MTU=1500))
    assert (link.index, link.name, link.kind, link.peer, link.vlan) == (7, "eth0.50", "vlan", 3, 50)


def test_other_links_have_no_vlan() -> None:
    message = ifinfmsg()
    message["attrs"] = [("IFLA_IFNAME", "eth0")]
    assert read_link(told(message, IFLA_MTU=1500)).vlan == 0
