"""A process beside the daemon hands everything to one of another release, and nobody notices."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Any

import dns.message
import pytest

from fairlead.model.errors import Failed
from fairlead.model.host import HeldPortKey, ResolverKey, Step, Target
from fairlead.resolver import supervise
from fairlead.resolver.asking import ask
from fairlead.resolver.estate import Deed
from fairlead.resolver.ports import PortHolder
from fairlead.resolver.release import digest
from tests.kernel.releases import another_release
from tests.kernel.resolver_host import (
    GOOD,
    ROOT,
    Host,
    Sandbox,
    answered,
    framed,
    on_host,
    read_one,
    texts,
    upstream,
)
from tests.kernel.virtual_host import private_namespace, run

PATIENCE = 20  # seconds


async def replaced(kind: str, root: str) -> tuple[int, int]:
    """The process numbers before and after one of another release has given way to ours."""
    path = supervise.socket_path(kind, root)
    before = await ask(path, {"do": "status"})
    await supervise.ensure_running(kind, root)
    after = await ask(path, {"do": "status"})
    assert before["pid"] != after["pid"]
    assert before["release"] != after["release"]
    return before["pid"], after["pid"]


async def gone(pid: int) -> bool:
    """Whether a process ends soon."""
    for _ in range(PATIENCE * 100):
        # In the tests' namespace nobody waits for it: it stays as an entry.
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as file:
            if file.read().rpartition(")")[2].split()[0] != "Z":
                await asyncio.sleep(0.01)
                continue
        return True
    return False


async def older_resolver(host: Host) -> None:
    await supervise.stop("resolver", ROOT)
    with another_release():
        await supervise.ensure_running("resolver", ROOT)


async def asked_all_the_while(box: Sandbox, name: str, until: asyncio.Event) -> int:
    count = 0
    while not until.is_set():
        assert texts(await box.ask(name))
        count += 1
    return count


@on_host
async def test_a_resolver_hands_over_while_it_is_asked(host: Host) -> None:
    await older_resolver(host)
    async with upstream(GOOD) as good:
        box, other = await host.sandbox(GOOD), await host.sandbox(GOOD, name="other")
        reader, writer = await box.connect()
        done = asyncio.Event()
        asking = [
            asyncio.create_task(asked_all_the_while(each, name, done))
            for each in (box, other)
            for name in ("web", "example.com")
        ]
        good.behave = lambda query: [] if "slow" in str(query.question[0]) else [answered(query).to_wire()]
        slow = asyncio.create_task(box.ask("slow.example.com"))
        while not any("slow" in str(query.question[0]) for query in good.udp):
            await asyncio.sleep(0.005)
        before, _ = await replaced("resolver", ROOT)
        good.behave = lambda query: [answered(query).to_wire()]  # it is asked again, by who was asked first
        assert texts(await slow) == ["192.0.2.1"]
        writer.write(framed(dns.message.make_query("web", "A")))
        assert texts(await read_one(reader)) == ["10.0.0.2"]
        writer.close()
        done.set()
        assert all(await asyncio.gather(*asking))
    assert await gone(before)
    assert texts(await box.ask_by_tcp("web")) == ["10.0.0.2"]
    [value] = (await host.names.observe([ResolverKey("box")])).values()
    assert value is not None
    await host.names.perform([Step(ResolverKey("box"), value, None)])
    assert await host.names.observe([ResolverKey("box")]) == {ResolverKey("box"): None}


@on_host
async def test_a_release_is_what_runs_and_not_what_lies_there_by_now(host: Host) -> None:
    await supervise.stop("resolver", ROOT)
    with another_release() as package:
        before = digest(package)
        await supervise.ensure_running("resolver", ROOT)
        (package / "resolver" / "dns_main.py").unlink()
        status = await ask(supervise.socket_path("resolver", ROOT), {"do": "status"})
        assert status["release"] == before != digest(package)
    await replaced("resolver", ROOT)


@on_host
async def test_what_no_successor_takes_stays(host: Host) -> None:
    box = await host.sandbox()
    path = supervise.socket_path("resolver", ROOT)
    deed = await asyncio.to_thread(Deed, path)
    waiting = asyncio.create_task(box.ask("web"))
    for _ in range(10):
        await asyncio.sleep(0.01)
        assert not waiting.done()  # nobody reads
    deed.close()
    assert texts(await waiting) == ["10.0.0.2"]
    for each in deed.inheritance.sockets:
        each.close()
    assert texts(await box.ask("web")) == ["10.0.0.2"]
    await host.sandbox(name="other")


@on_host
async def test_who_cannot_hand_over_says_why(host: Host) -> None:
    with pytest.raises(Failed, match="nothing that it can do|cannot read"):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(f"{ROOT}/old.sock")
        listener.listen()

        def refuse() -> None:
            client, _ = listener.accept()
            client.recv(1000)
            client.sendall(b'{"error": "\'hand over\' is nothing that it can do"}\n')
            client.close()

        refusing = asyncio.create_task(asyncio.to_thread(refuse))
        try:
            await asyncio.to_thread(Deed, f"{ROOT}/old.sock")
        finally:
            await refusing
            listener.close()


SERVED = "127.0.0.7"


@pytest.fixture
def root(tmp_path: Any) -> Iterator[str]:
    with private_namespace():
        run("ip link set lo up")
        yield str(tmp_path)
        asyncio.run(supervise.stop("ports", str(tmp_path)))
        assert "Traceback" not in (tmp_path / "ports.log").read_text()


def test_a_port_holder_hands_over_connections_and_sessions(root: str) -> None:
    asyncio.run(hands_over(root))


async def hands_over(root: str) -> None:
    holder = PortHolder(supervise.socket_path("ports", root))
    with another_release():
        await supervise.ensure_running("ports", root)
    peers: list[Any] = []

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, content: bytes, client: Any) -> None:
            peers.append(client)
            self.transport.sendto(content, client)

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while piece := await reader.read(1 << 16):
            writer.write(piece)
            await writer.drain()
        writer.write(b"the end")
        writer.close()

    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(echo, SERVED, 80)
    datagrams, _ = await loop.create_datagram_endpoint(Echo, (SERVED, 7))
    tcp, udp = HeldPortKey("tcp", ip_address("::"), 8080, 2), HeldPortKey("udp", ip_address("::"), 8007)
    target = Target(ip_address(SERVED), 80, "endpoint", "web")
    await holder.perform(
        [Step(tcp, None, target), Step(udp, None, Target(ip_address(SERVED), 7, "e", "web"))]
    )

    reader, writer = await asyncio.open_connection("::1", 8080)
    await said_and_heard(reader, writer, b"before")
    client = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    client.setblocking(False)
    client.connect(("::1", 8007))
    client.send(b"one")
    assert await asyncio.wait_for(loop.sock_recv(client, 10), PATIENCE) == b"one"
    done = asyncio.Event()
    knocking = asyncio.create_task(knocked(done))

    before, after = await replaced("ports", root)

    assert await gone(before)
    await said_and_heard(reader, writer, b"after" * 10000)
    client.send(b"two")
    assert await asyncio.wait_for(loop.sock_recv(client, 10), PATIENCE) == b"two"
    assert peers[0] == peers[1]  # the session is the same one
    done.set()
    assert await knocking
    assert (await holder.observe([tcp]))[tcp] == target
    assert len(os.listdir(f"/proc/{after}/fd")) < 40
    writer.write_eof()
    assert await asyncio.wait_for(reader.read(), PATIENCE) == b"the end"
    reader, writer = await asyncio.open_connection("::1", 8080)
    await said_and_heard(reader, writer, b"again")
    before, _ = await handed_back(root)
    await holder.perform([Step(tcp, target, None)])
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.readexactly(1), PATIENCE)
    for closing in (writer, client, datagrams, server):
        closing.close()
    assert await gone(before)


async def handed_back(root: str) -> tuple[int, int]:
    """Once more, by hand: to a process of the same release."""
    path = supervise.socket_path("ports", root)
    before = (await ask(path, {"do": "status"}))["pid"]
    started = await supervise._start("ports", root, "--succeed")
    assert started.code == 0, started.complaint
    for _ in range(PATIENCE * 100):
        after = (await ask(path, {"do": "status"}))["pid"]
        if after != before:
            return before, after
        await asyncio.sleep(0.01)
    raise AssertionError("nobody took over")


async def said_and_heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes) -> None:
    writer.write(content)
    assert await asyncio.wait_for(reader.readexactly(len(content)), PATIENCE) == content


async def knocked(done: asyncio.Event) -> int:
    count = 0
    while not done.is_set():
        reader, writer = await asyncio.open_connection("::1", 8080)
        await said_and_heard(reader, writer, b"knock")
        writer.close()
        count += 1
        await asyncio.sleep(0.002)
    return count
