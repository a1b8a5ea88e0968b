"""The shared store as the engine uses it: one copy of it, changes through it, and whether it is near."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from fairlead.boundary.cluster import ClusterStore, Committed, Entry, StoreAway, Unchanged, Write
from fairlead.overlay.copy import Read, StoreCopy, Touched

log = logging.getLogger(__name__)
MOST_WRITES = 100  # in one transaction; etcd's own limit is 128
AT_ONCE = 8  # calls under way; more would wait at etcd, where waiting counts as no answer


def read_of(entry: Entry | None) -> Read | None:
    """An entry of the store as the copy keeps it."""
    return Read(entry.value, entry.changed) if entry is not None else None


@dataclass(slots=True)
class Shared:
    """The store, the copy, and who is told what a change touches."""

    store: ClusterStore
    copy: StoreCopy
    address: str  # for messages
    take: Callable[[Touched], Awaitable[None]] | None = None
    away: str = "it has not been reached yet"  # why the store cannot be used now, "" if it can
    tried: asyncio.Event = field(default_factory=asyncio.Event)  # it has been asked, or is given up for now
    lost: asyncio.Event = field(default_factory=asyncio.Event)  # somebody has found the store away
    _told: bool = field(default=False)
    _calls: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def reach(self, what: str) -> None:
        """StoreAway if the store was away when last asked; a daemon that has just started asks it first."""
        if self.away:
            await self.tried.wait()
        self.require_near(what)

    def require_near(self, what: str) -> None:
        """StoreAway at once if the store was away when last asked; `what` completes "cannot"."""
        if self.away:
            raise self.failure(what)

    def failure(self, what: str) -> StoreAway:
        """The error for something that needs the store while it is away."""
        return StoreAway(f"cannot {what}: the cluster store {self.address} is away ({self.away})")

    def lose(self, reason: str) -> None:
        """From now on the store is away."""
        if not self.away or not self._told:
            log.warning("the cluster store %s is away: %s", self.address, reason)
        self.away, self._told = reason or "no answer", True
        self.lost.set()

    def regain(self) -> None:
        """From now on the store is near."""
        if self.away:
            log.info("the cluster store %s is near", self.address)
        self.away = ""
        self.lost.clear()

    async def commit(self, conditions: Sequence[Unchanged], writes: Sequence[Write]) -> Committed:
        """A transaction; what it writes is in the copy when this returns.  StoreAway, LeaseEnded."""
        try:
            async with self._calls:
                committed = await self.store.commit(conditions, writes)
        except StoreAway as error:
            self.lose(error.message)
            raise
        if committed.succeeded:
            revision = committed.revision
            written = {
                each.key: Read(each.value, revision) if each.value is not None else None for each in writes
            }
            await self.hand_on(self.copy.apply(revision, written))
        return committed

    async def refresh(self, *wanted: str) -> None:
        """Read keys anew, or all that begin with one that ends in a slash: the watch may be behind."""
        for key in wanted:
            try:
                async with self._calls:
                    listing = await self.store.list(key)
            except StoreAway as error:
                self.lose(error.message)
                raise
            known = self.copy.beginning(key) if key.endswith("/") else [key]
            changes = {found: read_of(entry) for found, entry in listing.entries.items()}
            await self.hand_on(self.copy.apply(listing.revision, {**dict.fromkeys(known), **changes}))

    async def hand_on(self, touched: Touched) -> None:
        """Let records and kernel follow."""
        if self.take is not None:
            await self.take(touched)
