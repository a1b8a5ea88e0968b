"""The largest packet: containers take it from the link that leads out of the host, and follow it."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.lab.host import Host

SIZE = "cat /sys/class/net/eth0/mtu"


@pytest.fixture
def uplink(clean: Host) -> Iterator[Host]:
    """A host whose uplink has its usual size again afterwards."""
    yield clean
    clean.run("ip link set eth0 mtu 1500", check=True)


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.1)
    return condition()


def size(host: Host, container: str, link: str = "eth0") -> str:
    return host.run(f"docker exec {container} cat /sys/class/net/{link}/mtu").stdout.strip()


def test_running_containers_follow_the_uplink(uplink: Host) -> None:
    uplink.run("docker network create blue; docker network create -o com.docker.network.driver.mtu=1300 own")
    uplink.run("docker run -d --name box busybox sleep 1000; docker network connect blue box", check=True)
    uplink.run("docker run -d --name other --network own busybox sleep 1000", check=True)
    assert (size(uplink, "box"), size(uplink, "box", "eth1")) == ("1500", "1500")
    uplink.run("ip link set eth0 mtu 1400", check=True)
    assert until(lambda: size(uplink, "box") == size(uplink, "box", "eth1") == "1400")
    assert size(uplink, "other") == "1300"
    option = '{{index .Options "com.docker.network.driver.mtu"}}'
    assert uplink.run(f"docker network inspect -f '{option}' bridge").stdout == "1400\n"
    assert uplink.run(f"docker run --rm --network blue busybox {SIZE}").stdout == "1400\n"
    uplink.run("ip link set eth0 mtu 1500", check=True)
    assert until(lambda: size(uplink, "box") == "1500")


def test_a_default_route_that_moves_is_followed_also_while_no_daemon_runs(uplink: Host) -> None:
    uplink.run("docker run -d --name box busybox sleep 1000", check=True)
    uplink.kill_engine()
    uplink.run("ip link add tun0 mtu 1420 type veth peer name tun1; ip link set tun0 up; ip link set tun1 up")
    uplink.run("ip route add 0.0.0.0/1 dev tun0; ip route add 128.0.0.0/1 dev tun0", check=True)
    uplink.start_engine()
    assert until(lambda: size(uplink, "box") == "1420")
    uplink.run("ip link del tun0", check=True)
    assert until(lambda: size(uplink, "box") == "1500")


def test_a_network_with_larger_packets_than_the_uplink_is_warned_of(uplink: Host) -> None:
    # The docker CLI keeps the warning in the answer to itself.
    create = (
        f"{Path(sys.executable).with_name('fairlead')} network create -o com.docker.network.driver.mtu=9000"
    )
    assert "9000, is larger than the 1500" in uplink.run(f"{create} big", check=True).stderr
    assert uplink.run(f"{create} --internal inner", check=True).stderr == ""
    assert uplink.run(f"docker run --rm --network big busybox {SIZE}").stdout == "9000\n"
