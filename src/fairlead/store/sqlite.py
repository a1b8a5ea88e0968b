"""Records in one SQLite file: every commit is durable when it returns.

One thread owns the connection; write-ahead log with synchronous=FULL, since NORMAL may lose an
acknowledged change when the power fails.  NORMAL is for what is lost with the power anyway: it
waits for no disk, and outlives the daemon all the same.
"""

import asyncio
import contextlib
import fcntl
import logging
import os
import sqlite3
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fairlead.model.cluster import Member, RemoteEndpoint
from fairlead.model.container import Container, Volume
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.errors import Conflict, Failed
from fairlead.model.network import Network
from fairlead.model.records import HostRecord, Record, RecordChange, Records, outlives_power
from fairlead.store.formats import decode, encode

log = logging.getLogger(__name__)
KINDS: dict[str, type[Record]] = {
    "network": Network,
    "endpoint": Endpoint,
    "sandbox": Sandbox,
    "container": Container,
    "volume": Volume,
    "host": HostRecord,
    "member": Member,
    "remote": RemoteEndpoint,
}
NAMES = {kind: name for name, kind in KINDS.items()}
SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
"""


class SqliteStore:
    """boundary.RecordStore on `DIRECTORY/records.db`."""

    def __init__(self, directory: str):
        """Claim the directory.  Conflict when another daemon has it."""
        os.makedirs(directory, mode=0o700, exist_ok=True)
        self._path = os.path.join(directory, "records.db")
        self._lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(self._lock, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(self._lock)
            raise Conflict(
                f"cannot use the data root {directory}: held by process {holder} (another fairlead daemon)"
            ) from error
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._connection: sqlite3.Connection | None = None

    async def load(self) -> Records:
        """Everything stored; a file that is no database is set aside and an empty one takes its place."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._load)

    async def commit(self, changes: Sequence[RecordChange]) -> None:
        """Write all changes or none.  Failed when the disk refuses."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, list(changes))

    async def close(self) -> None:
        """Finish what is under way and let go of the directory."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()
        os.close(self._lock)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        try:
            connection.executescript(SCHEMA)
            damage = connection.execute("PRAGMA quick_check(1)").fetchone()
            if damage != ("ok",):
                raise sqlite3.DatabaseError(str(damage))
        except BaseException:
            connection.close()
            raise
        return connection

    def _load(self) -> Records:
        try:
            self._connection = self._open()
            rows = self._connection.execute("SELECT kind, id, body FROM records").fetchall()
        except sqlite3.DatabaseError as error:
            self._set_aside(error)
            self._connection = self._open()
            rows = []
        records = Records()
        for kind, identity, body in rows:
            try:
                records.apply(RecordChange(KINDS[kind], identity, decode(KINDS[kind], body)))
            except (KeyError, TypeError, ValueError) as error:
                log.error("cannot read the %s record %s, it is left out: %s", kind, identity, error)
        return records

    def _set_aside(self, error: Exception) -> None:
        log.error("cannot read %s, it is set aside as %s.damaged: %s", self._path, self._path, error)
        self._close()
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                os.replace(self._path + suffix, f"{self._path}{suffix}.damaged")

    def _commit(self, changes: list[RecordChange]) -> None:
        assert self._connection is not None, "load() comes before commit()"
        waits = any(map(outlives_power, changes))
        try:
            self._connection.execute(f"PRAGMA synchronous = {'FULL' if waits else 'NORMAL'}")
            self._connection.execute("BEGIN IMMEDIATE")
            for change in changes:
                if change.after is None:
                    self._connection.execute(
                        "DELETE FROM records WHERE kind = ? AND id = ?", (NAMES[change.kind], change.id)
                    )
                else:
                    self._connection.execute(
                        "INSERT OR REPLACE INTO records VALUES (?, ?, ?)",
                        (NAMES[change.kind], change.id, encode(change.after)),
                    )
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise Failed(f"cannot write the records to {self._path}: {error}") from error
