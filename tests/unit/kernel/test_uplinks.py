"""Which link leads out of the host, read from the kernel's tables of routes."""

from fairlead.kernel.machine import uplinks4, uplinks6

HEAD = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
ETH0 = "eth0\t00000000\t016433C6\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
WLAN = "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
LAN = "eth1\t006433C6\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
LOW_HALF = "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
HIGH_HALF = "tun0\t00000080\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
NOWHERE = "*\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n"
ZERO = "0" * 32
ROUTE6 = (
    f"{ZERO} 00 {ZERO} 00 fe800000000000000000000000000001 00000400 00000001 00000000 00000003     eth0\n"
)
REJECT6 = f"{ZERO} 00 {ZERO} 00 {ZERO} ffffffff 00000001 00000000 00200200       lo\n"


def test_the_default_route_with_the_lowest_metric_leads_out() -> None:
    assert uplinks4(HEAD + WLAN + LAN + ETH0) == ["eth0"]


def test_a_vpn_takes_its_place_by_two_halves() -> None:
    assert set(uplinks4(HEAD + ETH0 + LOW_HALF + HIGH_HALF)) == {"eth0", "tun0"}


def test_a_host_without_a_way_out_has_none() -> None:
    assert uplinks4(HEAD + LAN + NOWHERE) == []
    assert uplinks6(REJECT6) == []


def test_the_way_out_may_be_ipv6s_alone() -> None:
    assert uplinks6(REJECT6 + ROUTE6) == ["eth0"]
