"""A process beside the daemon that is killed loses no socket: the next one goes on with them."""

import asyncio
import errno
import os
import random
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import dns.message
import pytest

from fairlead.model.host import HeldPortKey, ResolverKey, Step, Target
from fairlead.resolver import supervise
from fairlead.resolver.asking import ask
from fairlead.resolver.keeping import Keeper
from fairlead.resolver.names import NameServer
from fairlead.resolver.ports import PortHolder
from tests.kernel.releases import another_release
from tests.kernel.resolver_host import GOOD, RESOLVER, ROOT, Host, Sandbox, on_host, texts, upstream
from tests.kernel.virtual_host import private_namespace, run

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
PATIENCE = 20  # seconds, for what takes milliseconds
SERVED = "127.0.0.7"
TCP = HeldPortKey("tcp", ip_address("127.0.0.1"), 8080, 2)
UDP = HeldPortKey("udp", ip_address("127.0.0.1"), 8007)
TO_TCP = Target(ip_address(SERVED), 80, "endpoint", "web")
TO_UDP = Target(ip_address(SERVED), 7, "endpoint", "web")


async def killed(kind: str, root: str) -> None:
    """Kill the process, and wait until it has gone with all that it had open."""
    pid = (await ask(supervise.socket_path(kind, root), {"do": "status"}))["pid"]
    os.kill(pid, 9)
    async with asyncio.timeout(PATIENCE):
        while _lives(pid):
            await asyncio.sleep(0.001)


def _lives(pid: int) -> bool:
    with suppress(OSError), open(f"/proc/{pid}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"
    return False


def free(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as trying:
        try:
            trying.bind(("127.0.0.1", port))
        except OSError as error:
            assert error.errno == errno.EADDRINUSE
            return False
    return True


class Ports:
    """The daemon's side of a port holder."""

    def __init__(self, root: str):
        self.root = root
        self.keeper = Keeper()
        self.holder = PortHolder(supervise.socket_path("ports", root), keeper=self.keeper)

    async def change(self, *steps: Step) -> None:
        """As a convergence does it."""
        await self.holder.perform(steps)
        assert await self.holder.observe([each.key for each in steps]) == {
            each.key: each.after for each in steps
        }

    async def revive(self) -> bool:
        return await supervise.ensure_running("ports", self.root, self.holder.kept)


def with_ports(test: Callable[[Ports], Awaitable[None]]) -> Callable[[Any], None]:
    """The test in a namespace of its own, with a port holder running."""

    async def body(root: str) -> None:
        await supervise.ensure_running("ports", root)
        ports = Ports(root)
        try:
            await test(ports)
        finally:
            ports.keeper.close()
            await supervise.stop("ports", root)

    def run_it(tmp_path: Any) -> None:
        with private_namespace():
            run("ip link set lo up")
            asyncio.run(body(str(tmp_path)))
            assert "Traceback" not in (tmp_path / "ports.log").read_text()

    run_it.__name__ = test.__name__  # type: ignore[attr-defined]
    run_it.__module__ = test.__module__
    return run_it


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, content: bytes, client: Any) -> None:
        self.transport.sendto(content, client)


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    writer.close()


@with_ports
async def test_ports_stay_held_and_what_arrives_waits_for_the_next_holder(ports: Ports) -> None:
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(greet, SERVED, 80)
    datagrams, _ = await loop.create_datagram_endpoint(Echo, (SERVED, 7))
    await ports.change(Step(TCP, None, TO_TCP), Step(UDP, None, TO_UDP))

    await killed("ports", ports.root)

    held = [(socket.SOCK_STREAM, 8080), (socket.SOCK_STREAM, 8081), (socket.SOCK_DGRAM, 8007)]
    assert not any(free(*each) for each in held)
    reader, writer = await asyncio.open_connection("127.0.0.1", 8080)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", 8007))
        client.send(b"one")
        assert await ports.revive()
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b"hello"
            assert await loop.sock_recv(client, 10) == b"one"
    assert await ports.holder.observe([TCP, UDP]) == {TCP: TO_TCP, UDP: TO_UDP}
    writer.close()
    datagrams.close()
    server.close()


@with_ports
async def test_what_is_released_is_free_at_once_however_often_its_holder_was_killed(ports: Ports) -> None:
    await ports.change(Step(TCP, None, TO_TCP), Step(UDP, None, TO_UDP))
    for _ in range(2):
        await killed("ports", ports.root)
        await ports.revive()
    await ports.change(Step(TCP, TO_TCP, None))
    assert free(socket.SOCK_STREAM, 8080) and free(socket.SOCK_STREAM, 8081)
    assert not free(socket.SOCK_DGRAM, 8007)
    await killed("ports", ports.root)
    await ports.revive()
    assert free(socket.SOCK_STREAM, 8080) and not free(socket.SOCK_DGRAM, 8007)
    assert await ports.holder.everything() == {UDP: TO_UDP}


@with_ports
async def test_a_daemon_that_starts_keeps_what_is_held_already_also_by_another_release(ports: Ports) -> None:
    await supervise.stop("ports", ports.root)
    with another_release():
        await supervise.ensure_running("ports", ports.root)
    await ports.change(Step(TCP, None, TO_TCP))
    ports.keeper.close()  # as the end of the daemon does
    later = Ports(ports.root)
    assert not await later.revive()  # it hands over
    assert await later.holder.observe([TCP]) == {TCP: TO_TCP}
    await killed("ports", ports.root)
    assert not free(socket.SOCK_STREAM, 8080)
    assert await later.revive()
    assert await later.holder.observe([TCP]) == {TCP: TO_TCP}
    later.keeper.close()


@with_ports
async def test_a_question_on_its_way_does_not_bring_back_what_is_released_meanwhile(ports: Ports) -> None:
    chance = random.Random(1)
    keys = [HeldPortKey("tcp", ip_address("127.0.0.1"), port) for port in range(9000, 9020)]
    for _ in range(20):
        await ports.holder.perform([Step(key, None, TO_TCP) for key in keys])
        looking = [asyncio.create_task(ports.holder.observe(keys)) for _ in range(3)]
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        await ports.holder.perform([Step(key, TO_TCP, None) for key in keys])
        await asyncio.gather(*looking)
        assert all(free(socket.SOCK_STREAM, key.port) for key in keys)
        assert ports.keeper.everything() == []


@with_ports
async def test_who_cannot_read_what_was_kept_begins_with_nothing(ports: Ports) -> None:
    await ports.change(Step(TCP, None, TO_TCP))
    ports.keeper.everything()[0][1].value = ["nowhere", 0, "", ""]
    await killed("ports", ports.root)
    assert await ports.revive()
    assert await ports.holder.everything() == {}
    log = f"{ports.root}/ports.log"
    with open(log) as file:
        assert "cannot go on with what was kept" in file.read()
    os.truncate(log, 0)


class Names:
    """The daemon's side of the resolver; it revives it as the daemon does."""

    def __init__(self, host: Host):
        self.keeper = Keeper()
        self.revived = 0
        path = supervise.socket_path("resolver", ROOT)
        host.names = self.server = NameServer(path, self.revive, self.keeper)

    async def revive(self) -> None:
        self.revived += await supervise.ensure_running("resolver", ROOT, self.server.kept)

    async def look(self) -> None:
        """As a convergence does it at its end."""
        await self.server.observe(list(await self.server.everything()))


@on_host
async def test_questions_wait_for_the_next_resolver(host: Host) -> None:
    names = Names(host)
    async with upstream(GOOD):
        box = await host.sandbox(GOOD)
        await names.look()
        await killed("resolver", ROOT)
        asked = [asyncio.create_task(box.ask(name)) for name in ("web", "www.example.com") * 10]
        by_tcp = asyncio.create_task(box.ask_by_tcp("web"))
        await asyncio.sleep(0.05)
        assert not any(each.done() for each in asked)
        await names.revive()
        for each in asked:
            assert texts(await each)
        assert texts(await by_tcp) == ["10.0.0.2"]
    assert names.revived == 1
    names.keeper.close()


@on_host
async def test_nothing_is_lost_at_a_hundred_questions_a_second(host: Host) -> None:
    names = Names(host)
    box = await host.sandbox()
    await names.look()
    asking = asyncio.create_task(hundred_a_second(box, 200))
    for _ in range(3):
        await asyncio.sleep(0.2)
        await killed("resolver", ROOT)
        await names.look()  # whoever asks next revives it
    assert await asking == 200
    assert names.revived == 3
    names.keeper.close()


async def hundred_a_second(box: Sandbox, count: int) -> int:
    """How many of so many questions were answered; none is asked twice."""
    loop = asyncio.get_running_loop()
    answered: set[int] = set()
    with box.socket() as client:
        client.connect(RESOLVER)
        loop.add_reader(client, lambda: answered.add(_number(client.recv(512))))
        for number in range(count):
            client.send(dns.message.make_query("web", "A", id=number).to_wire())
            await asyncio.sleep(0.01)
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while len(answered) < count:
                    await asyncio.sleep(0.01)
        loop.remove_reader(client)
    return len(answered)


def _number(message: bytes) -> int:
    answer = dns.message.from_wire(message)
    assert texts(answer) == ["10.0.0.2"]
    return answer.id


@on_host
async def test_nothing_keeps_a_namespace_whose_resolver_was_closed_or_that_was_unpinned(host: Host) -> None:
    names = Names(host)
    for name in ("box", "other"):
        await host.sandbox(name=name)
    await names.look()
    await killed("resolver", ROOT)
    await names.look()
    [value] = (await names.server.observe([ResolverKey("box")])).values()
    await names.server.perform([Step(ResolverKey("box"), value, None)])
    assert run("ip netns exec box ss -Hlntu") == ""
    run("ip netns del other")
    assert await names.server.observe([ResolverKey("other")]) == {ResolverKey("other"): None}
    assert not [key for key, _ in names.keeper.everything() if isinstance(key, ResolverKey)]
    names.keeper.close()
