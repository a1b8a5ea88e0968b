"""UDP never sticks to a container that is gone: what comes while nobody is there decides nothing for later."""

import os
import re
import signal
import time
from collections.abc import Iterator

import pytest

from fairlead.lab import addresses
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

REPETITIONS = int(os.environ.get("UDP_REPETITIONS", "4"))
SENDINGS = 2400 + 300 * REPETITIONS  # two minutes, and a quarter of one for each repetition
PATIENCE = (
    10.0  # seconds until a datagram must have come; a flow that has stuck never ends while somebody sends
)
NETWORK = "docker network create --ipv6 --subnet 10.9.0.0/24 --subnet fd09::/64 blue"
# Published port, as asked for; the target's port.
PUBLISHED = {5000: 53, 5100: 54, 5201: 56, 5300: 57}
PUBLISH = "-p 5000:53/udp -p {host}:5100:54/udp -p 5200-5202:55-57/udp -p 5300:57/udp"

# Sends a number to each place ("ADDRESS PORT") every 50 ms, so many times, always from the same ports.
SENDER = """
import socket, sys, time
places = []
for number, text in enumerate(sys.argv[2].split(",")):
    address, port = text.split()
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    each = socket.socket(family, socket.SOCK_DGRAM)
    each.bind(("", 41000 + number))
    places.append((each, (address, int(port)), f"{sys.argv[1]} {text}".encode()))
for _ in range(int(sys.argv[3])):
    for each, place, text in places:
        try:
            each.sendto(text, place)
        except OSError:
            pass
    time.sleep(0.05)
"""

# Waits for a datagram to each place, told apart by what they say, and prints what has not come.  What
# the kernel leads comes from the sender's own port; a relay, which is for [::1] only, has another.
RECEIVER = """
import selectors, socket, sys, time
wanted = set(sys.argv[1].split(","))
selector = selectors.DefaultSelector()
for port in map(int, sys.argv[3].split(",")):
    each = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    each.bind(("::", port))
    selector.register(each, selectors.EVENT_READ)
limit = time.monotonic() + float(sys.argv[2])
while wanted and time.monotonic() < limit:
    for key, _ in selector.select(0.2):
        said, peer = key.fileobj.recvfrom(100)
        if 41000 <= peer[1] < 41100 or b"::1 5" in said.split(b" ", 1)[1][:5]:
            wanted.discard(said.decode())
print(",".join(sorted(wanted)))
"""


@pytest.fixture(scope="module")
def places(lab: Lab, host: Host) -> Iterator[list[str]]:
    """Where somebody sends to all the time, from the LAN and on the host: what the datagrams say."""
    host.run(NETWORK, check=True)
    one, one6 = host.address, addresses.host_address_ipv6(1)
    sent = {
        "lan": [f"{one} {port}" for port in PUBLISHED] + [f"{one6} 5000", f"{one6} 5201"],
        "host": ["127.0.0.1 5000", "127.0.0.1 5201", "::1 5000", f"{one} 5300", f"{one6} 5300"],
    }
    # Straight to an address that a container will have: nothing of this is published.
    asked = {**sent, "host": [*sent["host"], "10.9.0.66 53"]}
    started = [
        machine.start(["python3", "-c", SENDER, name, ",".join(asked[name]), str(SENDINGS)])
        for name, machine in (("lan", lab.outside), ("host", host))
    ]
    yield [f"{name} {place}" for name, texts in sent.items() for place in texts]
    for process in started:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def emptied(host: Host) -> Iterator[Host]:
    """The host with its network, and without the container afterwards."""
    yield host
    host.run("docker rm -f box")


def run(host: Host, number: int) -> None:
    """A container that publishes, with an address of its own."""
    published = PUBLISH.format(host=host.address)
    where = f"--network blue --ip 10.9.0.{number} --ip6 fd09::{number}"
    host.run(f"docker run -d --name box {where} {published} busybox sleep 1000", check=True)


def missing(host: Host, places: list[str]) -> str:
    """The places from which nothing has come to the container."""
    ports = ",".join(str(port) for port in range(53, 58))
    code = ["python3", "-c", RECEIVER, ",".join(places), str(PATIENCE), ports]
    return host.run(["ip", "netns", "exec", "box", *code], deadline=30, check=True).stdout.strip()


def led(host: Host) -> dict[str, str]:
    """The flows that lead to containers, by the kernel's number."""
    lines = host.run("conntrack -L -o id -p udp; conntrack -L -f ipv6 -o id -p udp").stdout.splitlines()
    found = [
        re.search(r"(src=\S+ dst=\S+ sport=\S+ dport=5\d{3}).*src=(10\.9|fd09).*id=(\d+)", each)
        for each in lines
    ]
    return {each[3]: each[1] for each in found if each}


def test_every_new_container_gets_what_is_sent(emptied: Host, places: list[str]) -> None:
    for number in range(10, 10 + REPETITIONS):
        run(emptied, number)
        assert missing(emptied, places) == "", f"repetition {number}"
        emptied.run("docker rm -f box", check=True)
        assert led(emptied) == {}
        time.sleep(0.15)  # datagrams come while nobody is there


def test_a_daemon_that_comes_again_touches_no_flow(emptied: Host, places: list[str]) -> None:
    run(emptied, 40)
    assert missing(emptied, places) == ""
    before = led(emptied)
    assert len(before) == len(places) - 1  # all but the one that is relayed
    emptied.stop_engine()
    emptied.start_engine()
    assert led(emptied) == before
    assert missing(emptied, places) == ""


def test_datagrams_straight_to_an_address_hinder_no_stop(emptied: Host, places: list[str]) -> None:
    run(emptied, 66)
    assert missing(emptied, [places[0]]) == ""
    assert emptied.run("docker stop -t 0 box").ok
    assert led(emptied) == {}
