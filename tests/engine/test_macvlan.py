"""Containers with addresses of their own on the LAN: what reaches them, what does not, and what is left."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.lab.traces import look

CREATE = (
    "docker network create -d macvlan --subnet 198.51.100.0/24 --gateway 198.51.100.1 "
    "--ip-range 198.51.100.128/25 -o parent=eth0"
)
FIRST, SECOND = "198.51.100.128", "198.51.100.129"
SLEEP = "busybox sleep 1000"
FAIRLEAD = str(Path(sys.executable).with_name("fairlead"))


@pytest.fixture
def tidy(clean: Host) -> Iterator[Host]:
    """A host that afterwards has nothing that it had not before, also on its links."""
    before = look(clean)
    yield clean
    clean.run("docker ps -aq | xargs -r docker rm -f; docker network prune -f", check=True)
    assert until(lambda: not look(clean).since(before)), look(clean).since(before)


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.1)
    return condition()


def pings(host: Host, address: str, container: str = "") -> bool:
    inside = f"docker exec {container} " if container else ""
    return host.run(f"{inside}ping -c 2 -W 2 {address}").ok


def refused(host: Host, command: str) -> str:
    result = host.run(command)
    assert not result.ok, command
    return result.stderr.partition("Error response from daemon: ")[2].strip().splitlines()[0]


def inspected(host: Host, container: str) -> dict[str, object]:
    document = json.loads(host.run(f"docker inspect {container}", check=True).stdout)[0]
    return dict(document["NetworkSettings"])


def test_a_container_is_on_the_lan_and_not_on_its_host(lab: Lab, tidy: Host) -> None:
    tidy.run(f"{CREATE} pub; docker run -d --name one --network pub -p 8080:80 {SLEEP}", check=True)
    tidy.run(f"docker run -d --name two --network pub --network-alias zwei {SLEEP}", check=True)
    assert pings(lab.outside, FIRST) and pings(tidy, "198.51.100.1", "one")
    assert pings(tidy, "zwei", "one") and pings(tidy, "one", "two")
    assert not pings(tidy, FIRST) and not pings(tidy, tidy.address, "one")
    routes = tidy.run("docker exec one ip route", check=True).stdout
    assert "default via 198.51.100.1 dev eth0" in routes
    settings = inspected(tidy, "one")
    assert settings["Ports"] == {}, "what is published on a macvlan network is ignored"
    place = settings["Networks"]["pub"]  # type: ignore[index]
    assert (place["IPAddress"], place["Gateway"], place["MacAddress"]) == (
        FIRST,
        "198.51.100.1",
        "02:42:c6:33:64:80",
    )
    assert "macvlan" in tidy.run("docker info", check=True).stdout


def test_it_stays_reachable_through_restarts_of_container_and_daemon(lab: Lab, tidy: Host) -> None:
    tidy.run(f"{CREATE} pub; docker run -d --name one --network pub {SLEEP}", check=True)
    tidy.run("docker restart -t 0 one", check=True)
    assert pings(lab.outside, FIRST)
    tidy.kill_engine()
    assert pings(lab.outside, FIRST)
    tidy.run("ip netns exec one ip link del eth0", check=True)
    tidy.start_engine()
    assert until(lambda: pings(lab.outside, FIRST)), "a link that was taken away is put back"


def test_a_container_comes_and_goes_at_run_time_and_its_way_out_follows(lab: Lab, tidy: Host) -> None:
    tidy.run(f"{CREATE} pub; docker run -d --name one {SLEEP}; docker network connect pub one", check=True)
    route = "docker exec one ip route show default 0.0.0.0/0"
    assert "dev eth0" in tidy.run(route).stdout, "bridge comes before pub"
    assert pings(lab.outside, FIRST)
    tidy.run("docker network disconnect bridge one", check=True)
    assert "via 198.51.100.1 dev eth1" in tidy.run(route).stdout
    tidy.run(f"docker run --rm --network container:one busybox ping -c 2 -W 4 {FIRST}", check=True)
    tidy.run("docker network disconnect pub one", check=True)
    assert not pings(lab.outside, FIRST)
    tidy.run("docker network connect --ip 198.51.100.200 pub one", check=True)
    assert pings(lab.outside, "198.51.100.200")


def test_private_links_are_apart_and_passthru_is_for_one(lab: Lab, tidy: Host) -> None:
    tidy.run(f"{CREATE} -o macvlan_mode=private apart", check=True)
    for name in ("one", "two"):
        tidy.run(f"docker run -d --name {name} --network apart {SLEEP}", check=True)
    assert pings(lab.outside, FIRST) and pings(lab.outside, SECOND)
    assert not pings(tidy, SECOND, "one")
    tidy.run("docker rm -f one two; docker network rm apart", check=True)
    tidy.run("ip link add wire type veth peer name far; ip link set wire up; ip link set far up", check=True)
    own = "cat /sys/class/net/wire/address"
    before = tidy.run(own).stdout
    single = CREATE.replace("eth0", "wire") + " -o macvlan_mode=passthru single"
    tidy.run(f"{single}; docker run -d --name one --network single {SLEEP}", check=True)
    second = f"docker run -d --name two --network single {SLEEP}"
    assert refused(tidy, second) == (
        "failed to create the macvlan port: invalid argument: network single has room for one container, "
        "and one is there"
    )
    tidy.run("docker restart -t 0 one", check=True)
    assert tidy.run(own).stdout == "02:42:c6:33:64:80\n" != before
    tidy.run(f"docker rm -f one two; {second}", check=True)
    tidy.run("docker rm -f two; docker network rm single", check=True)
    assert tidy.run(own).stdout == before, "the parent has its own address again"
    tidy.run("ip link del wire", check=True)


def test_without_a_parent_they_reach_each_other_and_nobody_else(lab: Lab, tidy: Host) -> None:
    tidy.run(
        "docker network create -d macvlan --ipv6 --subnet 10.7.0.0/24 --subnet fd00:7::/64 own", check=True
    )
    identity = tidy.run("docker network inspect -f '{{.Id}}' own", check=True).stdout[:12]
    assert tidy.run(f"ip link show dm-{identity}").ok
    for name in ("one", "two"):
        tidy.run(f"docker run -d --name {name} --network own {SLEEP}", check=True)
    assert pings(tidy, "10.7.0.3", "one") and pings(tidy, "fd00:7::3", "one") and pings(tidy, "two", "one")
    assert not pings(tidy, tidy.address, "one")
    tidy.run(f"ip link del dm-{identity}", check=True)
    tidy.kill_engine()
    tidy.start_engine()
    assert until(lambda: pings(tidy, "10.7.0.3", "one")), "the parent and both links are put back"


def test_an_internal_network_has_no_way_out(lab: Lab, tidy: Host) -> None:
    tidy.run(f"{CREATE} --internal inner; docker run -d --name one --network inner {SLEEP}", check=True)
    assert "default" not in tidy.run("docker exec one ip route", check=True).stdout
    assert inspected(tidy, "one")["Networks"]["inner"]["Gateway"] == ""  # type: ignore[index]


def test_the_host_shim_reaches_containers_both_ways_and_goes_with_the_network(lab: Lab, tidy: Host) -> None:
    addresses = tidy.run("ip addr; ip route", check=True).stdout
    shim = "-o io.fairlead.macvlan.host_shim=198.51.100.250"
    options = "-d macvlan --subnet 198.51.100.0/24 --gateway 198.51.100.1 -o parent=eth0"
    tidy.run(f"{FAIRLEAD} network create {options} {shim} --ip-range 198.51.100.128/25 pub", check=True)
    tidy.run(f"docker run -d --name one --network pub {SLEEP}", check=True)
    assert pings(tidy, FIRST) and pings(tidy, "198.51.100.250", "one") and pings(lab.outside, FIRST)
    tidy.run("ip link del $(ls /sys/class/net | grep shim-)", check=True)
    tidy.kill_engine()
    tidy.start_engine()
    assert until(lambda: pings(tidy, FIRST))
    taken = f"docker run --rm --network pub --ip 198.51.100.250 {SLEEP}"
    assert refused(tidy, taken) == "Address already in use"
    tidy.run(f"docker rm -f one; {FAIRLEAD} network rm pub", check=True)
    # Without a range each container has a route of its own.
    tidy.run(f"docker network create {options} {shim} pub", check=True)
    tidy.run(f"docker run -d --name one --network pub --ip 198.51.100.77 {SLEEP}", check=True)
    assert pings(tidy, "198.51.100.77")
    tidy.run("docker rm -f one", check=True)
    assert "198.51.100.77" not in tidy.run("ip route").stdout
    tidy.run("docker network rm pub", check=True)
    assert tidy.run("ip addr; ip route", check=True).stdout == addresses


def test_what_cannot_be_is_refused_in_dockers_words_and_leaves_nothing(tidy: Host) -> None:
    create = "docker network create -d macvlan --subnet 10.7.0.0/24"
    tidy.run(f"{create} -o parent=eth0 first", check=True)
    identity = tidy.run("docker network inspect -f '{{.Id}}' first", check=True).stdout[:12]
    before = tidy.run("docker network ls -q", check=True).stdout
    create = create.replace("10.7", "10.8")
    for options, message in {
        "-o parent=eth0": f"network dm-{identity} is already using parent interface eth0: it is that of network first",
        "-o parent=lo": "loopback interface is not a valid macvlan parent link",
        "-o parent=none": "invalid subinterface vlan name none, example formatting is eth0.10: "
        "there is no link none on this host",
        "-o macvlan_mode=open": "requested macvlan mode 'open' is not valid, 'bridge' mode is the macvlan driver default",
        "-o parent=eth9.5": "-o parent interface does was not found on the host: eth9",
        "-o parent=eth0.x": "unable to parse a valid vlan id from: x (ex. eth0.10 for vlan 10)",
        "-o parent=eth0.0": "vlan id must be between 1-4094, received: 0",
        "-o parent=eth0.1.2": "required interface name format is: name.vlan_id, ex. eth0.10 for vlan 10, "
        "instead received eth0.1.2",
        "-o io.fairlead.macvlan.host_shim=10.9.0.1": "cannot give the host an address on network second "
        "(io.fairlead.macvlan.host_shim): 10.9.0.1 is in none of the subnets that it is made with",
        "-o macvlan_mode=private -o io.fairlead.macvlan.host_shim=10.8.0.9": "cannot give the host an address "
        "on network second (io.fairlead.macvlan.host_shim): in mode private links on one parent do not reach "
        "each other",
    }.items():
        assert refused(tidy, f"{create} {options} second") == message
    assert refused(tidy, "docker network create -d ipvlan other").startswith("operation not supported: ")
    assert tidy.run("docker network ls -q", check=True).stdout == before


def test_the_link_of_a_vlan_is_made_with_the_network_that_is_on_it(tidy: Host) -> None:
    tidy.run("ip link add wire type veth peer name far; ip link set wire up", check=True)
    has_vlans = tidy.run("ip link add link wire name probe type vlan id 9 && ip link del probe").ok
    create = "docker network create -d macvlan --subnet 10.7.0.0/24 -o parent=wire.50 fifty"
    links = tidy.run("ip -o link", check=True).stdout
    if has_vlans:
        tidy.run(create, check=True)
        assert "vlan protocol 802.1Q id 50" in tidy.run("ip -d link show wire.50", check=True).stdout
        tidy.run("docker network rm fifty", check=True)
    else:
        assert refused(tidy, create) == (
            "cannot create link wire.50: operation not supported: this kernel has no VLAN links (8021q)"
        )
        assert "fifty" not in tidy.run("docker network ls", check=True).stdout
    assert tidy.run("ip -o link", check=True).stdout == links
    tidy.run("ip link del wire", check=True)


def test_a_parent_that_has_gone_keeps_nothing_else_from_its_place(tidy: Host) -> None:
    tidy.run("ip link add wire type veth peer name far; ip link set wire up", check=True)
    create = "docker network create -d macvlan --subnet 10.7.0.0/24 -o parent=wire"
    tidy.run(f"{create} -o io.fairlead.macvlan.host_shim=10.7.0.9 lost", check=True)
    for name, network in (("one", "lost"), ("two", "bridge")):
        tidy.run(f"docker run -d --name {name} --network {network} {SLEEP}", check=True)
    tidy.run("ip netns exec two ip link del eth0; ip link del wire", check=True)
    tidy.kill_engine()
    tidy.start_engine()
    assert until(lambda: pings(tidy, "172.17.0.1", "two"))
    assert refused(tidy, f"docker run --name three --network lost {SLEEP}") == (
        "cannot create link eth0 in namespace three: its parent wire is not there"
    )


def test_a_kill_midway_leaves_no_link_behind(tidy: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    create = (
        "docker network create -d macvlan -o io.fairlead.macvlan.host_shim=10.7.0.9 --subnet 10.7.0.0/24 own"
    )
    run = f"docker run -d --name one --network own {SLEEP}"
    tidy.stop_engine()
    for point, prepare, command in (
        ("leave: kernel clean", f"{create}; {run}", "docker rm -f one"),
        ("start: joined", "docker rm -f one", run),
        ("network remove: record marked", "docker rm -f one", "docker network rm own"),
    ):
        monkeypatch.setenv("FAIRLEAD_FAULT", point)
        tidy.start_engine()
        tidy.run(prepare, check=True)
        assert not tidy.run(command).ok, point
        tidy.kill_engine()
    monkeypatch.delenv("FAIRLEAD_FAULT")
    tidy.start_engine()
    links = tidy.run("ip -o link", check=True).stdout
    assert "dm-" not in links and "shim-" not in links
