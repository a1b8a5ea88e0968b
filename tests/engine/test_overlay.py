"""Networks over several hosts with a real etcd: paths, names, and what goes on when something is away."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fairlead.engine.cluster.sessions import RARELY, REPAIR
from fairlead.lab import images
from fairlead.lab.etcd import Etcd
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

QUICK = ("--cluster-store-opt", "discovery.ttl=3")  # a silent host is taken for dead after 3 seconds


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(f"overlay-{os.getpid()}", hosts=2) as made:
        yield made


@pytest.fixture(scope="module")
def etcd(lab: Lab) -> Etcd:
    made = Etcd(lab.hosts, 1)
    made.start()
    return made


@pytest.fixture(scope="module")
def pair(lab: Lab, etcd: Etcd) -> Iterator[tuple[Host, Host]]:
    """Two hosts with engines in one cluster, and the network demo."""

    def start(host: Host) -> None:
        host.start_engine(*etcd.engine_flags, *QUICK)
        for archive in (images.busybox(), images.web()):
            host.run("docker load -q", input=archive, check=True)

    with ThreadPoolExecutor() as threads:
        list(threads.map(start, lab.hosts))
    one, two = lab.hosts
    one.run("docker network create -d overlay --subnet 10.50.0.0/24 demo", check=True)
    until(lambda: two.run("docker network inspect demo").ok)
    yield one, two
    for host in lab.hosts:
        host.stop_engine()


@pytest.fixture
def clean(pair: tuple[Host, Host]) -> Iterator[tuple[Host, Host]]:
    """The same, emptied of containers after the test."""
    yield pair
    for host in pair:
        host.run("docker ps -aq | xargs -r docker rm -f")
    until(lambda: members(pair[0]) == members(pair[1]) == {})


def until(holds: Callable[[], object], limit: float = 15.0) -> None:
    """Wait for what must come."""
    end = time.monotonic() + limit
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.1)


def members(host: Host) -> dict[str, str]:
    """The addresses of the network demo's members by name, on all hosts."""
    found = json.loads(host.run("docker network inspect demo", check=True).stdout)[0]["Containers"]
    return {each["Name"]: each["IPv4Address"] for each in found.values()}


def reaches(host: Host, container: str, target: str) -> bool:
    return host.run(f"docker exec {container} ping -c 1 -W 1 {target}").ok


def go_on(pid: int) -> None:
    """Let a stopped process run again, and the one around it: nsenter stops when what it started does."""
    parent = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    for each in (pid, parent):
        os.kill(each, signal.SIGCONT)


def test_containers_reach_each_other_by_address_and_name(clean: tuple[Host, Host], lab: Lab) -> None:
    one, two = clean
    one.run("docker run -d --name c1 --network demo busybox sleep 1000", check=True)
    two.run("docker run -d --name c2 --network demo --network-alias site -p 8080:80 web", check=True)
    until(lambda: len(members(one)) == len(members(two)) == 2)
    assert members(one) == {"c1": "10.50.0.2/24", "c2": "10.50.0.3/24"} == members(two)
    assert reaches(one, "c1", "10.50.0.3")
    assert reaches(one, "c1", "c2")
    assert reaches(one, "c1", "site")
    # Its way out, and in, is docker_gwbridge.
    assert "It works" in lab.outside.run(f"curl -s -m 3 {two.address}:8080", check=True).stdout
    assert one.run("docker exec c1 ping -c 2 -W 4 203.0.113.10").ok
    shown = json.loads(two.run("docker inspect c2", check=True).stdout)[0]["NetworkSettings"]
    assert list(shown["Networks"]) == ["demo"]
    assert shown["Networks"]["demo"]["Gateway"] == ""
    assert shown["Ports"]["80/tcp"][0]["HostPort"] == "8080"
    two.run("docker rename c2 other", check=True)
    until(lambda: reaches(one, "c1", "other"))
    two.run("docker restart -t 0 other", check=True)
    until(lambda: reaches(one, "c1", "other"))
    result = one.run("docker network rm demo")
    assert "has active endpoints" in result.stderr
    two.run("docker stop -t 0 other", check=True)
    until(lambda: not reaches(one, "c1", "other"))


def test_networks_come_and_go_at_run_time(clean: tuple[Host, Host]) -> None:
    one, two = clean
    one.run("docker network create -d overlay --internal inner", check=True)
    until(lambda: two.run("docker network inspect inner").ok)
    one.run("docker run -d --name c1 --network inner busybox sleep 1000", check=True)
    two.run("docker run -d --name c2 busybox sleep 1000", check=True)
    links = "docker exec c1 ip -o -4 addr show | awk '{print $2}' | xargs"
    assert one.run(links).stdout == "lo eth0\n"
    assert not one.run("docker exec c1 ping -c 1 -W 1 203.0.113.10").ok
    two.run("docker network connect inner c2", check=True)
    until(lambda: reaches(one, "c1", "c2"))
    one.run("docker network connect demo c1", check=True)
    assert one.run(links).stdout == "lo eth0 eth1 eth2\n"
    assert one.run("docker exec c1 ping -c 2 -W 4 203.0.113.10").ok
    one.run("docker network disconnect demo c1", check=True)
    assert one.run(links).stdout == "lo eth0\n"
    two.run("docker network disconnect inner c2", check=True)
    until(lambda: not reaches(one, "c1", "c2"))
    one.run("docker rm -f c1", check=True)
    two.run("docker network rm inner", check=True)
    until(lambda: not one.run("docker network inspect inner").ok)
    assert one.run("ip netns list").stdout == ""


def test_without_etcd_all_that_exists_goes_on(clean: tuple[Host, Host], etcd: Etcd) -> None:
    one, two = clean
    one.run("docker run -d --name c1 --network demo busybox sleep 1000", check=True)
    two.run("docker run -d --name c2 --network demo busybox sleep 1000", check=True)
    two.run("docker run -d --name c3 --network demo busybox sleep 1000", check=True)
    until(lambda: len(members(one)) == 3)
    etcd.kill(one)
    try:
        until(lambda: "is away" in one.run("docker network create -d overlay late").stderr)
        assert "is away" in one.run("docker run --rm --network demo busybox true").stderr
        assert "is away" in one.run("docker restart -t 0 c1").stderr
        assert reaches(one, "c1", "c2")  # it was not even stopped
        one.run("docker run --rm busybox true", check=True)
        one.run("docker network create local && docker network rm local", check=True)
        two.stop_engine()
        two.start_engine(*etcd.engine_flags, *QUICK)
        assert reaches(one, "c1", "c2")
        assert reaches(two, "c2", "c1")
        two.run("docker rm -f c3", check=True)
    finally:
        etcd.start_member(one)
        etcd.wait(one)
    until(lambda: members(one) == members(two) == {"c1": "10.50.0.2/24", "c2": "10.50.0.3/24"})
    assert reaches(one, "c1", "c2")
    two.run("docker run -d --name c4 --network demo busybox sleep 1000", check=True)
    assert members(two)["c4"] == "10.50.0.4/24"


def test_a_host_that_was_away_too_long_yields_what_is_not_its_own_any_more(clean: tuple[Host, Host]) -> None:
    one, two = clean
    two.run("docker run -d --name kept --network demo --ip 10.50.0.20 busybox sleep 1000", check=True)
    two.run("docker run -d --name moved --network demo --ip 10.50.0.21 busybox sleep 1000", check=True)
    one.run("docker run -d --name c1 --network demo busybox sleep 1000", check=True)
    until(lambda: reaches(one, "c1", "moved"))
    again = "docker run -d --name heir --network demo --ip 10.50.0.21 busybox sleep 1000"
    assert "Address already in use" in one.run(again).stderr
    one.run("docker rm -f heir")
    os.kill(two.engine.pid, signal.SIGSTOP)
    try:
        until(lambda: set(members(one)) == {"c1"})
        one.run(again, check=True)
        assert reaches(one, "c1", "10.50.0.21")
    finally:
        go_on(two.engine.pid)
    until(lambda: members(two) == members(one) != {} and "moved" not in members(two))
    assert set(members(one)) == {"c1", "kept", "heir"}
    until(lambda: reaches(one, "c1", "kept"))
    assert reaches(two, "kept", "heir")
    assert not reaches(two, "moved", "kept")
    seen = two.run("docker events --since 5m --until 0s --filter type=network", check=True).stdout
    assert "network disconnect" in seen


def test_another_hosts_endpoint_is_removed_by_force(clean: tuple[Host, Host], etcd: Etcd) -> None:
    one, two = clean
    one.run("docker run -d --name c1 --network demo busybox sleep 1000", check=True)
    for name, address in (("living", "10.50.0.20"), ("left", "10.50.0.21"), ("kept", "10.50.0.22")):
        two.run(f"docker run -d --name {name} --network demo --ip {address} busybox sleep 1000", check=True)
    until(lambda: len(members(one)) == 4)
    shown = json.loads(one.run("docker network inspect demo", check=True).stdout)[0]["Containers"]
    assert sorted(each["Name"] for key, each in shown.items() if key.startswith("ep-")) == [
        "kept",
        "left",
        "living",
    ]
    assert "No such container" in one.run("docker network disconnect demo living").stderr
    assert "endpoint nobody not found" in one.run("docker network disconnect -f demo nobody").stderr
    one.run("docker network disconnect -f demo living", check=True)
    until(lambda: set(members(one)) == set(members(two)) == {"c1", "left", "kept"})
    assert not two.run("docker exec living ip -o -4 addr show eth0").stdout
    assert reaches(one, "c1", "kept")
    two.kill_engine()
    try:
        until(lambda: set(members(one)) == {"c1"})
        one.run("docker network disconnect -f demo left", check=True)
        assert "endpoint left not found" in one.run("docker network disconnect -f demo left").stderr
    finally:
        two.start_engine(*etcd.engine_flags, *QUICK)
    # Whoever comes back has its places again, if nobody else has taken them.
    until(lambda: set(members(one)) == set(members(two)) == {"c1", "left", "kept"})
    assert reaches(one, "c1", "kept")


def test_what_somebody_else_takes_out_of_the_kernel_comes_back(clean: tuple[Host, Host]) -> None:
    one, two = clean
    one.run("docker run -d --name c1 --network demo busybox sleep 1000", check=True)
    two.run("docker run -d --name c2 --network demo busybox sleep 1000", check=True)
    until(lambda: reaches(one, "c1", "c2"))
    verify = f"{Path(sys.executable).with_name('fairlead')} overlay verify"
    sound = one.run(verify)
    assert sound.ok, sound
    assert "demo: a container on host2 (198.51.100.12) answers" in sound.stdout
    home = one.run("ip netns list | awk '/^overlay-/{print $1}'").stdout.split()[0]
    mac = json.loads(two.run("docker inspect c2", check=True).stdout)[0]["NetworkSettings"]["Networks"][
        "demo"
    ]
    hurt = f"ip netns exec {home} bridge fdb del {mac['MacAddress']} dev vxlan0 self"
    found = sound
    while found.ok:  # unless the engine is faster
        found = one.run(f"{hurt}; {verify}")
    assert found.code == 1
    assert mac["MacAddress"] in found.stdout
    until(lambda: reaches(one, "c1", "c2"), RARELY * REPAIR + 15)  # a slow host looks so rarely
    # And what somebody else puts in goes.
    added = f"bridge fdb add 02:42:00:00:00:66 dev vxlan0 self dst {two.address}"
    one.run(f"ip netns exec {home} {added}", check=True)
    one.run(f"ip -n {home} neigh add 10.50.0.66 lladdr 02:42:00:00:00:66 dev vxlan0", check=True)
    shown = f"ip netns exec {home} bridge fdb show dev vxlan0; ip -n {home} neigh show dev vxlan0"
    until(lambda: "02:42:00:00:00:66" not in one.run(shown, check=True).stdout, limit=RARELY * REPAIR + 15)
    assert one.run(verify).ok


def test_the_gateway_network_that_is_there_already_is_used(clean: tuple[Host, Host], lab: Lab) -> None:
    one, _ = clean
    one.run("docker network rm docker_gwbridge")  # if an overlay network has needed it
    own = (
        "docker network create --subnet 192.168.200.0/24 --gateway 192.168.200.9"
        " -o com.docker.network.bridge.name=docker_gwbridge -o com.docker.network.bridge.enable_icc=false"
        f" -o com.docker.network.bridge.host_binding_ipv4={one.address} docker_gwbridge"
    )
    one.run(own, check=True)
    one.run("docker run -d --name c1 --network demo -p 8081:80 web", check=True)
    assert "via 192.168.200.9" in one.run("docker exec c1 ip route show default", check=True).stdout
    assert one.run("docker exec c1 ping -c 1 -W 1 203.0.113.10").ok
    assert one.run("docker port c1", check=True).stdout.strip() == f"80/tcp -> {one.address}:8081"
    assert "It works" in lab.outside.run(f"curl -s -m 3 {one.address}:8081", check=True).stdout
    assert "has active endpoints" in one.run("docker network rm docker_gwbridge").stderr
    one.run("docker rm -f c1 && docker network rm docker_gwbridge", check=True)
