"""Settings that change between two lives of the daemon: what is there follows them."""

from collections.abc import Iterator
from ipaddress import ip_address

import pytest

from fairlead.lab.host import Host


@pytest.fixture
def restarted(clean: Host) -> Iterator[Host]:
    """The host, whose engine has its ordinary settings again after the test."""
    yield clean
    clean.stop_engine()
    clean.start_engine()


def dnat(host: Host) -> list[str]:
    return host.run("iptables -t nat -S", check=True).stdout.splitlines()


def test_rules_follow_the_userland_proxy(restarted: Host) -> None:
    host = restarted
    host.run("docker run -d --name web -p 8080:80 web", check=True)
    before = dnat(host)
    host.stop_engine()
    host.start_engine("--userland-proxy=false")
    without = dnat(host)
    assert "-A DOCKER -p tcp -m tcp --dport 8080 -j DNAT --to-destination 172.17.0.2:80" in without
    assert "-A OUTPUT -m addrtype --dst-type LOCAL -j DOCKER" in without
    assert not [rule for rule in without if "127.0.0.0/8" in rule or "-i docker0" in rule]
    # Nothing but a proxy leads from IPv6 to a container without.
    host.run("docker restart -t 0 web", check=True)
    assert host.run("docker port web", check=True).stdout.splitlines() == ["80/tcp -> 0.0.0.0:8080"]
    assert host.run("curl -s -m 5 http://[::1]:8080/").code == 7
    assert host.run("curl -s -m 5 --retry 5 --retry-connrefused http://127.0.0.1:8080/", check=True).stdout
    host.stop_engine()
    host.start_engine()
    assert sorted(dnat(host)) == sorted(before)


def test_an_unused_docker0_moves_to_the_configured_blocks(restarted: Host) -> None:
    host = restarted
    host.stop_engine()
    host.start_engine("--default-address-pool", "base=10.80.0.0/16,size=24")
    assert "10.80.0.1/24" in host.run("ip -o -4 addr show docker0", check=True).stdout
    host.run("docker network create first", check=True)
    subnet = host.run("docker network inspect -f '{{(index .IPAM.Config 0).Subnet}}' first", check=True)
    assert subnet.stdout.strip() == "10.80.1.0/24"


def test_docker0_has_ipv6_where_the_daemon_is_told_so(restarted: Host) -> None:
    host = restarted
    host.run("docker run -d --name older busybox sleep 100", check=True)
    host.stop_engine()
    host.start_engine("--ipv6", "--fixed-cidr-v6", "fd00:99::/64")
    host.run("docker run -d --name web -p '[::1]:8080:80' web", check=True)
    wanted = "IPAddress MacAddress GlobalIPv6Address IPv6Gateway".split()
    template = " ".join(f"{{{{.NetworkSettings.{each}}}}}" for each in wanted)
    shown = host.run(f"docker inspect -f '{template}' web", check=True).stdout.split()
    own = str(ip_address("fd00:99::") + int(shown[1].replace(":", ""), 16))
    assert shown[2:] == [own, "fd00:99::1"]
    assert own in host.run("docker exec web ip -6 addr show eth0", check=True).stdout
    assert host.run("curl -s -m 5 --retry 5 --retry-connrefused http://[::1]:8080/", check=True).stdout
    host.stop_engine()
    host.start_engine()
    # Who has an IPv6 address loses its place with the subnet; who has none keeps it.
    assert "fd00:99" not in host.run("ip -6 addr show docker0", check=True).stdout
    assert host.run("docker exec older ip -4 addr show eth0", check=True).stdout
    assert not host.run("docker exec web ip addr show eth0").ok
    host.run("docker restart -t 0 web", check=True)
    assert shown[0] in host.run("docker exec web ip addr show eth0", check=True).stdout


def test_containers_on_docker0_leave_by_the_routers_that_the_daemon_names(restarted: Host) -> None:
    host = restarted
    flags = ("--bip", "10.81.0.1/24", "--ipv6", "--fixed-cidr-v6", "fd00:99::/64")
    host.stop_engine()
    for wrong in ("--default-gateway=10.82.0.9", "--default-gateway-v6=fd00:98::9"):
        with pytest.raises(Exception, match="must belong to the master pool"):
            host.start_engine(*flags, wrong)
    host.start_engine(
        *flags,
        "--default-gateway=10.81.0.9",
        "--default-gateway-v6=fd00:99::9",
        "--host-gateway-ip=10.81.0.77",
        "--default-network-opt=bridge=com.docker.network.driver.mtu=1333",
    )
    command = "ip route show default; ip -6 route show default; grep outside /etc/hosts"
    shown = host.run(f"docker run --rm --add-host outside:host-gateway busybox sh -c '{command}'", check=True)
    assert "default via 10.81.0.9 dev eth0" in shown.stdout
    assert "default via fd00:99::9 dev eth0" in shown.stdout
    assert "10.81.0.77\toutside" in shown.stdout
    host.run("docker network create own", check=True)
    link = host.run("docker run --rm --network own busybox ip link show eth0", check=True).stdout
    assert "mtu 1333" in link


def test_bridge_says_that_nobody_masquerades_without_iptables(restarted: Host) -> None:
    host = restarted
    host.stop_engine()
    host.start_engine("--iptables=false")
    shown = host.run("docker network inspect -f '{{json .Options}}' bridge", check=True).stdout
    assert '"com.docker.network.bridge.enable_ip_masquerade":"false"' in shown


def test_the_next_network_brings_back_the_users_chain(clean: Host) -> None:
    clean.run(
        "iptables -D FORWARD -j DOCKER-USER; iptables -F DOCKER-USER; iptables -X DOCKER-USER", check=True
    )
    clean.run("docker network create next", check=True)
    assert (
        clean.run("iptables -S DOCKER-USER", check=True).stdout.split("\n")[1] == "-A DOCKER-USER -j RETURN"
    )
    assert clean.run("iptables -S FORWARD 1", check=True).stdout.strip() == "-A FORWARD -j DOCKER-USER"


def test_what_an_image_exposes_is_no_option_of_the_container(clean: Host) -> None:
    clean.run("docker run -d --name parent busybox sleep 100", check=True)
    clean.run("docker run -d --name child --network container:parent web", check=True)
    refused = clean.run("docker run -d --network container:parent --expose 99 busybox sleep 1")
    assert "port exposing and the container type network mode" in refused.stderr


def test_the_address_for_published_ports_is_docker0s_alone(restarted: Host) -> None:
    host = restarted
    host.stop_engine()
    host.start_engine("--ip", "127.0.0.1")
    host.run("docker network create own", check=True)
    host.run("docker run -d --name first -p 8080:80 web", check=True)
    host.run("docker run -d --name second --network own -p 8081:80 web", check=True)
    assert host.run("docker port first", check=True).stdout.split() == ["80/tcp", "->", "127.0.0.1:8080"]
    assert "0.0.0.0:8081" in host.run("docker port second", check=True).stdout
