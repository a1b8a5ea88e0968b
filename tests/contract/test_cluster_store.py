"""What every shared store keeps to: a real etcd, and the fake."""

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

import pytest

from fairlead.boundary.cluster import (
    Changes,
    ClusterStore,
    Compacted,
    Entry,
    LeaseEnded,
    StoreAway,
    Unchanged,
    Write,
)
from fairlead.model.errors import InvalidParameter
from fairlead.store.etcd import EtcdStore
from tests.fakes.cluster import FakeCluster
from tests.kernel.etcd_host import EtcdHost

Result = TypeVar("Result")
PATIENCE = 20  # seconds, for what must happen
_numbers = itertools.count(1)


class Place(Protocol):
    """A store, and what a test does to it from outside."""

    def open(self) -> ClusterStore: ...

    async def compact(self, revision: int) -> None: ...

    async def let_end(self, seconds: int) -> None: ...


class FakePlace:
    def __init__(self) -> None:
        self.cluster = FakeCluster()

    def open(self) -> ClusterStore:
        return self.cluster.store()

    async def compact(self, revision: int) -> None:
        self.cluster.compact(revision)

    async def let_end(self, seconds: int) -> None:
        self.cluster.pass_time(seconds + 1)


class RealPlace:
    def __init__(self, host: EtcdHost):
        self._host = host
        self._prefix = f"/{next(_numbers)}"

    def open(self) -> ClusterStore:
        return EtcdStore(self._host.addresses, prefix=self._prefix)

    async def compact(self, revision: int) -> None:
        await asyncio.to_thread(self._host.control, 0, "compact", str(revision))

    async def let_end(self, seconds: int) -> None:
        await asyncio.sleep(seconds)


Body = Callable[[Place], Coroutine[Any, Any, None]]


@pytest.fixture(scope="module")
def etcd() -> Iterator[EtcdHost]:
    host = EtcdHost()
    try:
        yield host
    finally:
        host.close()


real = pytest.param("etcd", marks=pytest.mark.skipif(os.geteuid() != 0, reason="needs root"))


@pytest.fixture(params=["fake", real])
def run(request: pytest.FixtureRequest) -> Iterator[Callable[[Body], None]]:
    if request.param == "fake":
        yield lambda body: asyncio.run(body(FakePlace()))
        return
    host: EtcdHost = request.getfixturevalue("etcd")
    with host.entered():
        yield lambda body: asyncio.run(body(RealPlace(host)))


Run = Callable[[Body], None]


async def put(store: ClusterStore, **values: str) -> int:
    """Write keys below /k/ whatever they hold; the revision."""
    return (await store.commit((), [Write(f"/k/{key}", value) for key, value in values.items()])).revision


async def soon(awaitable: Awaitable[Result]) -> Result:
    """Its result; a test fails when it takes for ever."""
    return await asyncio.wait_for(awaitable, PATIENCE)


async def until(store: ClusterStore, prefix: str, after: int, revision: int) -> dict[str, Entry | None]:
    """All that a watch says up to a revision, later words in place of earlier ones."""
    seen: dict[str, Entry | None] = {}

    async def collect() -> None:
        last = after
        async with aclosing(store.watch(prefix, after)) as watch:
            async for changes in watch:
                assert changes.revision >= last
                last = changes.revision
                seen.update(changes.entries)
                if last >= revision:
                    return

    await soon(collect())
    return seen


def test_what_was_written_is_listed_as_of_one_revision(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        assert (await store.list("/k/")).entries == {}
        revision = await put(store, a="1", b="zwei – ②")
        listing = await store.list("/k/")
        assert listing.revision == revision
        assert listing.entries == {"/k/a": Entry("1", revision), "/k/b": Entry("zwei – ②", revision)}
        assert set((await store.list("/k/a")).entries) == {"/k/a"}
        assert (await store.list("/j")).entries == {}
        await store.close()

    run(body)


def test_a_listing_of_many_keys_is_whole(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        for start in range(0, 2400, 120):
            await store.commit((), [Write(f"/k/{number:04}", "x") for number in range(start, start + 120)])
        assert list((await store.list("/k/")).entries) == [f"/k/{number:04}" for number in range(2400)]
        assert (await store.list("/k/23")).entries.keys() == {f"/k/23{number:02}" for number in range(100)}
        await store.close()

    run(body)


def test_a_transaction_is_made_whole_or_not_at_all(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        first = await put(store, a="1")
        assert (
            await store.commit([Unchanged("/k/a", first)], [Write("/k/a", "2"), Write("/k/b", "2")])
        ).succeeded
        refused = await store.commit([Unchanged("/k/a", first)], [Write("/k/a", "3"), Write("/k/c", "3")])
        assert not refused.succeeded
        entries = (await store.list("/k/")).entries
        assert {key: entry.value for key, entry in entries.items()} == {"/k/a": "2", "/k/b": "2"}
        assert not (await store.commit([Unchanged("/k/a", 0)], [Write("/k/a", "new")])).succeeded
        assert (await store.commit([Unchanged("/k/new", 0)], [Write("/k/new", "new")])).succeeded
        assert (await store.commit([Unchanged("/k/new", 0)], [])).succeeded is False
        await store.close()

    run(body)


def test_a_key_that_was_taken_away_is_a_new_one_afterwards(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        first = await put(store, a="1")
        assert (await store.commit([Unchanged("/k/a", first)], [Write("/k/a", None)])).succeeded
        assert (await store.list("/k/")).entries == {}
        again = await store.commit([Unchanged("/k/a", 0)], [Write("/k/a", "2")])
        assert again.succeeded and again.revision > first
        nothing = await store.commit((), [Write("/k/none", None)])
        assert nothing.succeeded and nothing.revision == again.revision
        await store.close()

    run(body)


def test_what_etcd_cannot_do_is_refused_and_changes_nothing(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        for writes in (
            [Write("/k/a", "1"), Write("/k/a", "2")],
            [Write("/k/a", "1"), Write("/k/a", None)],
            [Write(f"/k/{number}", "1") for number in range(129)],
        ):
            with pytest.raises(InvalidParameter, match="cannot use the shared store"):
                await store.commit((), writes)
        assert (await store.list("/k/")).entries == {}
        await store.close()

    run(body)


def test_of_many_that_want_the_same_key_one_gets_it(run: Run) -> None:
    async def body(place: Place) -> None:
        stores = [place.open() for _ in range(4)]
        tries = [
            stores[number % 4].commit([Unchanged("/k/one", 0)], [Write("/k/one", str(number))])
            for number in range(16)
        ]
        outcomes = await asyncio.gather(*tries)
        winner = [number for number, outcome in enumerate(outcomes) if outcome.succeeded]
        assert len(winner) == 1
        assert (await stores[0].list("/k/one")).entries["/k/one"].value == str(winner[0])
        for store in stores:
            await store.close()

    run(body)


def test_what_is_under_a_lease_goes_with_it(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        lease, other = await store.grant(60), await store.grant(60)
        writes = [Write("/k/a", "1", lease), Write("/k/b", "1", lease), Write("/k/c", "1", other)]
        revision = (await store.commit((), [*writes, Write("/k/d", "1")])).revision
        assert (await store.list("/k/a")).entries["/k/a"] == Entry("1", revision, lease)
        await store.keep_alive(lease)
        await store.revoke(lease)
        await store.revoke(lease)
        listing = await store.list("/k/")
        assert set(listing.entries) == {"/k/c", "/k/d"} and listing.revision == revision + 1
        with pytest.raises(LeaseEnded):
            await store.keep_alive(lease)
        with pytest.raises(LeaseEnded):
            await store.commit((), [Write("/k/a", "2", lease)])
        # The conditions count first: etcd does not look at writes that it will not make.
        assert not (await store.commit([Unchanged("/k/d", 1)], [Write("/k/a", "2", lease)])).succeeded
        await store.revoke(other)
        await store.close()

    run(body)


def test_a_lease_that_is_not_kept_alive_ends(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        lease = await store.grant(1)
        revision = (await store.commit((), [Write("/k/a", "1", lease)])).revision
        watching = asyncio.create_task(until(store, "/k/", revision, revision + 1))
        await asyncio.sleep(0)
        await place.let_end(1)
        assert await watching == {"/k/a": None}
        with pytest.raises(LeaseEnded):
            await store.keep_alive(lease)
        await store.close()

    run(body)


def test_a_key_written_without_its_lease_outlives_it(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        lease = await store.grant(60)
        await store.commit((), [Write("/k/a", "1", lease)])
        await store.commit((), [Write("/k/a", "2")])
        await store.revoke(lease)
        assert (await store.list("/k/a")).entries["/k/a"].value == "2"
        await store.close()

    run(body)


def test_a_watch_tells_what_was_and_what_comes(run: Run) -> None:
    async def body(place: Place) -> None:
        store, other = place.open(), place.open()
        before = await put(store, a="0")
        await put(store, a="1")
        first = await put(store, a="2", b="2")
        watching = asyncio.create_task(until(store, "/k/", before, first + 3))
        await asyncio.sleep(0.05)
        await other.commit((), [Write("/elsewhere", "x")])
        await other.commit((), [Write("/k/a", None)])
        last = await put(other, c="3")
        assert await watching == {"/k/a": None, "/k/b": Entry("2", first), "/k/c": Entry("3", last)}
        await store.close()
        await other.close()

    run(body)


def test_a_watch_begins_after_its_revision(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        first = await put(store, a="1")
        second = await put(store, b="2")
        assert await until(store, "/k/", first, second) == {"/k/b": Entry("2", second)}
        await store.close()

    run(body)


def test_a_large_past_comes_whole(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        before = (await store.list("/k/")).revision
        text = "x" * 20_000
        for start in range(0, 200, 40):
            last = (
                await store.commit((), [Write(f"/k/{number}", text) for number in range(start, start + 40)])
            ).revision
        seen = await until(store, "/k/", before, last)
        assert len(seen) == 200 and all(entry and entry.value == text for entry in seen.values())
        await store.close()

    run(body)


def test_what_was_compacted_cannot_be_watched(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        before = await put(store, a="1")
        await put(store, a="2")
        last = await put(store, a="3")
        await place.compact(last)
        with pytest.raises(Compacted):
            await until(store, "/k/", before, last)
        assert (await store.list("/k/")).entries["/k/a"] == Entry("3", last)
        now = await put(store, b="4")
        assert await until(store, "/k/", last, now) == {"/k/b": Entry("4", now)}
        await store.close()

    run(body)


def test_a_store_that_went_back_is_to_be_listed_again(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()
        with pytest.raises(Compacted):
            await until(store, "/k/", (await store.list("/k/")).revision + 1000, 1)
        await store.close()

    run(body)


def test_a_closed_store_is_away(run: Run) -> None:
    async def body(place: Place) -> None:
        store = place.open()

        async def watch() -> list[Changes]:
            return [changes async for changes in store.watch("/k/", (await store.list("/k/")).revision)]

        watching = asyncio.create_task(watch())
        await asyncio.sleep(0.1)
        await store.close()
        with pytest.raises(StoreAway):
            await store.list("/k/")
        with pytest.raises(StoreAway):
            await soon(watching)
        await store.close()

    run(body)
