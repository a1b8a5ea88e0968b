"""The client of the shared store while members die, hang, start again, or show the wrong certificate."""

import asyncio
import itertools
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from fairlead.boundary.cluster import Changes, Entry, StoreAway, Unchanged, Write
from fairlead.lab.etcd import Tls
from fairlead.model.config import Cluster
from fairlead.model.errors import InvalidParameter
from fairlead.store.etcd import EtcdStore, open_store
from fairlead.store.etcd_members import Patience
from tests.kernel.etcd_host import EtcdHost

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
PATIENCE = 20  # seconds, for what must happen
_numbers = itertools.count(1)
Body = Callable[[EtcdHost, EtcdStore], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def three() -> Iterator[EtcdHost]:
    host = EtcdHost(3)
    try:
        yield host
    finally:
        host.close()


def run(host: EtcdHost, body: Body, patience: float = 6.0) -> None:
    """A test's body, with a client that watches its member closely; `patience` in seconds for a call."""

    async def whole() -> None:
        prefix = f"/{next(_numbers)}"
        store = EtcdStore(
            host.addresses, prefix=prefix, patience=Patience(answer=1.0, whole=patience), quiet=0.5
        )
        try:
            await body(host, store)
        finally:
            await store.close()

    with host.entered():
        asyncio.run(whole())


@contextmanager
def harmed(host: EtcdHost, number: int, how: str) -> Iterator[None]:
    """A member that is killed, or hangs; well again afterwards."""
    if how == "killed":
        host.kill(number)
    else:
        host.pause(number)
    try:
        yield
    finally:
        if how == "killed":
            host.start(number)
        else:
            host.resume(number)
        host.wait()


async def put(store: EtcdStore, key: str, value: str) -> int:
    """Write a key whatever it holds.  A writer that is told to read again does so, and repeats."""
    while True:
        held = (await store.list(key)).entries.get(key)
        if held and held.value == value:
            return held.changed
        try:
            condition = Unchanged(key, held.changed if held else 0)
            committed = await store.commit([condition], [Write(key, value)])
        except StoreAway as away:
            assert "cannot tell" in away.message
        else:
            if committed.succeeded:
                return committed.revision


async def following(watch: AsyncIterator[Changes]) -> Changes:
    """The next batch with something in it."""
    while True:
        changes = await asyncio.wait_for(anext(watch), PATIENCE)
        if changes.entries:
            return changes


@pytest.mark.parametrize(
    ("which", "how"), [("leader", "killed"), ("leader", "hanging"), ("first", "hanging")]
)
def test_with_one_member_of_three_away_everything_goes_on(three: EtcdHost, which: str, how: str) -> None:
    async def body(host: EtcdHost, store: EtcdStore) -> None:
        lease = await store.grant(60)
        start = await put(store, "/k/a", "0")
        async with aclosing(store.watch("/k/", start)) as watch:
            revision = await put(store, "/k/a", "1")
            assert await following(watch) == Changes(revision, {"/k/a": Entry("1", revision)})
            with harmed(host, host.leader() if which == "leader" else 0, how):
                revision = await put(store, "/k/b", "2")
                assert (await store.list("/k/b")).entries["/k/b"] == Entry("2", revision)
                assert await following(watch) == Changes(revision, {"/k/b": Entry("2", revision)})
                await store.keep_alive(lease)
                assert await store.grant(60) != lease
                refused = await store.commit([Unchanged("/k/a", start)], [Write("/k/a", "3")])
                assert not refused.succeeded
            revision = await put(store, "/k/c", "4")
            assert await following(watch) == Changes(revision, {"/k/c": Entry("4", revision)})
        await store.revoke(lease)

    run(three, body)


def test_without_a_majority_the_store_is_away_and_comes_back(three: EtcdHost) -> None:
    async def body(host: EtcdHost, store: EtcdStore) -> None:
        start = await put(store, "/k/a", "1")
        with harmed(host, 1, "killed"), harmed_without_waiting(host, 2):
            calls = (store.list("/k/"), store.grant(60), store.keep_alive(1), store.commit((), []))
            watch = anext(store.watch("/k/", start))
            outcomes = await asyncio.wait_for(asyncio.gather(*calls, watch, return_exceptions=True), PATIENCE)
            assert all(isinstance(outcome, StoreAway) for outcome in outcomes), outcomes
        assert (await store.list("/k/a")).entries["/k/a"].value == "1"

    run(three, body, patience=1.0)


@contextmanager
def harmed_without_waiting(host: EtcdHost, number: int) -> Iterator[None]:
    """Killed, and started again without waiting for a majority that is not there yet."""
    host.kill(number)
    try:
        yield
    finally:
        host.start(number)


def test_a_dead_store_is_said_to_be_so_and_a_watch_goes_on_when_it_lives() -> None:
    async def body(host: EtcdHost, store: EtcdStore) -> None:
        start = await put(store, "/k/a", "1")
        async with aclosing(store.watch("/k/", start)) as watch:
            waiting = asyncio.create_task(following(watch))
            await asyncio.sleep(0.1)
            host.kill(0)
            with pytest.raises(StoreAway):
                await waiting
        with pytest.raises(StoreAway, match=r"127\.0\.0\.1:2379: Connection refused"):
            await store.list("/k/")
        host.start(0)
        await asyncio.to_thread(host.wait)
        assert (await store.list("/k/")).revision == start
        async with aclosing(store.watch("/k/", start)) as watch:
            revision = await put(store, "/k/a", "2")
            assert await following(watch) == Changes(revision, {"/k/a": Entry("2", revision)})

    host = EtcdHost()
    try:
        run(host, body)
    finally:
        host.close()


Manner = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.close()


async def stay_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    writer.close()


async def talk_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")
    writer.close()


async def answer_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    writer.close()


async def be_another_server(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 2\r\n\r\nno")
    writer.close()


@pytest.mark.parametrize("manner", [hang_up, stay_silent, talk_nonsense, answer_nothing, be_another_server])
def test_a_change_is_never_made_twice_and_a_question_is_asked_again(three: EtcdHost, manner: Manner) -> None:
    async def body(host: EtcdHost, store: EtcdStore) -> None:
        server = await asyncio.start_server(manner, "127.0.0.9", 2379)
        wrong = EtcdStore(("127.0.0.9:2379", *host.addresses), patience=Patience(answer=0.3))
        key = f"/{manner.__name__}"
        with pytest.raises(StoreAway, match=r"cannot tell .* member 127\.0\.0\.9:2379 .* read it again"):
            await wrong.commit((), [Write(key, "1")])
        assert (await wrong.list(key)).entries == {}
        await wrong.close()
        wrong = EtcdStore(("127.0.0.9:2379", *host.addresses), patience=Patience(answer=0.3))
        assert (await wrong.list(key)).entries == {}
        revision = await put(wrong, key, "2")
        await wrong.close()
        wrong = EtcdStore(("127.0.0.9:2379", *host.addresses), patience=Patience(answer=0.3))
        async with aclosing(wrong.watch(key, revision - 1)) as watch:
            assert await following(watch) == Changes(revision, {key: Entry("2", revision)})
        await wrong.close()
        server.close()

    run(three, body)


def test_a_member_that_only_refuses_watches_is_left_and_alone_it_is_an_error(three: EtcdHost) -> None:
    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """etcd's first member, but that it ends every watch at once."""
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"POST /v3/watch"):
            back, forth = await asyncio.open_connection("127.0.0.1", 2379)
            forth.write(head + await reader.read(65536))
            writer.write(await back.read(65536))
            forth.close()
        writer.close()

    async def body(host: EtcdHost, store: EtcdStore) -> None:
        server = await asyncio.start_server(relay, "127.0.0.9", 2379)
        plain = EtcdStore(host.addresses)
        revision = await put(plain, "/relayed", "1")
        await plain.close()
        for others in (host.addresses, ()):
            patience = Patience(whole=0.5, pause=0.05)
            wrong = EtcdStore(("127.0.0.9:2379", *others), patience=patience)
            async with aclosing(wrong.watch("/relayed", revision - 1)) as watch:
                if others:
                    assert await following(watch) == Changes(revision, {"/relayed": Entry("1", revision)})
                else:
                    with pytest.raises(StoreAway, match=r"127\.0\.0\.9:2379"):
                        await following(watch)
            await wrong.close()
        server.close()

    run(three, body)


def authority(directory: Path) -> Callable[[str], tuple[str, str]]:
    """Certificates by our own authority: a maker of (certificate, key) by name."""

    def openssl(words: str) -> None:
        subprocess.run(["openssl", *words.split()], cwd=directory, check=True, capture_output=True)

    openssl("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem")

    def make(name: str) -> tuple[str, str]:
        # A member's gateway is a client of the member itself, with the member's own certificate.
        (directory / "extensions").write_text(
            "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n"
        )
        openssl(f"req -newkey rsa:2048 -nodes -subj /CN={name} -keyout {name}.key -out {name}.request")
        openssl(
            f"x509 -req -in {name}.request -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 "
            f"-extfile extensions -out {name}.pem"
        )
        return str(directory / f"{name}.pem"), str(directory / f"{name}.key")

    return make


def test_with_tls_both_sides_show_certificates(tmp_path: Path) -> None:
    make = authority(tmp_path)
    member, client = make("member"), make("client")
    (tmp_path / "other").mkdir()
    authority(tmp_path / "other")
    ca, strange = str(tmp_path / "ca.pem"), str(tmp_path / "other" / "ca.pem")
    host = EtcdHost(tls=Tls(ca, *member))

    def cluster(ca: str, certificate: str = "", key: str = "") -> Cluster:
        address = ip_address("127.0.0.1")
        return Cluster("etcd://x", host.addresses, "127.0.0.1:2376", address, "/site", ca, certificate, key)

    async def body() -> None:
        store = open_store(cluster(ca, *client))
        revision = await put(store, "/k/a", "1")
        assert (await store.list("/k/")).entries == {"/k/a": Entry("1", revision)}
        async with aclosing(store.watch("/k/", revision - 1)) as watch:
            assert await following(watch) == Changes(revision, {"/k/a": Entry("1", revision)})
        await store.close()
        for wrong, words in ((cluster(strange, *client), "certificate"), (cluster(ca), "127.0.0.1:2379")):
            store = open_store(wrong)
            with pytest.raises(StoreAway, match=words):
                await store.list("/k/")
            await store.close()
        with pytest.raises(InvalidParameter, match="TLS"):
            open_store(cluster(str(tmp_path / "nothing")))

    try:
        with host.entered():
            asyncio.run(body())
        assert host.control(0, "get", "/site/k/a").split() == ["/site/k/a", "1"]
    finally:
        host.close()
