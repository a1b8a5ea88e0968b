"""What the engine asks of the store that the hosts of a cluster share: keys, transactions, leases, watches.

The words are etcd's (https://etcd.io/docs/v3.5/learning/api/).  Keys are text, values are text;
a revision counts the changes of the whole store and only grows.  Keys are whole, as in
/fairlead/v1/members/ID; what --cluster-store wants before them is added behind this protocol.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fairlead.model.errors import FairleadError, Unavailable


class StoreAway(Unavailable):
    """The shared store does not answer.

    Whether a commit was made that was under way is not known then: who goes on must read again.
    """


class Compacted(FairleadError):
    """A watch asks for changes that the store has forgotten: list again, then watch from there."""


class LeaseEnded(FairleadError):
    """A lease is not there any more: it ran out, or somebody revoked it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key's value; `changed` is the revision of its last change, `lease` 0 where it has none."""

    value: str
    changed: int
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Listing:
    """All keys with a prefix as they were at one revision."""

    revision: int
    entries: Mapping[str, Entry]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A condition of a transaction: the key's last change is this revision; 0: there is no such key."""

    key: str
    changed: int


@dataclass(frozen=True, slots=True)
class Write:
    """A key written (`value`), or taken away (None); under a lease it goes when the lease ends."""

    key: str
    value: str | None
    lease: int = 0


@dataclass(frozen=True, slots=True)
class Committed:
    """What became of a transaction: all of it happened at `revision`, or nothing did."""

    succeeded: bool
    revision: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened up to one revision: keys with their entries, None for those taken away."""

    revision: int
    entries: Mapping[str, Entry | None]


class ClusterStore(Protocol):
    """The shared store.  Every method raises StoreAway when no member of it answers in time."""

    async def list(self, prefix: str) -> Listing:
        """All keys that begin with the prefix, of one revision."""

    async def commit(self, conditions: Sequence[Unchanged], writes: Sequence[Write]) -> Committed:
        """Make all writes if all conditions hold, else none.  LeaseEnded if a write's lease is gone."""

    def watch(self, prefix: str, after: int) -> AsyncGenerator[Changes, None]:
        """The changes of keys with the prefix since the revision `after`, without end, in order.

        A batch without entries only says how far the store is.  Raises Compacted, StoreAway.  To be
        closed (contextlib.aclosing) by whoever stops before its end.
        """

    async def grant(self, seconds: int) -> int:
        """A new lease that ends so many seconds after it was last kept alive."""

    async def keep_alive(self, lease: int) -> None:
        """Give a lease its whole time again.  Raises LeaseEnded."""

    async def revoke(self, lease: int) -> None:
        """End a lease, and take away all keys under it.  One that is gone already is no error."""

    async def close(self) -> None:
        """Let go of all connections."""
