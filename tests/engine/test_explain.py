"""`fairlead explain` says why one end does not reach another, and is right: the packet is sent as well."""

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fairlead.lab.addresses import GATEWAY, INTERNET
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

EXPLAIN = f"{sys.executable} -m fairlead explain --json"
ADDRESSES = {"client": "10.71.0.10", "near": "10.71.0.11", "far": "10.72.0.11", "shut": "10.74.0.11"}
PREPARE = (
    "docker network create --subnet 10.71.0.0/24 blue",
    "docker network create --subnet 10.72.0.0/24 red",
    "docker network create --subnet 10.73.0.0/24 --internal closed",
    "docker network create --subnet 10.74.0.0/24 -o com.docker.network.bridge.enable_icc=false apart",
    "docker run -d --cap-add NET_ADMIN --name client --network blue --ip 10.71.0.10 busybox sleep 100000",
    "docker run -d --cap-add NET_ADMIN --name near --network blue --ip 10.71.0.11 -p 8080:80 web",
    "docker run -d --name far --network red --ip 10.72.0.11 -p 127.0.0.1:8081:80 web",
    "docker run -d --name kept --network closed busybox sleep 100000",
    "docker run -d --name alone --network apart busybox sleep 100000",
    "docker run -d --name shut --network apart --ip 10.74.0.11 web",
    "docker create --name idle -p 8082:80 web",
)


@dataclass(frozen=True)
class Case:
    """Who asks whom, what breaks it and mends it again, and what is to be said."""

    source: str
    target: str
    says: str
    breaks: str = "true"
    mends: str = "true"


WORKS = {
    "a neighbour": Case("client", "near:80", "It arrives at port 80/tcp of container near, as 10.71.0.10."),
    "the internet": Case("client", f"{INTERNET}:80", "It leaves the host by eth0"),
    "a published port": Case(GATEWAY, "host:8080", "container near"),
    "a port on the loopback": Case("host", "127.0.0.1:8081", "container far"),
    "the host to a container": Case("host", "far:80", "container far"),
    "a published port from another network": Case("client", "host:8080", "container near"),
}
BROKEN = {
    "a container that does not run": Case(
        "client", "far:80", "Container far does not run.", "docker stop -t 0 far", "docker start far"
    ),
    "different networks": Case("client", "far:80", "DOCKER-ISOLATION-STAGE-2"),
    "an internal network": Case("kept", f"{INTERNET}:80", "DOCKER-ISOLATION-STAGE-1"),
    "icc is off": Case("alone", "shut:80", "-j DROP"),
    "a rule of somebody else": Case(
        "client",
        f"{INTERNET}:80",
        "FORWARD: -s 10.71.0.0/24 -j DROP",
        "iptables -I FORWARD -s 10.71.0.0/24 -j DROP",
        "iptables -D FORWARD -s 10.71.0.0/24 -j DROP",
    ),
    "a rule in DOCKER-USER": Case(
        GATEWAY,
        "host:8080",
        "DOCKER-USER: -d 10.71.0.11/32 -i eth0 -j DROP",
        "iptables -I DOCKER-USER -i eth0 -d 10.71.0.11/32 -j DROP",
        "iptables -D DOCKER-USER -i eth0 -d 10.71.0.11/32 -j DROP",
    ),
    "a port that is not published": Case(GATEWAY, "host:8090", "no running container publishes it"),
    "a port of a stopped container": Case(GATEWAY, "host:8082", "container idle, which would"),
    "a port on the loopback alone": Case(GATEWAY, "host:8081", "publishes port 8081/tcp on 127.0.0.1 only"),
    "an address that is routed to": Case(GATEWAY, "10.71.0.11:80", "direct_routing"),
    "nobody listens": Case("client", "near:81", "where nobody listens on 10.71.0.11 port 81/tcp"),
    "a link that is down": Case(
        "client",
        "near:80",
        "eth0 in container near is down",
        "ip -n near link set eth0 down",
        "ip -n near link set eth0 up; ip -n near route add default via 10.71.0.1",
    ),
    "a wrong route": Case(
        "client",
        "10.72.0.11:80",
        "which is container near, not the host",
        "ip -n client route add 10.72.0.0/24 via 10.71.0.11",
        "ip -n client route del 10.72.0.0/24",
    ),
    "no way back": Case(
        GATEWAY,
        "host:8080",
        "no route back to",
        "ip -n near route del default",
        "ip -n near route add default via 10.71.0.1",
    ),
}


@pytest.fixture(scope="module")
def peopled(host: Host) -> Iterator[Host]:
    """The containers that ask and are asked, and a daemon that leaves broken what the tests break."""
    host.stop_engine()
    host.start_engine("--repair=false")
    for command in PREPARE:
        host.run(command, check=True)
    yield host
    host.run("docker ps -aq | xargs -r docker rm -f; docker network prune -f")


def explained(host: Host, case: Case) -> tuple[bool, str]:
    result = host.run(f"{EXPLAIN} {case.source} {case.target}")
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert (result.code == 0) == found["Reaches"]
    assert found["Hops"] or not found["Reaches"]
    return found["Reaches"], found["Sentence"]


def arrives(lab: Lab, host: Host, case: Case) -> bool:
    """Whether it really does."""
    place, _, port = case.target.rpartition(":")
    url = f"http://{host.address if place == 'host' else ADDRESSES.get(place, place)}:{port}/"
    fetch = f"curl -sf -m 1 -o /dev/null {url}"
    if case.source == GATEWAY:
        lab.outside.run(f"ip route replace 10.71.0.0/24 via {host.address}", check=True)
        return lab.outside.run(fetch).ok
    return host.run(fetch if case.source == "host" else f"ip netns exec {case.source} {fetch}").ok


@pytest.mark.parametrize("name", WORKS)
def test_what_works_is_followed_to_its_end(lab: Lab, peopled: Host, name: str) -> None:
    case = WORKS[name]
    assert arrives(lab, peopled, case)
    reaches, sentence = explained(peopled, case)
    assert reaches, sentence
    assert case.says in sentence


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_broken_is_explained(lab: Lab, peopled: Host, name: str) -> None:
    case = BROKEN[name]
    try:
        peopled.run(case.breaks, check=True)
        reaches, sentence = explained(peopled, case)
        assert not arrives(lab, peopled, case)
        assert not reaches
        assert case.says in sentence
    finally:
        peopled.run(case.mends)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ("client nobody:80", "nobody is no container"),
        ("client near:99999", "99999 is no port"),
        ("client", "requires 2 arguments"),
    ],
)
def test_a_question_that_names_nobody_is_refused(peopled: Host, words: str, complaint: str) -> None:
    result = peopled.run(f"{EXPLAIN} {words}")
    assert result.code == 1
    assert complaint in result.stderr
