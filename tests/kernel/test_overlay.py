"""Overlay networks on the real kernel: containers on several hosts, and what these send to each other."""

import os
from collections.abc import Sequence

import pytest

from fairlead.firewall.guards import tunnel_guards
from fairlead.model.config import Settings
from fairlead.model.host import FdbKey, LinkKey, NeighbourKey, NftKey, State, Vxlan
from fairlead.planner.overlay import overlay_namespace
from fairlead.planner.steps import absent, transition
from tests.kernel.overlay_hosts import NETWORK, Container, Lan, OverlayHost, inner, lan, network_state

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]

HOME = overlay_namespace(NETWORK)
WEB, DB = Container(2), Container(3)
BROADCAST = b"\xff" * 6
RECEIVE = "import socket; s = socket.create_server((%r, 80), family=socket.%s); print(flush=True); c = s.accept()[0]"


def on_hosts(places: Sequence[Sequence[Container]], hosts: Sequence[OverlayHost]) -> None:
    """Each host with its containers, and with the ways to the others'."""
    for here, host in enumerate(hosts):
        states: list[State] = [network_state(host.vtep)]
        for there, containers in enumerate(places):
            for each in containers:
                states.append(each.local() if here == there else each.remote(hosts[there].vtep))
        host.converge(*states)


def test_containers_on_two_hosts_reach_each_other_and_nothing_is_flooded() -> None:
    with lan(2) as net:
        on_hosts([[WEB], [DB]], net.hosts)
        one, two = net.hosts
        with net.seen(1) as frames:
            for address in ("10.0.0.3", "fd00::3"):
                assert one.reaches(WEB, address)  # the first packet arrives: nobody had to be asked
        assert {frame[:6].hex(":") for frame in inner(frames)} == {DB.endpoint.mac}
        assert two.reaches(DB, "10.0.0.2")
        _carries_whole_packets(net)
        _asks_nobody_for_who_is_not_there(net)
        _is_reached_over_tcp(net)


def _carries_whole_packets(net: Lan) -> None:
    one, _ = net.hosts
    for address, header in (("10.0.0.3", 20), ("fd00::3", 40)):
        most = 1450 - header - 8
        assert "1 received" in one.inside(WEB, f"ping -n -c 1 -W 5 -M do -s {most} {address}")
        with net.seen(1) as frames:
            too_large = one.inside(WEB, f"ping -n -c 1 -W 0.3 -M do -s {most + 1} {address}", check=False)
        assert "1 received" not in too_large
        assert inner(frames) == []


def _asks_nobody_for_who_is_not_there(net: Lan) -> None:
    one, _ = net.hosts
    with net.seen(1) as frames:
        assert not one.reaches(WEB, "10.0.0.99", patience=0.3)
        assert not one.reaches(WEB, "fd00::99", patience=0.3)
        one.inside(WEB, "ping -n -b -c 1 -W 0.3 10.0.0.255", check=False)
        one.inside(WEB, "ping -n -c 1 -W 0.3 ff02::1%eth0", check=False)
        one.inside(WEB, "ip neighbour replace 10.0.0.98 lladdr 02:42:0a:00:00:98 dev eth0")
        assert not one.reaches(WEB, "10.0.0.98", patience=0.3)  # a hardware address that nobody has
    assert inner(frames) == []


def _is_reached_over_tcp(net: Lan) -> None:
    one, two = net.hosts
    serve = (
        "import socket; s = socket.create_server(('::', 80), family=socket.AF_INET6, dualstack_ipv6=True)\n"
        "for _ in range(2):\n"
        "    c = s.accept()[0]; n = sum(map(len, iter(lambda: c.recv(65536), b'')))\n"
        "    c.sendall(str(n).encode()); c.close()\n"
    )
    send = (
        "import socket, sys; c = socket.create_connection((sys.argv[1], 80), 5); c.sendall(bytes(3_000_000))\n"
        "c.shutdown(socket.SHUT_WR); print(c.recv(100).decode())"
    )
    two.inside(DB, f'sh -c "setpriv --pdeathsig KILL python3 -c \\"{serve}\\" > /dev/null 2>&1 &"')
    two.inside(DB, "sh -c 'for i in $(seq 400); do ss -Htln | grep -q :80 && break; sleep 0.05; done'")
    for address in ("10.0.0.3", "fd00::3"):
        assert one.inside(WEB, f'python3 -c "{send}" {address}').strip() == "3000000"


def test_a_container_that_moved_to_another_host_is_reached_at_once() -> None:
    with lan(3) as net:
        on_hosts([[WEB], [DB], []], net.hosts)
        one, two, three = net.hosts
        assert one.reaches(WEB, "10.0.0.3")
        two.converge(transition(DB.local(), DB.remote(three.vtep)))
        three.converge(absent(DB.remote(two.vtep)), DB.local())
        assert one.converge(DB.remote(three.vtep)) == 1  # one entry is changed
        assert one.reaches(WEB, "10.0.0.3")
        assert one.reaches(WEB, "fd00::3")
        assert three.reaches(DB, "10.0.0.2")


def test_an_address_that_is_another_containers_now_is_reached_at_once() -> None:
    with lan(2) as net:
        on_hosts([[WEB], [DB]], net.hosts)
        one, two = net.hosts
        newer, newest = Container(3, mac="02:42:0a:00:00:33"), Container(3, mac="02:42:0a:00:00:34")
        for address in ("10.0.0.3", "fd00::3"):
            assert one.reaches(WEB, address)  # and remembers its hardware address
        two.converge(transition(DB.local(), newer.local()))
        one.converge(transition(DB.remote(two.vtep), newer.remote(two.vtep)))
        for address in ("10.0.0.3", "fd00::3"):
            assert one.reaches(WEB, address)
        two.converge(transition(newer.local(), newest.remote(one.vtep)))
        one.converge(transition(newer.remote(two.vtep), newest.local()))
        for address in ("10.0.0.3", "fd00::3"):
            assert one.reaches(WEB, address)
        assert one.surplus(network_state(one.vtep), WEB.local(), newest.local()) == set()


def test_entries_that_nobody_explains_are_found_and_go() -> None:
    with lan(2) as net:
        on_hosts([[WEB], [DB]], net.hosts)
        one, two = net.hosts
        explained = [network_state(one.vtep), WEB.local(), DB.remote(two.vtep)]
        assert one.surplus(*explained) == set()
        stale = "02:42:0a:00:00:42"
        bridge = f"ip netns exec {HOME} bridge fdb"
        one.run(f"{bridge} append 00:00:00:00:00:00 dev vxlan0 self dst 10.8.0.2")  # would flood
        one.run(f"{bridge} add {stale} dev vxlan0 self dst 10.8.0.9")
        one.run(f"ip -n {HOME} neighbour add 10.0.0.66 lladdr {stale} dev vxlan0 nud permanent")
        one.run(f"{bridge} append {DB.endpoint.mac} dev vxlan0 self dst 10.8.0.9")  # beside the right one
        surplus = one.surplus(*explained)
        assert {key.mac for key in surplus if isinstance(key, FdbKey)} == {"00:00:00:00:00:00", stale}
        assert {str(key.address) for key in surplus if isinstance(key, NeighbourKey)} == {"10.0.0.66"}
        one.converge(*explained, dict.fromkeys(surplus))
        assert one.surplus(*explained) == set()
        told = one.run(f"{bridge} show dev vxlan0").splitlines()
        assert [line for line in told if "10.8.0.9" in line] == []
        assert one.reaches(WEB, "10.0.0.3")


@pytest.mark.parametrize(("option", "what"), [("learning", "nolearning"), ("noproxy", "proxy")])
def test_a_tunnel_end_that_learns_or_does_not_answer_is_made_anew(option: str, what: str) -> None:
    with lan(2) as net:
        on_hosts([[WEB], [DB]], net.hosts)
        one, two = net.hosts
        one.run(f"ip -n {HOME} link delete vxlan0")
        others = "".join(f" {word}" for word in ("nolearning", "proxy") if word != what)
        one.run(
            f"ip link add vxlan0 netns {HOME} type vxlan id 4097 dstport 4789 local 10.8.0.1 {option}{others}"
        )
        assert one.converge(network_state(one.vtep), WEB.local(), DB.remote(two.vtep))
        assert f" {what} " in one.run(f"ip -n {HOME} -d link show vxlan0")
        assert one.reaches(WEB, "10.0.0.3")
        # Nor is one good whose packets are not the host's.
        one.run(f"ip -n {HOME} link delete vxlan0")
        one.run(
            f"ip -n {HOME} link add vxlan0 type vxlan id 4097 dstport 4789 local 10.8.0.1 nolearning proxy"
        )
        assert one.converge(network_state(one.vtep), WEB.local(), DB.remote(two.vtep))
        assert one.reaches(WEB, "10.0.0.3")


def test_a_host_with_another_address_goes_on() -> None:
    with lan(2) as net:
        on_hosts([[WEB], [DB]], net.hosts)
        one, two = net.hosts
        one.run("ip address add 10.8.0.101/24 dev eth0")
        one.run("ip address delete 10.8.0.1/24 dev eth0")
        one.vtep += 100
        assert one.converge(network_state(one.vtep)) == 1
        two.converge(WEB.remote(one.vtep))
        one.run("ip address add 10.8.0.101/24 dev eth0", check=False)
        assert one.reaches(WEB, "10.0.0.3")
        assert two.reaches(DB, "10.0.0.2")


def test_a_container_cannot_draw_anothers_traffic_to_itself() -> None:
    with lan(2) as net:
        on_hosts([[WEB, Container(4)], [DB]], net.hosts)
        one, two = net.hosts
        liar = Container(4)
        one.inside(liar, f"ip link set eth0 address {DB.endpoint.mac}")
        one.inside(liar, "ping -n -c 1 -W 0.3 10.0.0.2", check=False)
        assert one.reaches(WEB, "10.0.0.3")
        two.inside(DB, f"ip link set eth0 address {WEB.endpoint.mac}")
        two.inside(DB, "ping -n -c 1 -W 0.3 10.0.0.4", check=False)
        assert one.run(f"ip netns exec {HOME} bridge fdb show brport vxlan0").count(WEB.endpoint.mac) == 0


def test_only_the_other_hosts_reach_the_tunnel_and_no_container_does() -> None:
    with lan(2) as net:
        on_hosts([[WEB], [DB]], net.hosts)
        one, two = net.hosts
        for host in net.hosts:
            host.converge(tunnel_guards([each.vtep for each in net.hosts], Settings()))
        assert one.reaches(WEB, "10.0.0.3")
        assert two.reaches(DB, "10.0.0.2")
        net.node.run("ip address add 10.8.0.50/24 dev lan")
        send = "import socket; socket.socket(2, 2).sendto(bytes(60), (%r, 4789))"
        net.node.run(f'python3 -c "{send % "10.8.0.1"}"')  # somebody on the LAN
        assert _dropped(one) == 1
        # A container on a bridge of the host, to its own host and to another.
        one.converge({NftKey("bridges", '"br0"'): ""})
        for command in (
            "ip netns add stranger",
            "ip link add br0 type bridge",
            "ip link add s0 master br0 type veth peer name eth0 netns stranger",
            "ip address add 172.30.0.1/24 dev br0",
            "ip link set br0 up",
            "ip link set s0 up",
            "ip -n stranger address add 172.30.0.2/24 dev eth0",
            "ip -n stranger link set eth0 up",
            "ip -n stranger route add default via 172.30.0.1",
            "sysctl -qw net.ipv4.ip_forward=1",
        ):
            one.run(command)
        with net.seen(1) as frames:
            for address in ("10.8.0.1", "10.8.0.2"):
                one.run(f'ip netns exec stranger python3 -c "{send % address}"')
        assert _dropped(one) == 3
        assert inner(frames) == []


def _dropped(host: OverlayHost) -> int:
    return int(host.run("nft list counter inet fairlead tunnels").split("packets ")[1].split()[0])


def test_all_of_it_goes_and_comes_back_at_once() -> None:
    with lan(2) as net:
        on_hosts([[WEB], [DB]], net.hosts)
        one, two = net.hosts
        everything = [network_state(one.vtep), WEB.local(), DB.remote(two.vtep)]
        for _ in range(3):
            one.converge(*map(absent, everything))
            assert one.surplus() == set()
            one.converge(*everything)  # its VNI is free again
        assert one.reaches(WEB, "10.0.0.3")
        taken = {LinkKey("", "vxlan0"): Vxlan(4097, one.vtep, 4789)}
        with pytest.raises(AssertionError, match=f"link vxlan0 in namespace {HOME} has its VNI 4097"):
            one.converge(taken)
