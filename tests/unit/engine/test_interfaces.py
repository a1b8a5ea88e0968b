"""What interfaces are called: stable, never twice the same, and as asked for."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface

import pytest

from fairlead.dockerapi.driver_options import check_driver_options
from fairlead.engine.interfaces import interface_names, interface_sysctls, link_local_interfaces
from fairlead.model.endpoint import INTERFACE_NAME, INTERFACE_SYSCTLS, Attachment
from fairlead.model.errors import InvalidParameter
from fairlead.model.network import INTERFACE_PREFIX, Network

PLAIN = Network("1" * 64, "plain", "bridge", 0, 1)
LAN = Network("2" * 64, "lan", "bridge", 0, 2, options={INTERFACE_PREFIX: "lan"})


def asking(name: str) -> Attachment:
    return Attachment("plain", driver_options={INTERFACE_NAME: name})


def test_each_prefix_counts_for_itself_and_no_number_is_used_twice() -> None:
    wishes = [(Attachment("plain"), PLAIN), (Attachment("lan"), LAN), (Attachment("plain"), PLAIN)]
    names, counts = interface_names(wishes, (), {})
    assert names == ["eth0", "lan0", "eth1"]
    later, _ = interface_names([(Attachment("plain"), PLAIN)], ["eth1"], counts)
    assert later == ["eth2"], "eth0 has been disconnected meanwhile"


def test_a_name_that_is_asked_for_is_not_given_to_another() -> None:
    names, _ = interface_names([(Attachment("plain"), PLAIN), (asking("eth0"), LAN)], (), {})
    assert names == ["eth1", "eth0"]
    with pytest.raises(InvalidParameter, match="eth0 on network plain: it is taken"):
        interface_names([(asking("eth0"), PLAIN)], ["eth0"], {})


def test_settings_and_further_addresses_are_those_of_the_interface() -> None:
    text = "net.ipv4.conf.IFNAME.log_martians=1, net.ipv6.neigh.ifname.retrans_time_ms=5"
    attachment = Attachment("plain", driver_options={INTERFACE_SYSCTLS: text})
    assert interface_sysctls(attachment, "eth0.7") == {
        "net/ipv4/conf/eth0.7/log_martians": "1",
        "net/ipv6/neigh/eth0.7/retrans_time_ms": "5",
    }
    local = Attachment("plain", link_local=(IPv4Address("169.254.9.9"), IPv6Address("fe80::9")))
    assert link_local_interfaces(local) == (IPv4Interface("169.254.9.9/16"), IPv6Interface("fe80::9/64"))


@pytest.mark.parametrize("name", ["lo", "a/b", "..", "much-too-long-names", "a b"])
def test_names_that_no_link_can_have_are_refused(name: str) -> None:
    with pytest.raises(InvalidParameter, match="cannot name an interface"):
        check_driver_options({INTERFACE_NAME: name})


@pytest.mark.parametrize(
    "setting",
    [
        "net.ipv4.ip_forward=1",
        "net.ipv4.conf.eth0.log_martians=1",
        "net.ipv4.conf.IFNAME.log_martians",
        "net.ipv4.conf.IFNAME...=1",
        "kernel.IFNAME.x.y=1",
    ],
)
def test_settings_that_are_not_the_interfaces_are_refused(setting: str) -> None:
    with pytest.raises(InvalidParameter, match="net.X.Y.IFNAME.Z=VALUE"):
        check_driver_options({INTERFACE_SYSCTLS: setting})
