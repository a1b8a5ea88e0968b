"""Every code of `fairlead doctor` is told for what it is about, and for nothing else."""

from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from fairlead.explain.checks import CHECKS, as_document, as_table, examine
from fairlead.model.condition import Condition, Filled, NetworkFacts, RouteFacts

DOCUMENT = Path(__file__).parents[3] / "docs" / "doctor.md"
BRIDGE = (NetworkFacts("bridge", "docker0", (ip_network("172.17.0.0/16"),), 1500),)
SERVER = ("192.0.2.53",)
HEADS = ("-j DOCKER-USER", "-j DOCKER-ISOLATION-STAGE-1")


def host(**different: object) -> Condition:
    """A host where all is well, but for what is different."""
    usual: dict[str, object] = {
        "networks": BRIDGE,
        "bridges": ("docker0",),
        "name_servers": SERVER,
        "settings": {"net.ipv4.ip_forward": "1", "net.ipv4.conf.all.rp_filter": "1"},
        "forward_rules": (*HEADS, "-i eth0 -j DROP"),
        "forward_policy": "DROP",
        "routes": (
            RouteFacts(ip_network("172.17.0.0/16"), "docker0"),
            RouteFacts(ip_network("0.0.0.0/1"), "tun0"),
            RouteFacts(ip_network("198.51.100.0/24"), "eth0"),
        ),
        "default_links": ("eth0",),
        "uplink_mtu": 1500,
        "tracked": Filled(10, 100),
        "most_files": 1 << 20,
    }
    return Condition(**(usual | different))  # type: ignore[arg-type]


WRONG = {
    "FL101": (host(daemon="Cannot connect"), "Cannot connect"),
    "FL102": (host(missing_programs=("crun or runc",)), "crun or runc"),
    "FL103": (host(missing_features=("br_netfilter",)), "br_netfilter"),
    "FL201": (host(settings={"net.ipv4.ip_forward": "0"}), "forwarding is off"),
    "FL202": (host(ipv6_bridges=("docker0",), settings={"net.ipv6.conf.all.forwarding": "0"}), "IPv6"),
    "FL203": (host(default_links=("eth0", "eth1")), "Reverse path"),
    "FL204": (host(settings={"net.bridge.bridge-nf-call-iptables": "0"}), "Bridged"),
    "FL205": (host(forward_rules=("-i docker0 -j DROP", *HEADS)), "-i docker0 -j DROP"),
    "FL206": (host(forward_rules=()), "policy of FORWARD"),
    "FL207": (host(closed_chains=("table inet firewalld, chain filter_FORWARD",)), "firewalld"),
    "FL301": (
        host(routes=(RouteFacts(ip_network("172.16.0.0/12"), "tun0"),), tunnels=("tun0",)),
        "172.17.0.0/16 of network bridge and 172.16.0.0/12 by tun0, a VPN",
    ),
    "FL302": (host(uplink_mtu=1400), "bridge (1500 bytes, the way out 1400)"),
    "FL303": (host(network_manager=True), "NetworkManager"),
    "FL304": (host(networkd_files=("/etc/systemd/network/all.network",)), "all.network"),
    "FL401": (host(tracked=Filled(80, 100)), "80 of 100"),
    "FL402": (host(neighbours=Filled(1000, 1024)), "1000 of 1024"),
    "FL403": (host(watchers=Filled(120, 128)), "120 of 128"),
    "FL404": (host(files=Filled(9, 10)), "9 of 10"),
    "FL405": (host(most_files=1024), "1024"),
    "FL501": (host(name_servers=("127.0.0.11",)), "127.0.0.11"),
    "FL502": (host(name_servers=("192.0.2.9",), own_addresses=(ip_address("192.0.2.9"),)), "192.0.2.9"),
    "FL503": (host(name_servers=()), "no name server"),
    "FL601": (
        host(wanted_ports=((("tcp", 80), "web"),), taken_ports=frozenset({("tcp", 80)})),
        "80/tcp of container web",
    ),
}


def test_a_sound_host_has_nothing() -> None:
    assert examine(host()) == []
    assert as_document([]) == {"Sound": True, "Findings": []}


def test_every_code_has_a_case() -> None:
    assert list(WRONG) == [check.code for check in CHECKS]


@pytest.mark.parametrize("code", WRONG)
def test_what_is_wrong_is_told_with_its_code_alone(code: str) -> None:
    condition, words = WRONG[code]
    (complaint,) = examine(condition)
    assert complaint.code == code
    assert words in complaint.sentence
    assert complaint.sentence.endswith(".")
    assert as_document([complaint])["Sound"] == (complaint.severity == "warning")


def test_a_name_server_in_a_network_of_ours_is_ourselves() -> None:
    (complaint,) = examine(host(name_servers=("172.17.0.5",)))
    assert complaint.code == "FL501"


def test_a_name_server_of_ones_own_may_be_there() -> None:
    found = host(name_servers=("127.0.0.53",), taken_ports=frozenset({("udp", 53)}))
    assert examine(found) == []


def test_the_document_has_the_table() -> None:
    assert as_table() in DOCUMENT.read_text()
