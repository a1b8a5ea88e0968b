"""What still arrives at a held port reaches the container, and nobody else gets the port."""

import asyncio
import contextlib
import errno
import os
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from fairlead.model.host import HeldPortKey, Step, Target
from fairlead.resolver import supervise
from fairlead.resolver.asking import ask
from fairlead.resolver.ports import PortHolder
from tests.kernel.virtual_host import Node, private_namespace, run

INSIDE = "172.17.0.2"
ENOUGH = 2000  # looks, five milliseconds apart, at something that happens soon

# TCP 80: answers what it got, backwards, when its client has finished.  TCP 81: who it saw, at once.
# TCP 82: never reads.  TCP 83: resets.  UDP 7: who it saw, and what it got.
SERVER = """
import socket, struct, threading, time
def listen(port):
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("0.0.0.0", port))
    made.listen(200)
    return made
def backwards(client, peer):
    got = b""
    while part := client.recv(65536):
        got += part
    client.sendall(got[::-1])
    client.close()
def saw(client, peer):
    client.sendall(peer[0].encode())
    client.close()
def sleep(client, peer):
    time.sleep(60)
def reset(client, peer):
    client.recv(1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
def serve(listener, handle):
    while True:
        threading.Thread(target=handle, args=listener.accept(), daemon=True).start()
for port, handle in ((80, backwards), (81, saw), (82, sleep), (83, reset)):
    threading.Thread(target=serve, args=(listen(port), handle), daemon=True).start()
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(("0.0.0.0", 7))
print("ready", flush=True)
while True:
    content, peer = echo.recvfrom(65536)
    echo.sendto(f"{peer[0]} {peer[1]} ".encode() + content, peer)
"""


class Host:
    """A namespace with the port holder, an address on a LAN that nobody else is on, and one container."""

    def __init__(self, root: str):
        self.root = root
        self.container = Node()
        run("ip link add docker0 type bridge forward_delay 0")
        run("ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up")
        run("ip link add eth0 type bridge; ip addr add 198.51.100.10/24 dev eth0; ip link set eth0 up")
        run(f"ip link add v0 type veth peer name eth0 netns {self.container.pid}")
        run("ip link set v0 master docker0 up")
        self.container.run(f"ip addr add {INSIDE}/16 dev eth0; ip link set eth0 up")
        run("ip link show v0; ip link show docker0")
        self.container.serve(SERVER)
        asyncio.run(supervise.ensure_running("ports", root))
        path = supervise.socket_path("ports", root)
        self.holder = PortHolder(path)
        self.pid: int = asyncio.run(ask(path, {"do": "status"}))["pid"]

    def hold(self, protocol: str, address: str, port: int, inner: int, count: int = 1) -> HeldPortKey:
        key = HeldPortKey(protocol, ip_address(address), port, count)
        self.change(key, Target(ip_address(INSIDE), inner, "endpoint", "web"))
        return key

    def change(self, key: HeldPortKey, target: Target | None) -> None:
        asyncio.run(self.holder.perform([Step(key, None, target)]))

    def resident(self) -> int:
        """Kilobytes of memory that the port holder has."""
        (line,) = (
            line
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines()
            if line.startswith("VmRSS:")
        )
        return int(line.split()[1])

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    root = str(tmp_path_factory.mktemp("ports"))
    with private_namespace():
        made = Host(root)
        try:
            yield made
        finally:
            asyncio.run(supervise.stop("ports", root))
            made.container.close()


@pytest.fixture(autouse=True)
def nothing_stays_open(host: Host) -> Iterator[None]:
    """After each test its ports are released, and the port holder has no more files open than before."""
    before = host.descriptors()
    yield
    held = asyncio.run(host.holder.everything())
    asyncio.run(host.holder.perform([Step(key, target, None) for key, target in held.items()]))
    for _ in range(ENOUGH):
        if host.descriptors() <= before:
            break
        time.sleep(0.005)
    assert host.descriptors() <= before


def connected(address: str, port: int) -> socket.socket:
    made = socket.create_connection((address, port), timeout=10)
    made.settimeout(10)
    return made


def everything(client: socket.socket) -> bytes:
    got = b""
    while part := client.recv(65536):
        got += part
    return got


def end_of(client: socket.socket) -> int:
    """The error that reading the connection ends with, 0 for an orderly end."""
    try:
        everything(client)
    except OSError as error:
        return error.errno or 0
    return 0


@pytest.mark.parametrize(("bound", "asked"), [("::", "::1"), ("::1", "::1"), ("0.0.0.0", "127.0.0.1")])
def test_a_connection_by_loopback_reaches_the_container(host: Host, bound: str, asked: str) -> None:
    host.hold("tcp", bound, 8081, 81)
    with connected(asked, 8081) as client:
        assert everything(client) == b"172.17.0.1"


def test_each_port_of_a_run_leads_to_its_own(host: Host) -> None:
    host.hold("tcp", "::", 8080, 80, count=4)
    with connected("::1", 8081) as client:
        assert everything(client) == b"172.17.0.1"
    with connected("::1", 8080) as client:
        client.sendall(b"abc")
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == b"cba"


def test_each_direction_ends_by_itself_and_nothing_is_lost(host: Host) -> None:
    host.hold("tcp", "::", 8080, 80)
    content = os.urandom(3_000_000)
    with connected("::1", 8080) as client:
        client.sendall(content)
        client.shutdown(socket.SHUT_WR)
        assert everything(client) == content[::-1]


def test_many_connections_at_once(host: Host) -> None:
    host.hold("tcp", "::", 8080, 80)
    clients = [connected("::1", 8080) for _ in range(100)]
    for number, client in enumerate(clients):
        client.sendall(f"{number:03}".encode() * 1000)
        client.shutdown(socket.SHUT_WR)
    for number, client in enumerate(clients):
        with client:
            assert everything(client) == f"{number:03}"[::-1].encode() * 1000


def test_a_refused_connection_is_reset(host: Host) -> None:
    host.hold("tcp", "::", 8084, 84)
    with pytest.raises(ConnectionResetError), connected("::1", 8084) as client:  # maybe as it begins
        everything(client)


def test_a_reset_on_one_side_is_a_reset_on_the_other(host: Host) -> None:
    host.hold("tcp", "::", 8083, 83)
    with connected("::1", 8083) as client:
        client.sendall(b"x")
        assert end_of(client) == errno.ECONNRESET


def test_a_client_that_resets_frees_everything(host: Host) -> None:
    host.hold("tcp", "::", 8082, 82)
    for _ in range(20):
        client = connected("::1", 8082)
        client.sendall(b"x")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    # The fixture sees that their descriptors go.


def test_a_side_that_does_not_read_stops_the_other(host: Host) -> None:
    host.hold("tcp", "::", 8082, 82)
    before, sent = host.resident(), 0
    with connected("::1", 8082) as client:
        client.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while sent < 256 << 20:
                sent += client.send(bytes(1 << 20))
        assert sent < 64 << 20
        assert host.resident() - before < 8 << 10


def test_a_release_resets_what_is_carried_and_leaves_the_rest(host: Host) -> None:
    ended = host.hold("tcp", "::", 8080, 80)
    host.hold("tcp", "::", 8180, 80)
    with connected("::1", 8080) as first, connected("::1", 8180) as second:
        first.sendall(b"x")
        second.sendall(b"abc")
        host.change(ended, None)
        assert end_of(first) == errno.ECONNRESET
        second.shutdown(socket.SHUT_WR)
        assert everything(second) == b"cba"
    with pytest.raises(ConnectionRefusedError):
        connected("::1", 8080)


def test_a_port_that_is_led_elsewhere_leads_there(host: Host) -> None:
    key = host.hold("tcp", "::", 8080, 84)
    host.change(key, Target(ip_address(INSIDE), 81, "endpoint"))
    with connected("::1", 8080) as client:
        assert everything(client) == b"172.17.0.1"


def exchange(address: str, port: int, content: bytes = b"hello", source: str = "") -> bytes:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        if source:
            client.bind((source, 0))
        client.settimeout(5)
        client.connect((address, port))  # so that only answers from where it asked arrive
        client.send(content)
        return client.recv(65536)


@pytest.mark.parametrize(
    ("bound", "asked"),
    [
        ("::", "::1"),
        ("0.0.0.0", "127.0.0.1"),
        ("0.0.0.0", "127.0.0.5"),
        ("0.0.0.0", "198.51.100.10"),
        ("198.51.100.10", "198.51.100.10"),
    ],
)
def test_a_datagram_is_answered_from_where_it_was_sent(host: Host, bound: str, asked: str) -> None:
    host.hold("udp", bound, 7000, 7)
    assert exchange(asked, 7000).startswith(b"172.17.0.1 ")
    assert exchange(asked, 7000).endswith(b" hello")


def test_a_neighbour_is_answered_from_the_hosts_address_that_it_asked(host: Host) -> None:
    host.hold("udp", "0.0.0.0", 7000, 7)
    host.container.run("ip route add default via 172.17.0.1")
    code = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5);"
        's.connect(("198.51.100.10", 7000)); s.send(b"x"); print(s.recv(99).decode())'
    )
    assert host.container.run(f"python3 -c '{code}'").startswith("172.17.0.1 ")


def test_clients_have_sessions_of_their_own(host: Host) -> None:
    host.hold("udp", "::", 7000, 7)
    clients = []
    for _ in range(50):
        client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        client.settimeout(5)
        client.connect(("::1", 7000))
        clients.append(client)
    seen = set()
    for turn in range(2):
        for number, client in enumerate(clients):
            client.send(f"{turn} {number}".encode())
        for number, client in enumerate(clients):
            address, port, *content = client.recv(100).decode().split()
            assert content == [str(turn), str(number)]
            seen.add(port)
    assert len(seen) == 50  # the same session for both turns
    for client in clients:
        client.close()


def test_the_longest_datagram(host: Host) -> None:
    host.hold("udp", "::", 7000, 7)
    content = os.urandom(60_000)
    assert exchange("::1", 7000, content).endswith(content)


def test_datagrams_flow_again_when_the_target_is_back(host: Host) -> None:
    host.hold("udp", "::", 7001, 70)
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as client:
        client.connect(("::1", 7001))
        client.settimeout(0.5)
        client.send(b"lost")
        with pytest.raises(TimeoutError):
            client.recv(100)
        host.container.serve(
            "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            's.bind(("0.0.0.0", 70)); print("ready", flush=True)\n'
            "while True: s.sendto(*s.recvfrom(100))"
        )
        client.settimeout(5)
        client.send(b"found")
        assert client.recv(100) == b"found"


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
@pytest.mark.parametrize("address", ["0.0.0.0", "127.0.0.1", "198.51.100.10"])
def test_nobody_else_gets_a_held_port(host: Host, kind: socket.SocketKind, address: str) -> None:
    host.hold("tcp" if kind == socket.SOCK_STREAM else "udp", "0.0.0.0", 8080, 80)
    with socket.socket(socket.AF_INET, kind) as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError) as caught:
            other.bind((address, 8080))
            other.listen()
        assert caught.value.errno == errno.EADDRINUSE


def test_held_ports_look_as_dockers_do(host: Host) -> None:
    for address in ("0.0.0.0", "::"):
        host.hold("tcp", address, 88, 80)
        host.hold("udp", address, 77, 7)
    lines = [line.split() for line in run("ss -Hlntu").splitlines()]
    assert sorted((words[0], words[1], words[4]) for words in lines) == [
        ("tcp", "LISTEN", "0.0.0.0:88"),
        ("tcp", "LISTEN", "[::]:88"),
        ("udp", "UNCONN", "0.0.0.0:77"),
        ("udp", "UNCONN", "[::]:77"),
    ]


def test_sctp_is_held_or_refused_clearly(host: Host) -> None:
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_SCTP).close()
    except OSError as error:
        assert error.errno == errno.EPROTONOSUPPORT
        with pytest.raises(Exception, match="Error starting userland proxy: protocol not supported"):
            host.hold("sctp", "0.0.0.0", 5000, 5000)
    else:
        host.hold("sctp", "0.0.0.0", 5000, 5000)


def test_a_run_of_a_thousand_ports(host: Host) -> None:
    for address in ("0.0.0.0", "::"):
        host.hold("tcp", address, 20000, 80, count=1000)
    with connected("::1", 20001) as client:
        assert everything(client) == b"172.17.0.1"
    assert len(run("ss -Hlnt").splitlines()) == 2000
