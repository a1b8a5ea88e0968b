"""Names as containers ask for them, of a whole engine: what they are, what is never asked outside,
and that nobody who asks is lost while networks, the host's servers and the daemon change.
"""

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest

from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

FIRST, SECOND = "198.51.100.1", "198.51.100.2"  # which.example.com tells the lab's name servers apart
SLEEP = "busybox sleep 1000"


@pytest.fixture
def names(clean: Host) -> Iterator[Host]:
    """A host whose resolv.conf is as it was afterwards."""
    before = clean.run("cat /etc/resolv.conf", check=True).stdout
    yield clean
    clean.run("rm -rf /run/systemd; cat > /etc/resolv.conf", input=before, check=True)


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    limit = time.monotonic() + seconds
    while not condition() and time.monotonic() < limit:
        time.sleep(0.1)
    return condition()


def look(host: Host, container: str, name: str, kind: str = "a") -> list[str]:
    """The addresses, or names, that a container finds; [] for none."""
    said = host.run(f"docker exec {container} nslookup -type={kind} {name} 127.0.0.11").stdout
    return re.findall(r"(?:Address: |name = )(\S+)$", said.partition("answer:")[2], re.M)


def asker(host: Host, container: str, options: str) -> "subprocess.Popen[bytes]":
    """dnsperf asking for `web` in a container's namespace."""
    pid = host.run(f"docker inspect -f '{{{{.State.Pid}}}}' {container}").stdout.strip()
    (host.state / "asked").write_text("web A\n")
    words = f"nsenter -t {pid} -n dnsperf -s 127.0.0.11 -d {host.state}/asked -Q 500 {options}"
    return host.start(words.split(), output=subprocess.PIPE)


def lost(asking: "subprocess.Popen[bytes]") -> tuple[int, str]:
    """How many questions were lost, and the codes of those that were answered."""
    said = asking.communicate(timeout=120)[0].decode()
    found = re.search(r"Queries lost: +(\d+).*Response codes: +([A-Z, ]+)", said, re.S)
    assert found, said
    return int(found[1]), found[2].strip()


def test_what_a_container_is_called(names: Host) -> None:
    run = f"docker run -d --network blue --network-alias www --name web {SLEEP}"
    names.run(f"docker network create blue; docker network create green; {run}", check=True)
    names.run(f"docker run -d --network blue --network-alias www --name two {SLEEP}", check=True)
    links = "--link web:db --link web:db.site"
    names.run(f"docker run -d --network blue --name box {links} --dns-search example.com {SLEEP}", check=True)
    names.run("docker network connect --alias far green web; docker network connect green box", check=True)
    shown = "{{.NetworkSettings.Networks.%s.IPAddress}}"
    of = {
        key: names.run(f"docker inspect -f '{shown % network}' {name}").stdout.strip()
        for key, name, network in (("web", "web", "blue"), ("green", "web", "green"), ("two", "two", "blue"))
    }
    short = names.run("docker inspect -f '{{slice .Id 0 12}}' web").stdout.strip()
    for name in ("web", "WeB", "web.", "web.blue", "Web.BLUE.", short, f"{short}.blue"):
        assert look(names, "box", name) == [of["web"]], name
    for name in ("db", "db.blue", "db.site", "DB.site.blue"):
        assert look(names, "box", name) == [of["web"]], name
        assert look(names, "two", name) == []
    for name in ("web.green", "far", "far.green"):
        assert look(names, "box", name) == [of["green"]], name
    assert look(names, "box", "far.blue") == look(names, "two", "far") == []
    assert sorted(look(names, "box", "www")) == sorted((of["web"], of["two"]))
    assert look(names, "box", "web", "txt") == []
    reverse = ".".join(reversed(of["web"].split("."))) + ".in-addr.arpa"
    assert look(names, "box", reverse, "ptr") == ["web.blue"]


ASK_ALL = """
import sys, dns.message, dns.query, dns.rcode
kinds = "A AAAA PTR ANY TXT SRV MX HTTPS SOA NS".split()
for name in sys.argv[1:]:
    for kind in kinds:
        for way in (dns.query.udp, dns.query.tcp):
            answer = way(dns.message.make_query(name, kind), "127.0.0.11", timeout=10)
            print(name, kind, dns.rcode.to_text(answer.rcode()))
"""


def test_nothing_of_an_internal_network_is_asked_outside(lab: Lab, names: Host) -> None:
    create = "docker network create --internal --subnet 10.77.0.0/24 secret; docker network create open"
    names.run(f"{create}; docker run -d --name both --network open {SLEEP}", check=True)
    names.run(f"docker network connect secret both; docker run -d --name shut --network secret {SLEEP}")
    captured = names.state / "captured"
    listening = lab.outside.start(f"exec tcpdump -n -l -i lan port 53 > {captured} 2>&1")
    assert until(lambda: captured.exists() and "listening" in captured.read_text())
    reverse = "99.0.77.10.in-addr.arpa"
    asked = {"both": f"gone.secret {reverse}", "shut": f"gone.secret gone example.com {reverse}"}
    for container, what in asked.items():
        pid = names.run(f"docker inspect -f '{{{{.State.Pid}}}}' {container}").stdout.strip()
        words = ["nsenter", "-t", pid, "-n", sys.executable, "-c", ASK_ALL, *what.split()]
        said = names.run(words, check=True).stdout.splitlines()
        assert len(said) == 20 * len(what.split())
        assert {line.split()[-1] for line in said} == {"NXDOMAIN"}
    assert look(names, "both", "shut.secret") == [look(names, "both", "shut")[0]]
    assert look(names, "both", "which.example.com") == ["203.0.113.1"]
    assert until(lambda: "which.example.com" in captured.read_text())
    lab.outside.run("pkill -x tcpdump")
    listening.wait(10)
    text = captured.read_text()
    assert "secret" not in text and "77.10.in-addr" not in text and "gone" not in text


def test_running_containers_follow_the_hosts_name_servers(names: Host) -> None:
    names.run(f"docker network create blue; docker run -d --name box --network blue {SLEEP}", check=True)
    names.run(f"docker run -d --name own --network blue --dns {FIRST} {SLEEP}", check=True)
    of_the_box = names.run("docker exec box cat /etc/resolv.conf").stdout

    def seen(address: str) -> bool:
        return look(names, "box", "which.example.com") == [address]

    assert seen("203.0.113.1")
    names.run(f"echo nameserver {SECOND} > /etc/resolv.conf", check=True)
    assert until(lambda: seen("203.0.113.2"))
    names.kill_engine()
    names.run(f"echo nameserver {FIRST} > /etc/resolv.conf", check=True)
    names.start_engine()
    assert until(lambda: seen("203.0.113.1"))
    # Behind systemd-resolved's stub, which nobody answers here, are the servers that it asks itself.
    names.run("mkdir -p /run/systemd/resolve; echo nameserver 127.0.0.53 > /etc/resolv.conf", check=True)
    names.run(f"echo nameserver {SECOND} > /run/systemd/resolve/resolv.conf", check=True)
    assert until(lambda: seen("203.0.113.2"))
    plain = names.run("docker run --rm busybox cat /etc/resolv.conf").stdout
    assert plain == f"nameserver {SECOND}\n"
    assert look(names, "own", "which.example.com") == ["203.0.113.1"]
    assert names.run("docker exec box cat /etc/resolv.conf").stdout == of_the_box


SERVE = """
import dns.message, dns.rrset, socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.0.0.1", 53))
while True:
    query, client = server.recvfrom(512)
    answer = dns.message.make_response(dns.message.from_wire(query))
    answer.answer.append(dns.rrset.from_text(answer.question[0].name, 1, "IN", "A", "192.0.2.77"))
    server.sendto(answer.to_wire(), client)
"""


def test_a_container_may_be_its_own_name_server(names: Host) -> None:
    names.run("docker network create blue", check=True)
    names.run(f"docker run -d --name box --network blue --dns 127.0.0.1 {SLEEP}", check=True)
    pid = names.run("docker inspect -f '{{.State.Pid}}' box").stdout.strip()
    names.start(["setpriv", "--pdeathsig", "KILL", "nsenter", "-t", pid, "-n", sys.executable, "-c", SERVE])
    assert until(lambda: look(names, "box", "only.here") == ["192.0.2.77"])


def test_no_question_is_lost_while_networks_come_and_go(names: Host) -> None:
    names.run(f"docker network create blue; docker run -d --name web --network blue {SLEEP}", check=True)
    names.run(f"docker network create green; docker run -d --name box --network blue {SLEEP}", check=True)
    asking = asker(names, "box", "-l 3")
    while asking.poll() is None:
        names.run("docker network connect green box; docker network disconnect green box", check=True)
    assert lost(asking) == (0, "NOERROR")


def test_no_question_is_lost_while_the_daemon_is_killed_and_started_again(names: Host) -> None:
    names.run(f"docker network create blue; docker run -d --name web --network blue {SLEEP}", check=True)
    names.run(f"docker run -d --name box --network blue {SLEEP}", check=True)
    asking = asker(names, "box", "-l 4")
    while asking.poll() is None:
        names.kill_engine()
        names.start_engine()
    assert lost(asking) == (0, "NOERROR")
