"""The shared store in memory, with etcd's rules: revisions, conditions, leases, history, compaction."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from fairlead.boundary.cluster import (
    Changes,
    Committed,
    Compacted,
    Entry,
    LeaseEnded,
    Listing,
    StoreAway,
    Unchanged,
    Write,
)
from fairlead.model.errors import InvalidParameter

MOST = 128  # conditions, or writes, of one transaction


@dataclass
class _Lease:
    seconds: int
    until: float


@dataclass
class FakeCluster:
    """What all hosts share.  `store()` is one host's way to it.

    Leases end by `now` (seconds), noticed with the next call or `notice()`; `pass_time` moves the
    clock that is used when none is given.
    """

    now: Callable[[], float] | None = None
    revision: int = 1
    entries: dict[str, Entry] = field(default_factory=dict)
    _history: list[tuple[int, str, Entry | None]] = field(default_factory=list)
    _compacted: int = 0
    _leases: dict[int, _Lease] = field(default_factory=dict)
    _last_lease: int = 0
    _elapsed: float = 0.0
    _stirred: asyncio.Event = field(default_factory=asyncio.Event)

    def store(self) -> "FakeClusterStore":
        """A host's way to the store, which can be cut by itself."""
        return FakeClusterStore(self)

    def pass_time(self, seconds: float) -> None:
        """Let that much time go by."""
        self._elapsed += seconds
        self.notice()

    def compact(self, revision: int) -> None:
        """Forget what was before this revision."""
        self._compacted = revision
        self._history = [each for each in self._history if each[0] >= revision]

    def stir(self) -> None:
        """Wake whoever watches."""
        self._stirred.set()
        self._stirred = asyncio.Event()

    def notice(self) -> None:
        """End the leases whose time is over."""
        now = self._time()
        for number in [number for number, lease in self._leases.items() if lease.until <= now]:
            self.end(number)

    def end(self, lease: int) -> None:
        """End a lease and take away what is under it, in one revision."""
        if self._leases.pop(lease, None) is not None:
            self._make([Write(key, None) for key, entry in self.entries.items() if entry.lease == lease])

    def commit(self, conditions: Sequence[Unchanged], writes: Sequence[Write]) -> Committed:
        """The transaction."""
        self._require_legal(conditions, writes)
        for each in conditions:
            entry = self.entries.get(each.key)
            if (entry.changed if entry else 0) != each.changed:
                return Committed(False, self.revision)
        if any(each.lease and each.value is not None and each.lease not in self._leases for each in writes):
            raise LeaseEnded("cannot write under the host's lease: it has ended")
        self._make(writes)
        return Committed(True, self.revision)

    @staticmethod
    def _require_legal(conditions: Sequence[Unchanged], writes: Sequence[Write]) -> None:
        if max(len(conditions), len(writes)) > MOST:
            raise InvalidParameter(
                "cannot use the shared store: etcdserver: too many operations in txn request"
            )
        put = [each.key for each in writes if each.value is not None]
        taken = {each.key for each in writes if each.value is None}
        if len(set(put)) < len(put) or taken.intersection(put):
            raise InvalidParameter(
                "cannot use the shared store: etcdserver: duplicate key given in txn request"
            )

    def _make(self, writes: Sequence[Write]) -> None:
        effective = [each for each in writes if each.value is not None or each.key in self.entries]
        if not effective:
            return
        self.revision += 1
        for each in effective:
            if each.value is None:
                if self.entries.pop(each.key, None) is not None:
                    self._history.append((self.revision, each.key, None))
            else:
                self.entries[each.key] = Entry(each.value, self.revision, each.lease)
                self._history.append((self.revision, each.key, self.entries[each.key]))
        self.stir()

    def grant(self, seconds: int) -> int:
        """A new lease."""
        if seconds <= 0:
            raise InvalidParameter(f"cannot grant a lease of {seconds} seconds")
        self._last_lease += 1
        self._leases[self._last_lease] = _Lease(seconds, self._time() + seconds)
        return self._last_lease

    def keep_alive(self, number: int) -> None:
        """The whole time again."""
        lease = self._leases.get(number)
        if lease is None:
            raise LeaseEnded("cannot keep the host's lease alive: it has ended")
        lease.until = self._time() + lease.seconds

    def since(self, prefix: str, after: int) -> Changes:
        """What happened after that revision."""
        if after + 1 < self._compacted or after > self.revision:
            raise Compacted(f"cannot watch the shared store since its revision {after}")
        entries = {
            key: entry
            for revision, key, entry in self._history
            if revision > after and key.startswith(prefix)
        }
        return Changes(self.revision, entries)

    async def stirring(self) -> None:
        """Until something happens."""
        await self._stirred.wait()

    def _time(self) -> float:
        return self.now() if self.now is not None else self._elapsed


class FakeClusterStore:
    """boundary.ClusterStore for one host.

    `away` cuts this host off; `lost` such commits are made, and the answer to them gets lost.
    """

    def __init__(self, cluster: FakeCluster):
        self._cluster = cluster
        self._away = self._closed = False
        self.lost = 0

    @property
    def away(self) -> bool:
        return self._away

    @away.setter
    def away(self, away: bool) -> None:
        self._away = away
        self._cluster.stir()

    def _reach(self) -> FakeCluster:
        if self._away or self._closed:
            raise StoreAway("cannot reach the shared store: no member answers")
        self._cluster.notice()
        return self._cluster

    async def list(self, prefix: str) -> Listing:
        await asyncio.sleep(0)
        cluster = self._reach()
        found = {key: entry for key, entry in sorted(cluster.entries.items()) if key.startswith(prefix)}
        return Listing(cluster.revision, found)

    async def commit(self, conditions: Sequence[Unchanged], writes: Sequence[Write]) -> Committed:
        await asyncio.sleep(0)
        committed = self._reach().commit(conditions, writes)
        if self.lost:
            self.lost -= 1
            raise StoreAway("cannot tell whether the shared store was changed: read it again to know")
        return committed

    async def watch(self, prefix: str, after: int) -> AsyncGenerator[Changes, None]:
        while True:
            changes = self._reach().since(prefix, after)
            if changes.entries:
                yield changes
            after = changes.revision
            if after == self._cluster.revision and not (self._away or self._closed):
                await self._cluster.stirring()

    async def grant(self, seconds: int) -> int:
        await asyncio.sleep(0)
        return self._reach().grant(seconds)

    async def keep_alive(self, lease: int) -> None:
        await asyncio.sleep(0)
        self._reach().keep_alive(lease)

    async def revoke(self, lease: int) -> None:
        await asyncio.sleep(0)
        self._reach().end(lease)

    async def close(self) -> None:
        self._closed = True
        self._cluster.stir()
