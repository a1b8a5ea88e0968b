"""Hosts with a resolver, for tests of what it answers: sandboxes to ask in, upstreams to be asked."""

import asyncio
import contextlib
import os
import socket
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from fairlead.model.host import NameKey, PointerKey, Resolver, ResolverKey, Step
from fairlead.resolver import supervise
from fairlead.resolver.asking import ask
from fairlead.resolver.names import NameServer
from tests.kernel.fresh_host import in_fresh_host, inside

ROOT = "/run/engine"
RESOLVER = ("127.0.0.11", 53)
GOOD, OTHER, SILENT, CLOSED = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
DEADLINE = 20  # seconds, for what takes milliseconds

Message = dns.message.Message


class Upstream:
    """A name server of the outside world: it answers 192.0.2.1 to everything, or does as `behave` says."""

    def __init__(self) -> None:
        self.udp: list[Message] = []
        self.tcp: list[Message] = []
        self.behave: Callable[[Message], list[bytes]] = lambda query: [answered(query).to_wire()]

    async def serve(self, address: str, namespace: str = "") -> None:
        loop = asyncio.get_running_loop()
        upstream = self

        class Datagrams(asyncio.DatagramProtocol):
            def connection_made(self, transport: Any) -> None:
                self.transport = transport

            def datagram_received(self, content: bytes, client: Any) -> None:
                query = dns.message.from_wire(content)
                upstream.udp.append(query)
                for answer in upstream.behave(query):
                    self.transport.sendto(answer, client)

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            with contextlib.suppress(asyncio.IncompleteReadError):
                while True:
                    size = int.from_bytes(await reader.readexactly(2), "big")
                    query = dns.message.from_wire(await reader.readexactly(size))
                    upstream.tcp.append(query)
                    answer = answered(query, 100).to_wire()
                    writer.write(len(answer).to_bytes(2, "big") + answer)
            writer.close()

        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with inside(f"/run/netns/{namespace}") if namespace else contextlib.nullcontext():
            udp, tcp = (socket.socket(family, kind) for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM))
        for made in (udp, tcp):
            made.bind((address, 53))
        await loop.create_datagram_endpoint(Datagrams, sock=udp)
        await asyncio.start_server(converse, sock=tcp)


def answered(query: Message, count: int = 1) -> dns.message.Message:
    made = dns.message.make_response(query)
    texts = [f"192.0.2.{number + 1}" for number in range(count)]
    made.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", "A", *texts))
    return made


class Sandbox:
    """A namespace with a resolver, and clients in it."""

    def __init__(self, name: str):
        self.name = name
        subprocess.run(f"ip netns add {name}; ip -n {name} link set lo up", shell=True, check=True)

    def socket(self, kind: socket.SocketKind = socket.SOCK_DGRAM) -> socket.socket:
        with inside(f"/run/netns/{self.name}"):
            made = socket.socket(socket.AF_INET, kind)
        made.setblocking(False)
        return made

    async def ask(self, name: str, kind: str = "A", **edns: int) -> Message:
        """What UDP answers."""
        query = dns.message.make_query(name, kind)
        if edns:
            query.use_edns(0, **edns)
        return await self.exchange(query.to_wire())

    async def exchange(self, message: bytes) -> Message:
        loop = asyncio.get_running_loop()
        with self.socket() as client:
            await loop.sock_connect(client, RESOLVER)
            await loop.sock_sendall(client, message)
            async with asyncio.timeout(DEADLINE):
                answer = dns.message.from_wire(await loop.sock_recv(client, 65535))
        assert answer.to_wire()[:2] == message[:2]
        return answer

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        client = self.socket(socket.SOCK_STREAM)
        await asyncio.get_running_loop().sock_connect(client, RESOLVER)
        return await asyncio.open_connection(sock=client)

    async def ask_by_tcp(self, name: str, kind: str = "A") -> Message:
        reader, writer = await self.connect()
        writer.write(framed(dns.message.make_query(name, kind)))
        answer = await read_one(reader)
        writer.close()
        return answer


def framed(query: Message) -> bytes:
    message = query.to_wire()
    return len(message).to_bytes(2, "big") + message


async def read_one(reader: asyncio.StreamReader) -> Message:
    async with asyncio.timeout(DEADLINE):
        size = int.from_bytes(await reader.readexactly(2), "big")
        return dns.message.from_wire(await reader.readexactly(size))


class Host:
    """A fresh host with the resolver; web is 10.0.0.2 on the network blue."""

    def __init__(self) -> None:
        self.names = NameServer(supervise.socket_path("resolver", ROOT))

    async def sandbox(
        self, *upstreams: str, name: str = "box", internal: bool = False, inside: tuple[str, ...] = ()
    ) -> Sandbox:
        made = Sandbox(name)
        value = Resolver(("n1",), upstreams, internal=internal, network_names=("blue",), inside=inside)
        address = ip_address("10.0.0.2")
        await self.names.perform(
            [
                Step(NameKey("n1", "web", address), None, "e1"),
                Step(PointerKey("n1", address), None, "web"),
                Step(ResolverKey(name), None, value),
            ]
        )
        return made

    async def descriptors(self) -> int:
        status = await ask(supervise.socket_path("resolver", ROOT), {"do": "status"})
        return len(os.listdir(f"/proc/{status['pid']}/fd"))


@contextlib.asynccontextmanager
async def upstream(address: str, namespace: str = "") -> AsyncIterator[Upstream]:
    made = Upstream()
    await made.serve(address, namespace)
    yield made


def on_host(test: Callable[[Host], Awaitable[None]]) -> Callable[[], None]:
    """The test in a fresh host, with a resolver running."""

    async def body() -> None:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        await supervise.ensure_running("resolver", ROOT)
        try:
            await test(Host())
        finally:
            await supervise.stop("resolver", ROOT)
            log = Path(f"{ROOT}/resolver.log").read_text()
        assert "Traceback" not in log, log

    def run() -> None:
        in_fresh_host(body)

    run.__name__ = test.__name__  # type: ignore[attr-defined]
    run.__module__ = test.__module__
    return run


def texts(answer: Message) -> list[str]:
    return sorted(record.to_text() for rrset in answer.answer for record in rrset)


def code(answer: Message) -> str:
    return dns.rcode.to_text(answer.rcode())
