"""The SQLite file itself: rows of text with checksums, written in numbered transactions."""

import contextlib
import sqlite3
from collections.abc import Mapping
from urllib.parse import quote

from fairlead.store.copies import Name
from fairlead.store.formats import checksum

SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS records (
    kind TEXT NOT NULL, id TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
"""
GENERATION = ("generation", "generation")  # the row that counts commits
PUT = "INSERT OR REPLACE INTO records VALUES (?, ?, ?)"
DROP = "DELETE FROM records WHERE kind = ? AND id = ?"
# What says that the disk, not the file, is the matter.
PASSING = (
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
)


class Database:
    """An open file.  Everything raises sqlite3.Error."""

    def __init__(self, path: str):
        """Open it, or make it, and see that it is whole."""
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._connection.text_factory = lambda raw: raw.decode(errors="replace")
            self._connection.executescript(SCHEMA)
            damage = self._connection.execute("PRAGMA quick_check(1)").fetchone()
            if damage != ("ok",):
                raise sqlite3.DatabaseError(str(damage))
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Let go of it."""
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def read(self) -> tuple[dict[Name, str], set[Name]]:
        """Every sound row, and the names of those that are not."""
        return _sound(self._connection)

    def generation(self) -> int | None:
        """The number of the last commit, None where there is no sound one."""
        return _generation(self._connection)

    def drop_unsound(self, sound: Mapping[Name, str]) -> None:
        """Take away every row with a name other than these."""
        for kind, identity in self._connection.execute("SELECT kind, id FROM records").fetchall():
            if (kind, identity) not in sound and (kind, identity) != GENERATION:
                self._connection.execute(DROP, (kind, identity))

    def commit(self, changes: Mapping[Name, str | None], generation: int, waits: bool = True) -> None:
        """Write all of it or nothing; `waits`: it outlives the power when this returns."""
        execute = self._connection.execute
        try:
            execute(f"PRAGMA synchronous = {'FULL' if waits else 'NORMAL'}")
            execute("BEGIN IMMEDIATE")
            for name, body in {**changes, GENERATION: str(generation)}.items():
                if body is None:
                    execute(DROP, name)
                else:
                    execute(PUT, (*name, checksum(*name, body) + body))
            execute("COMMIT")
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                execute("ROLLBACK")
            raise

    @staticmethod
    def salvage(path: str) -> tuple[dict[Name, str], int | None]:
        """What can be read of a file that cannot be opened as it should be, and without writing to it."""
        for mode in ("ro", "ro&immutable=1"):
            try:
                connection = sqlite3.connect(f"file:{quote(path)}?mode={mode}", uri=True)
            except sqlite3.Error:
                continue
            with contextlib.closing(connection):
                connection.text_factory = lambda raw: raw.decode(errors="replace")
                try:
                    rows, _ = _sound(connection)
                    return rows, _generation(connection)
                except sqlite3.Error:
                    continue
        return {}, None


def _sound(connection: sqlite3.Connection) -> tuple[dict[Name, str], set[Name]]:
    rows: dict[Name, str] = {}
    lost: set[Name] = set()
    for kind, identity, body in connection.execute("SELECT kind, id, body FROM records"):
        text = _unsealed((kind, identity), body)
        if text is None:
            lost.add((str(kind), str(identity)))
        elif (kind, identity) != GENERATION:
            rows[kind, identity] = text
    return rows, lost


def _generation(connection: sqlite3.Connection) -> int | None:
    row = connection.execute("SELECT body FROM records WHERE kind = ? AND id = ?", GENERATION).fetchone()
    text = _unsealed(GENERATION, row[0]) if row else None
    return int(text) if text is not None and text.isdigit() else None


def _unsealed(name: Name, body: object) -> str | None:
    """A row's text without its checksum, None if it is damaged; rows of the first release have none."""
    if not isinstance(body, str) or not all(isinstance(each, str) for each in name):
        return None
    if body.startswith("{"):
        return body
    return body[8:] if checksum(*name, body[8:]) == body[:8] else None


def is_damage(error: Exception) -> bool:
    """Whether the file is to blame, and not the disk, which may have room again later."""
    code = getattr(error, "sqlite_errorcode", None)
    if not isinstance(error, sqlite3.DatabaseError):
        return False
    return code is None or code == sqlite3.SQLITE_IOERR_SHORT_READ or code & 0xFF not in PASSING
