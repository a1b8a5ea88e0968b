"""Names are answered on 127.0.0.11:53 of a sandbox, whatever clients and upstreams do."""

import asyncio
import contextlib
import os
import socket
from ipaddress import ip_address

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

from fairlead.dns.forward import PATIENT_SILENCES
from fairlead.model.host import NameKey, Resolver, ResolverKey, Step
from fairlead.resolver.upstream import MOST_OF_ONE
from tests.kernel.resolver_host import (
    CLOSED,
    DEADLINE,
    GOOD,
    OTHER,
    RESOLVER,
    SILENT,
    Host,
    Message,
    Sandbox,
    answered,
    code,
    framed,
    on_host,
    read_one,
    texts,
    upstream,
)


@on_host
async def test_a_name_is_answered_by_udp_and_tcp(host: Host) -> None:
    box = await host.sandbox()
    for way in (box.ask, box.ask_by_tcp):
        assert texts(await way("web")) == ["10.0.0.2"]
        assert texts(await way("WEB.blue.")) == ["10.0.0.2"]
        assert texts(await way("2.0.0.10.in-addr.arpa", "PTR")) == ["web.blue."]
        assert (code(await way("web", "AAAA")), texts(await way("web", "AAAA"))) == ("NOERROR", [])


@on_host
async def test_the_sandbox_may_have_a_name_server_of_its_own(host: Host) -> None:
    box = await host.sandbox()
    servers = [box.socket(socket.SOCK_DGRAM), box.socket(socket.SOCK_STREAM)]
    for server in servers:
        server.bind(("0.0.0.0", 53))
    servers[1].listen()
    for way in (box.ask, box.ask_by_tcp):
        assert texts(await way("web")) == ["10.0.0.2"]
    loop = asyncio.get_running_loop()
    with box.socket() as client:
        await loop.sock_sendto(client, b"for you", ("127.0.0.1", 53))
        assert await loop.sock_recv(servers[0], 100) == b"for you"
    for server in servers:
        server.close()


@on_host
async def test_two_sandboxes_see_their_own_networks(host: Host) -> None:
    box = await host.sandbox()
    other = Sandbox("other")
    await host.names.perform(
        [
            Step(NameKey("n2", "web", ip_address("10.9.0.2")), None, "e2"),
            Step(ResolverKey("other"), None, Resolver(("n2",), ())),
        ]
    )
    assert texts(await box.ask("web")) == ["10.0.0.2"]
    assert texts(await other.ask("web")) == ["10.9.0.2"]


@on_host
async def test_the_outside_is_asked_by_an_address_of_the_hosts_loopback(host: Host) -> None:
    async with upstream(GOOD) as good:
        box = await host.sandbox(GOOD)
        assert texts(await box.ask("www.example.com")) == ["192.0.2.1"]
        assert len(texts(await box.ask_by_tcp("www.example.com"))) == 100
        assert (len(good.udp), len(good.tcp)) == (1, 1)


@on_host
async def test_an_upstream_may_have_an_ipv6_address(host: Host) -> None:
    async with upstream("::1"):
        box = await host.sandbox("::1")
        assert texts(await box.ask("www.example.com")) == ["192.0.2.1"]
        assert len(texts(await box.ask_by_tcp("www.example.com"))) == 100


@on_host
async def test_a_truncated_answer_sends_the_client_to_tcp(host: Host) -> None:
    async with upstream(GOOD) as good:
        box = await host.sandbox(GOOD)

        def truncated(query: Message) -> list[bytes]:
            made = dns.message.make_response(query)
            made.flags |= dns.flags.TC
            return [made.to_wire()]

        good.behave = truncated
        assert (await box.ask("www.example.com")).flags & dns.flags.TC
        assert len(texts(await box.ask_by_tcp("www.example.com"))) == 100


@on_host
async def test_a_clients_edns_reaches_the_upstream_and_a_long_answer_the_client(host: Host) -> None:
    async with upstream(GOOD) as good:
        box = await host.sandbox(GOOD)
        good.behave = lambda query: [answered(query, 200).to_wire()]
        answer = await box.ask("www.example.com", payload=4096, ednsflags=dns.flags.DO)
        assert len(texts(answer)) == 200
        assert (good.udp[0].payload, good.udp[0].ednsflags) == (4096, dns.flags.DO)


@on_host
async def test_local_names_never_wait_for_the_outside(host: Host) -> None:
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((SILENT, 53))
    box = await host.sandbox(SILENT)
    waiting = [asyncio.create_task(box.ask(f"{number}.example.com")) for number in range(50)]
    await asyncio.sleep(0)
    for _ in range(50):
        assert texts(await box.ask("web")) == ["10.0.0.2"]
    assert not any(task.done() for task in waiting)
    assert {code(answer) for answer in await asyncio.gather(*waiting)} == {"SERVFAIL"}
    silent.close()


@on_host
async def test_a_dead_upstream_is_overtaken_and_remembered(host: Host) -> None:
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((SILENT, 53))
    silent.setblocking(False)
    async with upstream(GOOD) as good:
        box = await host.sandbox(SILENT, GOOD)
        for number in range(PATIENT_SILENCES + 10):
            assert texts(await box.ask(f"{number}.example.com")) == ["192.0.2.1"]
        assert len(good.udp) == PATIENT_SILENCES + 10
        asked = 0
        with contextlib.suppress(BlockingIOError):
            while silent.recv(1000):
                asked += 1
        assert asked == PATIENT_SILENCES
    silent.close()


@on_host
async def test_the_first_upstream_is_preferred_while_it_works(host: Host) -> None:
    async with upstream(GOOD) as good, upstream(OTHER) as other:
        box = await host.sandbox(GOOD, OTHER)
        for number in range(20):
            await box.ask(f"{number}.example.com")
        assert len(good.udp) == 20
        assert len(other.udp) < 5  # a machine that stalls may make the first look silent


@on_host
async def test_an_upstream_that_refuses_is_followed_by_the_next(host: Host) -> None:
    async with upstream(GOOD):
        box = await host.sandbox(CLOSED, GOOD)
        assert texts(await box.ask("www.example.com")) == ["192.0.2.1"]
        assert len(texts(await box.ask_by_tcp("www.example.com"))) == 100


@on_host
async def test_when_nobody_helps_the_client_is_told(host: Host) -> None:
    box = await host.sandbox(CLOSED)
    for way in (box.ask, box.ask_by_tcp):
        assert code(await way("www.example.com")) == "SERVFAIL"


@on_host
async def test_an_upstreams_own_words_are_kept_when_nobody_helps(host: Host) -> None:
    async with upstream(GOOD) as good:
        box = await host.sandbox(GOOD, CLOSED)

        def refused(query: Message) -> list[bytes]:
            made = dns.message.make_response(query)
            made.set_rcode(dns.rcode.REFUSED)
            return [made.to_wire()]

        good.behave = refused
        assert code(await box.ask("www.example.com")) in ("REFUSED", "SERVFAIL")


@on_host
async def test_a_forged_answer_is_not_believed(host: Host) -> None:
    async with upstream(GOOD) as good:
        box = await host.sandbox(GOOD)

        def forged(query: Message) -> list[bytes]:
            real = answered(query).to_wire()
            other_id = bytes((real[0] ^ 1, real[1])) + real[2:]
            other = dns.message.make_query("www.example.org", "A", id=query.id)
            return [b"", b"\0" * 11, query.to_wire(), other_id, answered(other, 3).to_wire(), real]

        good.behave = forged
        assert texts(await box.ask("www.example.com")) == ["192.0.2.1"]


@on_host
async def test_ids_and_ports_are_not_the_clients(host: Host) -> None:
    async with upstream(GOOD) as good:
        box = await host.sandbox(GOOD)
        for number in range(100):
            await box.exchange(dns.message.make_query(f"{number}.example.com", "A", id=7).to_wire())
        assert len({query.id for query in good.udp}) > 90


@on_host
async def test_an_internal_network_asks_nobody(host: Host) -> None:
    async with upstream(GOOD) as good:
        box = await host.sandbox(GOOD, internal=True)
        for way in (box.ask, box.ask_by_tcp):
            assert code(await way("www.example.com")) == "NXDOMAIN"
            assert code(await way("10.113.0.203.in-addr.arpa", "PTR")) == "NXDOMAIN"
            assert texts(await way("web")) == ["10.0.0.2"]
        assert (good.udp, good.tcp) == ([], [])


@on_host
async def test_idle_and_half_open_clients_slow_nobody(host: Host) -> None:
    async with upstream(GOOD):
        box = await host.sandbox(GOOD)
        await box.ask("www.example.com")
        before = await host.descriptors()
        idle = [await box.connect() for _ in range(100)]
        half = [await box.connect() for _ in range(100)]
        for _, writer in half:
            writer.write(b"\0\x40half a que")
        for _ in range(20):
            for way in (box.ask, box.ask_by_tcp):
                assert texts(await way("web")) == ["10.0.0.2"]
            assert len(texts(await box.ask_by_tcp("www.example.com"))) == 100
        # They may not stay for ever either.
        async with asyncio.timeout(DEADLINE):
            assert {await reader.read() for reader, _ in (*idle, *half)} == {b""}
        for _, writer in (*idle, *half):
            writer.close()
        assert await host.descriptors() <= before + 1


@on_host
async def test_more_clients_than_are_served_at_once(host: Host) -> None:
    box = await host.sandbox()
    clients = [await box.connect() for _ in range(300)]
    for _ in range(10):
        assert texts(await box.ask_by_tcp("web")) == ["10.0.0.2"]
    for _, writer in clients:
        writer.close()


@on_host
async def test_queries_of_one_connection_follow_each_other_in_pieces(host: Host) -> None:
    async with upstream(GOOD):
        box = await host.sandbox(GOOD)
        reader, writer = await box.connect()
        names = ["web", "www.example.com"] * 40
        queries = [dns.message.make_query(name, "A", id=number) for number, name in enumerate(names)]
        stream = b"".join(map(framed, queries))
        for start in range(0, len(stream), 17):
            writer.write(stream[start : start + 17])
            await writer.drain()
            await asyncio.sleep(0)
        writer.write_eof()
        answers = [await read_one(reader) for _ in queries]
        assert sorted(answer.id for answer in answers) == list(range(len(queries)))
        for answer in answers:
            assert len(texts(answer)) == (1 if answer.id % 2 == 0 else 100)
        assert await reader.read() == b""
        writer.close()


@on_host
async def test_what_is_no_query_hurts_nobody(host: Host) -> None:
    box = await host.sandbox()
    with box.socket() as client:
        client.connect(RESOLVER)
        for size in (0, 1, 2, 11, 12, 13, 30, 512, 5000):
            for _ in range(20):
                client.send(os.urandom(size))
    for content in (b"\0\0", b"\0\1x", b"\xff\xff" + os.urandom(100), b"\0\x0c" + b"\0" * 12):
        _, writer = await box.connect()
        writer.write(content)
        writer.close()
    assert texts(await box.ask("web")) == ["10.0.0.2"]
    assert texts(await box.ask_by_tcp("web")) == ["10.0.0.2"]


@on_host
async def test_one_sandbox_cannot_use_up_what_all_share(host: Host) -> None:
    silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    silent.bind((SILENT, 53))
    async with upstream(GOOD):
        greedy = await host.sandbox(SILENT, name="greedy")
        box = await host.sandbox(GOOD)
        loop = asyncio.get_running_loop()
        with greedy.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            client.connect(RESOLVER)
            for number in range(MOST_OF_ONE + 100):
                query = dns.message.make_query(f"{number}.org", "A", id=number)
                await loop.sock_sendall(client, query.to_wire())
                if number % 50 == 0:
                    assert texts(await greedy.ask("web")) == ["10.0.0.2"]  # so that nothing is dropped
            assert texts(await box.ask("www.example.com")) == ["192.0.2.1"]
            async with asyncio.timeout(DEADLINE):
                answer = dns.message.from_wire(await loop.sock_recv(client, 1000))
            # The first to be told is one too many, not the one that has waited longest.
            assert code(answer) == "SERVFAIL" and answer.id >= MOST_OF_ONE
    silent.close()


@on_host
async def test_no_answer_is_lost_while_networks_come_and_go(host: Host) -> None:
    box = await host.sandbox()
    second = ip_address("10.0.0.9")
    alone = Resolver(("n1",), (), network_names=("blue",))
    both = Resolver(("n1", "n2"), (), network_names=("blue", "green"))
    asked = 0
    busy = True

    async def client() -> None:
        nonlocal asked
        while busy:
            assert texts(await box.ask("web")) == ["10.0.0.2"]
            asked += 1

    clients = [asyncio.create_task(client()) for _ in range(3)]
    for _ in range(300):
        added = NameKey("n2", "db", second)
        await host.names.perform([Step(added, None, "e2"), Step(ResolverKey("box"), alone, both)])
        assert texts(await box.ask("db")) == ["10.0.0.9"]
        await host.names.perform([Step(added, "e2", None), Step(ResolverKey("box"), both, alone)])
        assert code(await box.ask("db")) == "SERVFAIL"
    busy = False
    await asyncio.gather(*clients)
    assert asked > 100
