"""Hosts with a firewall of their own: theirs stays as it is, and what Docker's users expect works.

One host has the chains that ufw makes, another an nftables table of its own.
"""

import os
import time
from collections.abc import Iterator

import pytest

from fairlead.lab import addresses, images
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

UFW = """\
*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:ufw-before-input - [0:0]
:ufw-after-input - [0:0]
:ufw-before-forward - [0:0]
:ufw-user-forward - [0:0]
:ufw-after-forward - [0:0]
-A INPUT -j ufw-before-input
-A INPUT -j ufw-after-input
-A FORWARD -j ufw-before-forward
-A FORWARD -j ufw-user-forward
-A FORWARD -j ufw-after-forward
-A ufw-before-input -i lo -j ACCEPT
-A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-before-input -p icmp -j ACCEPT
-A ufw-before-input -p tcp -m tcp --dport 22 -j ACCEPT
-A ufw-before-forward -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A ufw-user-forward -s 192.0.2.0/24 -j DROP
-A ufw-after-forward -m limit --limit 3/min -j RETURN
COMMIT
"""
THEIRS = ["-j ufw-before-forward", "-j ufw-user-forward", "-j ufw-after-forward"]

NFT = """
table inet theirs {
    chain forward {
        type filter hook forward priority 0; policy drop;
        ct state established,related accept
        iifname "docker0" accept
        ct status dnat accept
    }
}
table ip their_nat {
    chain postrouting {
        type nat hook postrouting priority srcnat; policy accept;
        ip saddr 172.16.0.0/12 oifname "eth0" masquerade
    }
}
"""
FROM_WEB = "ip netns exec web curl -sf -m 3 -o /dev/null http://"
CHANGES = (
    "docker network create --subnet 10.9.0.0/24 blue",
    "docker run -d --name other --network blue -p 9090:80 web",
    "docker rm -f other",
    "docker network rm blue",
)


@pytest.fixture(scope="module")
def hosts() -> Iterator[Lab]:
    """Two hosts whose firewalls were there first."""
    with Lab(f"coexistence-{os.getpid()}", hosts=2) as made:
        one, other = made.hosts
        one.run("iptables-restore", input=UFW, check=True)
        other.run("nft -f -", input=NFT, check=True)
        other.run("sysctl -qw net.ipv4.ip_forward=1", check=True)
        for host in made.hosts:
            host.start_engine()
            for archive in (images.busybox(), images.web()):
                host.run("docker load -q", input=archive, check=True)
            host.run("docker run -d --name web -p 8080:80 web", check=True)
        yield made
        for host in made.hosts:
            host.stop_engine()


def forward(host: Host) -> list[str]:
    """The rules of FORWARD, in their order."""
    lines = host.run("iptables-save -t filter", check=True).stdout.splitlines()
    return [line.removeprefix("-A FORWARD ") for line in lines if line.startswith("-A FORWARD ")]


def theirs(host: Host) -> list[str]:
    """All that is not Docker's: policies and rules of others, in their order."""
    lines = host.run("iptables-save -t filter", check=True).stdout.splitlines()
    return [
        line.partition(" [")[0]
        for line in lines
        if "ufw" in line or line.startswith((":INPUT", ":FORWARD", "-A DOCKER-USER"))
    ]


def fetched(where: Host, address: str) -> bool:
    """Whether the page of the container comes; asked again, since a limit of time may just have been met."""
    return any(where.run(f"curl -sf -m 3 http://{address} >/dev/null").ok for _ in range(2))


def test_published_ports_pass_ufw_and_the_hosts_own_do_not(hosts: Lab) -> None:
    host = hosts.host(1)
    host.start(["python3", "-m", "http.server", "7000"])
    limit = time.monotonic() + 10
    while not fetched(host, "127.0.0.1:7000") and time.monotonic() < limit:
        time.sleep(0.05)
    assert fetched(hosts.outside, f"{host.address}:8080")
    assert fetched(host, "127.0.0.1:8080")
    assert not hosts.outside.run(f"curl -sf -m 1 http://{host.address}:7000").ok
    assert host.run(FROM_WEB + addresses.INTERNET).ok
    assert not host.run(f"{FROM_WEB}172.17.0.1:7000").ok


def test_rules_of_ufw_keep_their_order_whatever_changes(hosts: Lab) -> None:
    host = hosts.host(1)
    # A rule of the user's own, and one that somebody puts before everything.
    host.run("iptables -I DOCKER-USER -s 192.0.2.7/32 -j DROP; iptables -I FORWARD -s 192.0.2.9/32 -j DROP")
    before = theirs(host)
    for change in (*CHANGES, "restart"):
        if change == "restart":
            host.stop_engine()
            host.start_engine()
        else:
            host.run(change, check=True)
        rules = forward(host)
        assert theirs(host) == before
        assert rules[:2] == ["-j DOCKER-USER", "-j DOCKER-ISOLATION-STAGE-1"], change
        assert [text for text in rules if text in THEIRS] == THEIRS
        assert rules.count("-s 192.0.2.9/32 -j DROP") == 1
        # What networks accept stands before what ufw drops.
        assert rules.index("-o docker0 -j DOCKER") < rules.index(THEIRS[0])
    assert "-P FORWARD DROP" in host.run("iptables -S FORWARD").stdout
    assert fetched(hosts.outside, f"{host.address}:8080")


def test_docker_user_decides_about_published_ports(hosts: Lab) -> None:
    host = hosts.host(1)
    ban = f"DOCKER-USER -s {addresses.GATEWAY}/32 -p tcp -m tcp --dport 80 -j DROP"
    host.run(f"iptables -I {ban}", check=True)
    assert not hosts.outside.run(f"curl -sf -m 1 http://{host.address}:8080").ok
    host.run(f"iptables -D {ban}", check=True)
    assert fetched(hosts.outside, f"{host.address}:8080")


def test_a_table_of_somebody_elses_stays_as_it_is(hosts: Lab) -> None:
    host = hosts.host(2)
    show = "nft list table inet theirs; nft list table ip their_nat"
    before = host.run(show, check=True).stdout
    assert fetched(hosts.outside, f"{host.address}:8080")
    assert host.run(FROM_WEB + addresses.INTERNET).ok
    for change in CHANGES:
        host.run(change, check=True)
        assert host.run(show, check=True).stdout == before
    host.stop_engine()
    host.start_engine()
    assert host.run(show, check=True).stdout == before
    assert fetched(hosts.outside, f"{host.address}:8080")


def test_their_drop_is_final_as_with_docker(hosts: Lab) -> None:
    """An accept of ours cannot overrule it; what the host itself asks for is not forwarded."""
    host = hosts.host(2)
    handle = host.run(
        "nft -a list chain inet theirs forward | grep 'status dnat' | sed 's/.*handle //'"
    ).stdout
    host.run(f"nft delete rule inet theirs forward handle {handle}", check=True)
    assert not hosts.outside.run(f"curl -sf -m 1 http://{host.address}:8080").ok
    assert fetched(host, "127.0.0.1:8080")
    host.run("nft add rule inet theirs forward ct status dnat accept", check=True)
    assert fetched(hosts.outside, f"{host.address}:8080")


def test_a_host_that_forwarded_before_goes_on_accepting(hosts: Lab) -> None:
    """FORWARD drops by default only where the engine itself had to switch forwarding on."""
    assert "-P FORWARD ACCEPT" in hosts.host(2).run("iptables -S FORWARD").stdout
