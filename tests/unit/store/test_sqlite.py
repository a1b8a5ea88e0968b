"""The store keeps what it acknowledged, lets nobody else in, and survives its own damage."""

import asyncio
import os
from pathlib import Path

import pytest

from fairlead.model.container import Volume
from fairlead.model.errors import Conflict
from fairlead.model.records import RecordChange, Records
from fairlead.store.sqlite import SqliteStore

VOLUME = Volume("store", 1, "/somewhere")


def written(directory: Path) -> None:
    async def write() -> None:
        store = SqliteStore(str(directory))
        await store.load()
        await store.commit([RecordChange(Volume, "store", VOLUME)])
        await store.close()

    asyncio.run(write())


def read(directory: Path) -> Records:
    async def load() -> Records:
        store = SqliteStore(str(directory))
        try:
            return await store.load()
        finally:
            await store.close()

    return asyncio.run(load())


def test_what_was_committed_is_there_again(tmp_path: Path) -> None:
    written(tmp_path)
    assert read(tmp_path).volumes == {"store": VOLUME}


def test_a_second_daemon_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    async def twice() -> None:
        first = SqliteStore(str(tmp_path))
        try:
            with pytest.raises(Conflict, match=f"held by process {os.getpid()}"):
                SqliteStore(str(tmp_path))
        finally:
            await first.close()

    asyncio.run(twice())


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 300, b"\0" * 8192])
def test_a_damaged_file_is_set_aside(tmp_path: Path, damage: bytes) -> None:
    written(tmp_path)
    (tmp_path / "records.db").write_bytes(damage)
    assert isinstance(read(tmp_path), Records)
    written(tmp_path)
    assert read(tmp_path).volumes == {"store": VOLUME}


def test_a_record_that_cannot_be_read_leaves_the_others(tmp_path: Path) -> None:
    written(tmp_path)
    import sqlite3

    with sqlite3.connect(tmp_path / "records.db") as connection:
        connection.execute("INSERT INTO records VALUES ('network', 'x', 'garbage')")
    assert read(tmp_path).volumes == {"store": VOLUME}
