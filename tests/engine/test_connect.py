"""Connecting: what an endpoint can be told of its own, running or not, and where the way out goes."""

import json
from typing import Any

import pytest

from fairlead.lab.host import Host

OPTION = "com.docker.network.endpoint."
BLUE = "docker network create --subnet 10.8.0.0/24 --ipv6 --subnet fd00:8::/64 blue"
WISHES = (
    "--ip 10.8.0.77 --ip6 fd00:8::77 --alias db --link-local-ip 169.254.9.9 --link-local-ip fe80::99 "
    f"--gw-priority 5 --driver-opt {OPTION}ifname=wan "
    # In quotes, since the client takes a comma for the end of an option.
    f"--driver-opt '\"{OPTION}sysctls=net.ipv4.conf.IFNAME.log_martians=1,"
    "net.ipv4.neigh.IFNAME.app_solicit=3\"'"
)


@pytest.fixture
def blue(clean: Host) -> Host:
    clean.run(f"{BLUE}; docker network create aside", check=True)
    return clean


def places(host: Host, container: str) -> Any:
    text = host.run(f"docker inspect -f '{{{{json .NetworkSettings.Networks}}}}' {container}", check=True)
    return json.loads(text.stdout)


@pytest.mark.parametrize("running", [True, False])
def test_an_endpoint_is_as_it_was_asked_for(blue: Host, running: bool) -> None:
    blue.run("docker run -d --name box --network aside busybox sleep 1000", check=True)
    if not running:
        blue.run("docker stop -t 0 box", check=True)
    blue.run(f"docker network connect {WISHES} blue box", check=True)
    if not running:
        blue.run("docker start box", check=True)
    shown = places(blue, "box")["blue"]
    assert (shown["IPAddress"], shown["GlobalIPv6Address"]) == ("10.8.0.77", "fd00:8::77")
    assert (shown["GwPriority"], shown["IPAMConfig"]["LinkLocalIPs"]) == (5, ["169.254.9.9", "fe80::99"])
    inside = blue.run("docker exec box sh -c 'ip addr show wan; ip route; ip -6 route'", check=True).stdout
    for words in (
        "10.8.0.77/24",
        "169.254.9.9/16",
        "fd00:8::77/64",
        "fe80::99/64",
        "default via 10.8.0.1 dev wan",
    ):
        assert words in inside
    assert "default via fd00:8::1 dev wan" in inside
    settings = "/proc/sys/net/ipv4/conf/wan/log_martians /proc/sys/net/ipv4/neigh/wan/app_solicit"
    assert blue.run(f"docker exec box cat {settings}").stdout.split() == ["1", "3"]
    assert "10.8.0.77" in blue.run("docker exec box cat /etc/hosts").stdout
    assert blue.run("docker run --rm --network blue busybox ping -c 2 -W 4 db").ok
    blue.run("docker restart -t 0 box", check=True)
    assert blue.run("docker exec box ls /sys/class/net").stdout.split() == ["eth0", "lo", "wan"]
    blue.run("docker network disconnect blue box", check=True)
    assert "dev eth0" in blue.run("docker exec box ip route show default || docker exec box ip route").stdout
    assert "10.8.0.77" not in blue.run("docker exec box cat /etc/hosts").stdout


def test_several_networks_at_run_have_macs_and_priorities_of_their_own(blue: Host) -> None:
    first = "--network name=aside,mac-address=02:aa:00:00:00:01"
    second = "--network name=blue,gw-priority=1,mac-address=02:aa:00:00:00:02,ip=10.8.0.9"
    blue.run(f"docker run -d --name box {first} {second} busybox sleep 1000", check=True)
    shown = places(blue, "box")
    assert shown["aside"]["MacAddress"] == "02:aa:00:00:00:01"
    assert shown["blue"]["MacAddress"] == "02:aa:00:00:00:02"
    route = blue.run("docker exec box ip route", check=True).stdout
    assert "default via 10.8.0.1 dev eth0" in route
    blue.run("docker network create --internal zone", check=True)
    blue.run("docker network connect --gw-priority 9 zone box", check=True)
    names = blue.run("docker exec box ls /sys/class/net").stdout.split()
    assert names == ["eth0", "eth1", "eth2", "lo"]


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (f"--driver-opt {OPTION}ifname=much-too-long-a-name", "cannot name an interface"),
        (f"--driver-opt {OPTION}ifname=eth0", "cannot name an interface eth0 on network blue: it is taken"),
        (f"--driver-opt {OPTION}sysctls=net.ipv4.ip_forward=1", "net.X.Y.IFNAME.Z=VALUE"),
        (f"--driver-opt {OPTION}sysctls=net.ipv4.conf.IFNAME.mtu", "net.X.Y.IFNAME.Z=VALUE"),
        (f"--driver-opt {OPTION}sysctls=net.ipv4.conf.IFNAME.nonsense=1", "no such setting"),
        ("--link-local-ip nonsense", "invalid link-local IP address: nonsense"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(blue: Host, wish: str, words: str) -> None:
    blue.run("docker run -d --name box --network aside busybox sleep 1000", check=True)
    result = blue.run(f"docker network connect {wish} blue box")
    assert not result.ok and words in result.stderr
    assert blue.run("docker exec box ls /sys/class/net").stdout.split() == ["eth0", "lo"]
    assert list(places(blue, "box")) == ["aside"]


def test_an_address_that_a_stopped_container_asked_for_is_not_handed_out(blue: Host) -> None:
    blue.run("docker create --name fixed --network blue --ip 10.8.0.2 --ip6 fd00:8::2 busybox sleep 1000")
    blue.run("docker run -d --name other --network blue busybox sleep 1000", check=True)
    shown = places(blue, "other")["blue"]
    assert (shown["IPAddress"], shown["GlobalIPv6Address"]) == ("10.8.0.3", "fd00:8::3")
    assert blue.run("docker start fixed").ok
    blue.run("docker network create --subnet 10.9.0.0/29 tiny", check=True)
    blue.run("docker create --name away --network tiny --ip 10.9.0.3 busybox sleep 1000", check=True)
    run = "docker run -d --network tiny busybox sleep 1000"
    assert [blue.run(run).ok for _ in range(6)] == [True] * 5 + [False], "where nothing else is left, it is"


def test_a_container_that_does_not_run_leaves_a_network_that_is_gone(blue: Host) -> None:
    blue.run("docker create --name box busybox sleep 1000; docker network connect aside box", check=True)
    blue.run("docker network rm aside", check=True)
    assert "network aside not found" in blue.run("docker start box").stderr
    blue.run("docker network disconnect aside box; docker start box", check=True)
    blue.run("docker start box", check=True)
    assert "network aside not found" in blue.run("docker network disconnect aside box").stderr


def test_a_container_that_does_not_run_waits_for_a_network_that_is_to_come(blue: Host) -> None:
    blue.run("docker create --name box busybox sleep 1000; docker network connect coming box", check=True)
    assert set(places(blue, "box")) == {"bridge", "coming"}
    assert "network coming not found" in blue.run("docker start box").stderr
    blue.run("docker network create --subnet 10.9.0.0/24 coming; docker start box", check=True)
    assert places(blue, "box")["coming"]["IPAddress"] == "10.9.0.2"
    assert "network never not found" in blue.run("docker network connect never box").stderr


def test_the_name_of_a_network_may_have_slashes(blue: Host) -> None:
    blue.run("docker network create --subnet 10.9.0.0/24 a/b", check=True)
    blue.run("docker run -d --name box --network aside busybox sleep 1000", check=True)
    blue.run("docker network connect a/b box", check=True)
    assert "10.9.0.2" in blue.run("docker network inspect a/b", check=True).stdout
    blue.run("docker network disconnect a/b box; docker network rm a/b", check=True)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("run --rm -p 8080:0 busybox true", "cannot publish port 0 of a container"),
        ("network create --ipam-driver absent n", 'plugin "absent" not found'),
        ("network create --ipam-driver null n", "ipv4 pool is empty"),
        ("network create --subnet 10.9.0.0/255.255.255.0 n", "Invalid subnet 10.9.0.0/255.255.255.0 : "),
        ("network create --scope swarm n", "cannot create a swarm scoped network when swarm is not active"),
        ("network create --ingress n", "Ingress network can only be global scope network"),
    ],
)
def test_what_there_is_not_is_refused(blue: Host, command: str, words: str) -> None:
    assert words in blue.run(f"docker {command}").stderr


def test_links_are_for_the_default_network(blue: Host) -> None:
    blue.run("docker run -d --name box --network aside busybox sleep 1000", check=True)
    words = "Cannot link to /box, as it does not belong to the default network"
    assert words in blue.run("docker run --rm --link box busybox true").stderr
    words = "conflicting options: host type networking can't be used with links"
    assert words in blue.run("docker run --rm --network host --link box busybox true").stderr
