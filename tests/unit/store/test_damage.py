"""Whatever happens to the files of a store, it opens and works; one damaged part is made good from the other."""

import asyncio
import sqlite3
from pathlib import Path

import pytest

from bench.damage import build, measure
from fairlead.model.container import Volume
from fairlead.model.records import RecordChange, Records
from fairlead.store.sqlite import SqliteStore


def load(directory: Path) -> Records:
    async def read() -> Records:
        store = SqliteStore(str(directory))
        found = await store.load()
        await store.close()
        return found

    return asyncio.run(read())


def test_a_store_survives_every_damage_and_loses_nothing_while_its_copies_are_whole() -> None:
    tally = measure(40)
    assert (tally.variants, tally.wrong) == (40, [])
    assert tally.whole > tally.variants // 2


@pytest.mark.parametrize("closed", [True, False])
def test_a_file_that_lost_its_last_commits_is_noticed(tmp_path: Path, closed: bool) -> None:
    records = build(tmp_path / "store", closed)
    older = build(tmp_path / "older", closed=True)
    assert older == records
    with sqlite3.connect(tmp_path / "older" / "records.db") as connection:
        connection.execute("DELETE FROM records WHERE kind = 'container'")
        connection.execute("DELETE FROM records WHERE kind = 'generation'")
    for path in (tmp_path / "store").glob("records.db*"):
        path.unlink()
    (tmp_path / "older" / "records.db").rename(tmp_path / "store" / "records.db")
    assert load(tmp_path / "store") == records


def test_one_changed_letter_in_a_row_is_noticed(tmp_path: Path) -> None:
    records = build(tmp_path / "store", closed=True)
    with sqlite3.connect(tmp_path / "store" / "records.db") as connection:
        connection.execute("UPDATE records SET body = replace(body, 'box3', 'bix3')")
    assert load(tmp_path / "store") == records


def test_copies_that_are_gone_are_made_again(tmp_path: Path) -> None:
    records = build(tmp_path / "store", closed=True)
    for path in (tmp_path / "store" / "copies").iterdir():
        path.unlink()
    assert load(tmp_path / "store") == records
    (tmp_path / "store" / "records.db").write_bytes(b"nothing")
    assert load(tmp_path / "store") == records


def test_damage_while_the_store_is_used_is_mended_with_the_next_commit(tmp_path: Path) -> None:
    records = build(tmp_path / "store", closed=True)
    later = Volume("later", 1, "/volumes/later")

    async def use() -> None:
        store = SqliteStore(str(tmp_path / "store"))
        await store.load()
        for name in ("records.db-wal", "records.db"):
            (tmp_path / "store" / name).write_bytes(b"x" * 40_000)
        await store.commit([RecordChange(Volume, "later", later)])
        await store.close()

    asyncio.run(use())
    records.apply(RecordChange(Volume, "later", later))
    assert load(tmp_path / "store") == records


def test_a_store_of_the_first_release_is_taken_over(tmp_path: Path) -> None:
    records = build(tmp_path / "store", closed=True)
    with sqlite3.connect(tmp_path / "store" / "records.db") as connection:
        connection.execute("UPDATE records SET body = substr(body, 9)")
        connection.execute("DELETE FROM records WHERE kind = 'generation'")
    for path in (tmp_path / "store" / "copies").iterdir():
        path.unlink()
    assert load(tmp_path / "store") == records
