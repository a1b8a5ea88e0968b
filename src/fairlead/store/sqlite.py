"""Records in one SQLite file: every commit is durable when it returns.

One thread owns the connection; write-ahead log with synchronous=FULL, since NORMAL may lose an
acknowledged change when the power fails.  NORMAL is for what is lost with the power anyway: it
waits for no disk, and outlives the daemon all the same.

Every row has a checksum and every commit a number, which a second copy of the records (`copies`)
knows too: damage is noticed, and so is a file that has lost its last commits without looking
damaged, as one does whose log was cut off.
"""

import asyncio
import contextlib
import errno
import fcntl
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from fairlead.model.cluster import Member, RemoteEndpoint
from fairlead.model.container import Container, Volume
from fairlead.model.endpoint import Endpoint, Sandbox
from fairlead.model.errors import Conflict, Failed
from fairlead.model.network import Network
from fairlead.model.records import HostRecord, Record, RecordChange, Records, outlives_power
from fairlead.store.copies import Copies, Name, remove
from fairlead.store.database import Database, is_damage
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
ALL: Name = ("", "")  # stands for the names of whatever was lost
TOLD_AGAIN = ("member", "remote")  # the shared store says these again: no second copy is kept


class SqliteStore:
    """boundary.RecordStore on `DIRECTORY/records.db`."""

    def __init__(self, directory: str):
        """Claim the directory.  Conflict when another daemon has it, Failed when it cannot be used."""
        self._path = os.path.join(directory, "records.db")
        self._lock = _claim(directory)
        self._copies = Copies(os.path.join(directory, "copies"))
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._database: Database | None = None
        self._generation = 0
        self._copying = True  # whether the last copy was written

    async def load(self) -> Records:
        """Everything stored.  A damaged file is set aside, and made anew from the copies."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._load)

    async def commit(self, changes: Sequence[RecordChange]) -> None:
        """Write all changes or none.  Failed when the disk refuses."""
        written, waits = _written(changes), any(map(outlives_power, changes))
        await asyncio.get_running_loop().run_in_executor(self._thread, self._commit, written, waits)

    async def close(self) -> None:
        """Finish what is under way and let go of the directory."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()
        os.close(self._lock)

    def wait(self) -> None:
        """Return when all that was committed is in the second copies too."""
        self._thread.submit(lambda: None).result()

    # What follows runs in the thread.

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _load(self) -> Records:
        rows, lost, generation = self._read()
        bodies = self._chosen(rows, lost, generation)
        self._generation = max(generation or 0, self._copies.generation() or 0)
        records = Records()
        for (kind, identity), body in list(bodies.items()):
            try:
                records.apply(RecordChange(KINDS[kind], identity, decode(KINDS[kind], body)))
            except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
                log.error("cannot read the %s record %s, it is left out: %s", kind, identity, error)
                del bodies[kind, identity]
        try:
            self._agree({} if lost else rows, bodies)
        except (OSError, sqlite3.Error) as error:
            log.error("cannot write %s, records cannot change until that is possible: %s", self._path, error)
        return records

    def _read(self) -> tuple[dict[Name, str], set[Name], int | None]:
        """The sound rows, the names of the others, and the last commit.

        A damaged file is set aside; what is lost of it nobody knows: that is ALL.
        """
        self._set_aside(lambda place: os.path.lexists(place) and not os.path.isfile(place))
        try:
            self._database = Database(self._path)
            rows, lost = self._database.read()
            if lost:
                log.error("cannot read %d records in %s: they are damaged", len(lost), self._path)
            return rows, lost, self._database.generation()
        except (sqlite3.Error, OSError) as error:
            self._close()
            rows, generation = Database.salvage(self._path)
            if is_damage(error):
                self._report(error)
                return rows, {ALL}, generation
            log.error("cannot open %s for writing: %s", self._path, error)
            return rows, set(), generation

    def _chosen(self, rows: Mapping[Name, str], lost: set[Name], generation: int | None) -> dict[Name, str]:
        """What counts: the newer of the database and its copies, and the other for what that has lost."""
        copied = self._copies.generation()
        others = {name: body for name, body in rows.items() if name[0] in TOLD_AGAIN}
        as_new = copied is None or (generation is not None and generation >= copied)
        if as_new and not lost:
            whole = generation != copied or self._copies.count() == len(rows) - len(others)
            return dict(rows) if whole else {**rows, **self._copies.read()}
        copies = self._copies.read()
        if not as_new:
            log.error("%s has lost its last commits: they are taken from its copies", self._path)
            return {**others, **copies}
        return {**copies, **rows}

    def _agree(self, rows: Mapping[Name, str], bodies: Mapping[Name, str]) -> None:
        """Write down what is known now where the database or the copies do not say it."""
        database = self._opened()
        differing: dict[Name, str | None] = dict.fromkeys(rows.keys() - bodies.keys())
        differing |= {name: body for name, body in bodies.items() if rows.get(name) != body}
        if differing or database.generation() != self._generation:
            database.drop_unsound(bodies)
            self._generation += 1
            database.commit(differing, self._generation)
        own = {name: body for name, body in bodies.items() if name[0] not in TOLD_AGAIN}
        if self._copies.generation() != self._generation or self._copies.count() != len(own):
            self._copies.write_all(own, self._generation)

    def _opened(self) -> Database:
        if self._database is None:
            self._database = Database(self._path)
        return self._database

    def _commit(self, changes: Mapping[Name, str | None], waits: bool) -> None:
        try:
            self._attempt(changes, waits)
        except (sqlite3.Error, OSError) as error:
            if not is_damage(error):
                raise Failed(f"cannot write the records to {self._path}: {error}") from error
            self._mend(error)
            try:
                self._attempt(changes, waits)
            except (sqlite3.Error, OSError) as again:
                raise Failed(f"cannot write the records to {self._path}: {again}") from again
        self._thread.submit(self._copy, changes, self._generation)  # behind the answer

    def _attempt(self, changes: Mapping[Name, str | None], waits: bool) -> None:
        self._opened().commit(changes, self._generation + 1, waits)
        self._generation += 1

    def _mend(self, error: Exception) -> None:
        """The file was damaged while it was used: make it anew from the copies."""
        self._close()
        rows, generation = Database.salvage(self._path)
        self._report(error)
        with contextlib.suppress(sqlite3.Error, OSError):
            self._opened().commit(self._chosen(rows, {ALL}, generation), self._generation)

    def _copy(self, changes: Mapping[Name, str | None], generation: int) -> None:
        own = {name: body for name, body in changes.items() if name[0] not in TOLD_AGAIN}
        try:
            self._copies.write(own, generation)
            self._copying = True
        except OSError as error:
            if self._copying:
                log.error("cannot write the second copy of the records: %s", error)
            self._copying = False

    def _report(self, error: Exception) -> None:
        log.error("cannot read %s, it is set aside as %s.damaged: %s", self._path, self._path, error)
        self._set_aside(os.path.lexists)

    def _set_aside(self, chosen: Callable[[str], bool]) -> None:
        """Rename those of the database's files that are chosen, in the place of earlier ones."""
        for place in filter(chosen, (self._path, f"{self._path}-wal", f"{self._path}-shm")):
            with contextlib.suppress(OSError):
                remove(f"{place}.damaged")
                os.replace(place, f"{place}.damaged")


def _written(changes: Iterable[RecordChange]) -> dict[Name, str | None]:
    return {
        (NAMES[each.kind], each.id): None if each.after is None else encode(each.after) for each in changes
    }


def _claim(directory: str) -> int:
    """A lock on the directory, held as long as the file descriptor is open."""
    try:
        os.makedirs(directory, mode=0o700, exist_ok=True)
        lock = os.open(os.path.join(directory, "lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Failed(f"cannot use the data root {directory}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise Conflict(
            f"cannot use the data root {directory}: held by process {holder} (another fairlead daemon)"
        ) from error
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except OSError as error:
        if error.errno != errno.ENOSPC:  # it only says who holds it
            raise
    return lock
