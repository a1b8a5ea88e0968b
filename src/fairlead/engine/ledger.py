"""The records in memory and on disk, changed together: memory first, so that a lease is taken at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from fairlead.boundary import RecordStore
from fairlead.model.records import Record, RecordChange, Records, record_id


def put(record: Record) -> RecordChange:
    """The change that writes this record."""
    return RecordChange(type(record), record_id(record), record)


def drop(record: Record) -> RecordChange:
    """The change that takes this record away."""
    return RecordChange(type(record), record_id(record), None)


@dataclass(slots=True)
class Ledger:
    """All records, and the only way to change them."""

    store: RecordStore
    records: Records = field(default_factory=Records)
    commits: int = 0  # since the start, whatever came of them

    async def load(self) -> None:
        """Read everything that is stored."""
        self.records = await self.store.load()

    async def commit(self, *changes: RecordChange) -> None:
        """Make the changes in memory at once and on disk before this returns; on failure in neither."""
        self.commits += 1
        before = [
            RecordChange(each.kind, each.id, self.records.table(each.kind).get(each.id)) for each in changes
        ]
        for change in changes:
            self.records.apply(change)
        writing = asyncio.ensure_future(self.store.commit(changes))
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            # The caller has gone; what is on disk must be known all the same.
            await asyncio.wait([writing])
            if writing.cancelled() or writing.exception() is not None:
                self._take_back(before)
            raise
        except BaseException:
            self._take_back(before)
            raise

    def _take_back(self, before: Sequence[RecordChange]) -> None:
        for change in reversed(before):
            self.records.apply(change)

    def next_sequence(self) -> int:
        """A number larger than that of any network, endpoint or container so far."""
        return self.records.last_sequence + 1
