"""The texts of hosts and resolv.conf, and edits that leave what a container wrote itself."""

from ipaddress import ip_address

import pytest

from fairlead.engine.hostfiles import LOOPBACK_HOSTS, edited, filtered, hosts_text, moved, own_names
from fairlead.model.container import HostsEntry
from fairlead.model.errors import Failed

GATEWAY = ip_address("172.17.0.1")


def entry(address: str, *names: str) -> HostsEntry:
    return HostsEntry(ip_address(address), names)


@pytest.mark.parametrize(
    ("hostname", "domain", "names"),
    [
        ("web", "", ("web",)),
        ("web", "example.com", ("web.example.com", "web")),
        ("web.example.com", "", ("web.example.com", "web")),
        ("a.b", "c", ("a.b.c", "a")),
    ],
)
def test_a_full_name_is_followed_by_its_first_part(
    hostname: str, domain: str, names: tuple[str, ...]
) -> None:
    assert own_names(hostname, domain) == names


def test_host_gateway_is_the_hosts_address_on_the_default_bridge() -> None:
    text = hosts_text([entry("10.0.0.2", "web")], ["up:host-gateway", "six:fd00::1"], GATEWAY)
    assert text == LOOPBACK_HOSTS + "172.17.0.1\tup\nfd00::1\tsix\n10.0.0.2\tweb\n"
    with pytest.raises(Failed, match="host-gateway"):
        hosts_text([], ["up:host-gateway"], None)


def test_an_edit_touches_our_own_lines_alone() -> None:
    text = "10.0.0.2\tweb\n10.0.0.2 web\n172.17.0.2\tweb\n10.2.2.2 mine"
    gone, come = [entry("10.0.0.2", "web")], [entry("10.3.0.2", "web")]
    assert edited(text, gone, come) == "10.0.0.2 web\n172.17.0.2\tweb\n10.2.2.2 mine\n10.3.0.2\tweb\n"
    assert edited("", gone, []) == ""


def test_a_link_moves_by_its_alias_alone() -> None:
    text = "172.17.0.2\tsite abc web\n172.17.0.2\tsites\n172.17.0.2\tother site\n"
    assert moved(text, "site", ip_address("172.17.0.9")) == (
        "172.17.0.9\tsite abc web\n172.17.0.2\tsites\n172.17.0.2\tother site\n"
    )


@pytest.mark.parametrize(
    ("text", "ipv6", "expected"),
    [
        ("# note\nnameserver 10.0.0.1\n", False, "# note\nnameserver 10.0.0.1\n"),
        ("nameserver 127.0.0.1\nnameserver 10.0.0.1\n", False, "nameserver 10.0.0.1\n"),
        ("nameserver fd00::1\nnameserver 10.0.0.1\n", False, "nameserver 10.0.0.1\n"),
        ("nameserver fd00::1\nnameserver 10.0.0.1\n", True, "nameserver fd00::1\nnameserver 10.0.0.1\n"),
        ("nameserver ::1\nsearch lan\n", False, "search lan\n\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
        (
            "# nameserver 10.0.0.1\n",
            False,
            "# nameserver 10.0.0.1\n\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n",
        ),
    ],
)
def test_servers_out_of_reach_are_left_out(text: str, ipv6: bool, expected: str) -> None:
    assert filtered(text, ipv6) == expected


def test_the_fallback_speaks_ipv6_where_the_container_does() -> None:
    assert "nameserver 2001:4860:4860::8888\n" in filtered("", True)
