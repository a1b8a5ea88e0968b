"""A bridge that was there before is used as it is, and given back as it was."""

import time
from collections.abc import Callable, Iterator

import pytest

from fairlead.lab.host import Host

NAMED = "-o com.docker.network.bridge.name=br0"
MADE = """
ip link add br0 type bridge; ip addr add 10.77.0.254/24 dev br0; ip addr add 10.78.0.1/24 dev br0
ip link add p0 type veth peer name p1; ip link set p0 master br0; ip link set p0 up; ip link set p1 up
ip link set br0 up
"""
STATE = (
    "ip -br -4 addr show br0; ip -br link show br0; cat /proc/sys/net/ipv4/conf/br0/route_localnet "
    "/proc/sys/net/ipv6/conf/br0/accept_ra; ls /sys/class/net/br0/brif; iptables-save | grep br0"
)


@pytest.fixture
def own(clean: Host) -> Iterator[Host]:
    """A host with a bridge of the user's, br0, with two addresses and a port."""
    clean.run(MADE, check=True)
    yield clean
    clean.run(
        "docker ps -aq | xargs -r docker rm -f; docker network prune -f; ip link del br0; ip link del p0"
    )


def state(host: Host) -> str:
    return host.run(STATE).stdout


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.1)
    return condition()


def test_it_is_used_as_it_is_and_stays(own: Host) -> None:
    before = state(own)
    own.run(f"docker network create {NAMED} adopted", check=True)
    config = own.run("docker network inspect -f '{{json .IPAM.Config}}' adopted").stdout
    assert config == '[{"Subnet":"10.77.0.0/24","Gateway":"10.77.0.254"}]\n'
    own.run("docker run -d --name box --network adopted -p 8080:80 web", check=True)
    assert own.run("ip -br link show br0; ls /sys/class/net/br0/brif").stdout.count("p0") == 1
    for place in ("127.0.0.1:8080", "10.77.0.1"):
        assert "It works" in own.run(f"curl -s -m 5 http://{place}/").stdout
    own.run("docker rm -f box; docker network rm adopted", check=True)
    assert state(own) == before


def test_what_it_is_given_is_taken_away_again(own: Host) -> None:
    own.run("ip link set br0 down", check=True)
    before = state(own)
    own.run(f"docker network create {NAMED} --subnet 10.79.0.0/24 adopted", check=True)
    assert own.run("ip -br -4 addr show br0").stdout.split()[1:] == [
        "UP",
        "10.77.0.254/24",
        "10.78.0.1/24",
        "10.79.0.1/24",
    ]
    own.kill_engine()
    own.start_engine()
    own.run("docker network rm adopted", check=True)
    assert state(own) == before


@pytest.mark.parametrize("point", ["record pending", "bridge made"])
def test_a_kill_while_it_is_taken_into_use_leaves_it_as_it_was(
    own: Host, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(own)
    own.stop_engine()
    monkeypatch.setenv("FAIRLEAD_FAULT", f"network create: {point}")
    own.start_engine()
    assert not own.run(f"docker network create {NAMED} --subnet 10.79.0.0/24 adopted").ok
    monkeypatch.delenv("FAIRLEAD_FAULT")
    own.kill_engine()
    own.start_engine()
    assert state(own) == before
    assert own.run("docker network ls -q | wc -l").stdout.strip() == "3"


def test_containers_are_back_on_it_when_it_comes_back(own: Host) -> None:
    own.run(f"docker network create {NAMED} adopted", check=True)
    own.run("docker run -d --name box --network adopted busybox sleep 1000", check=True)
    own.run("ip link del br0", check=True)
    own.kill_engine()
    own.start_engine()
    assert "docker0" in own.run("ip -br link show type bridge").stdout
    assert not own.run("ip link show br0").ok, "it is not ours to make"
    assert "to bridge br0: there is no link br0" in own.run("docker restart -t 0 box").stderr
    own.run(MADE, check=True)
    assert own.run("docker start box").ok
    assert own.run("docker exec box ping -c 2 -W 4 10.77.0.254").ok
    own.run(f"ip link del br0; {MADE}", check=True)
    # The container may go on for up to 45 seconds to believe in the hardware address of the bridge before.
    assert until(lambda: own.run("docker exec box ping -c 1 -W 1 10.77.0.254").ok, 60)


def test_the_default_network_may_be_on_it(own: Host) -> None:
    before = state(own)
    own.stop_engine()
    own.start_engine("-b", "br0")
    own.run("docker run -d --name box -p 8080:80 web", check=True)
    assert own.run("docker exec box ip route").stdout.startswith("default via 10.77.0.254 dev eth0")
    own.kill_engine()
    own.start_engine("-b", "br0")
    assert "It works" in own.run(f"curl -s -m 5 http://{own.address}:8080/").stdout
    own.run("docker rm -f box", check=True)
    own.stop_engine()
    own.start_engine()
    assert state(own) == before
    assert own.run("docker run --rm busybox ip route").stdout.startswith("default via 172.17.0.1")


def test_a_default_bridge_that_is_not_there_is_refused(own: Host) -> None:
    own.stop_engine()
    with pytest.raises(Exception, match="bridge device with non default name br7 must be created manually"):
        own.start_engine("-b", "br7")
    own.start_engine()
