"""The shared store in etcd, version 3.4 or later, through the JSON gateway that every member has.

Reads are linearizable: they show whatever was committed before they began, whichever member answers.
"""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from fairlead.boundary.cluster import (
    Changes,
    Committed,
    Compacted,
    Entry,
    LeaseEnded,
    Listing,
    Unchanged,
    Write,
)
from fairlead.model.config import Cluster
from fairlead.model.errors import InvalidParameter
from fairlead.store import etcd_json
from fairlead.store.etcd_members import Members, Patience, Refused

RANGE, TRANSACTION, WATCH = "/v3/kv/range", "/v3/kv/txn", "/v3/watch"
GRANT, KEEP_ALIVE, REVOKE = "/v3/lease/grant", "/v3/lease/keepalive", "/v3/lease/revoke"
PAGE = 500  # keys in one answer
QUIET = 5.0  # seconds without news after which a watch asks whether its member is still there
NO_LEASE, COMPACTED = "lease not found", "has been compacted"


class EtcdStore:
    """boundary.ClusterStore.  `addresses` are the members' HOST:PORT; `prefix` goes before every key."""

    def __init__(
        self,
        addresses: Sequence[str],
        tls: ssl.SSLContext | None = None,
        prefix: str = "",
        patience: Patience | None = None,
        quiet: float = QUIET,
    ):
        self._members = Members(addresses, tls, patience or Patience())
        self._prefix, self._quiet = prefix, quiet

    async def list(self, prefix: str) -> Listing:
        """All keys that begin with the prefix, of one revision."""
        while True:
            try:
                return await self._list(prefix)
            except Refused as refused:
                # The revision that the first page showed is gone: begin with a new one.
                if COMPACTED not in refused.message:
                    raise

    async def _list(self, prefix: str) -> Listing:
        """All pages, of the revision that the first one showed."""
        bounds = etcd_json.prefix_range(self._prefix + prefix)
        entries: dict[str, Entry] = {}
        at = 0
        while True:
            body = {**bounds, "limit": PAGE, "revision": str(at)}
            answer = await self._members.call(RANGE, body)
            at = at or etcd_json.revision(answer)
            pairs = answer.get("kvs", [])
            entries |= (self._entry(pair) for pair in pairs)
            if not answer.get("more"):
                return Listing(at, entries)
            bounds["key"] = etcd_json.next_key(pairs[-1]["key"])

    def _entry(self, pair: dict[str, Any]) -> tuple[str, Entry]:
        key, entry = etcd_json.entry(pair)
        return key.removeprefix(self._prefix), entry

    async def commit(self, conditions: Sequence[Unchanged], writes: Sequence[Write]) -> Committed:
        """Make all writes if all conditions hold, else none.  LeaseEnded if a write's lease is gone.

        A connection that is lost in the middle leaves open whether it happened: StoreAway says so.
        """
        body = etcd_json.transaction(
            [Unchanged(self._prefix + each.key, each.changed) for each in conditions],
            [Write(self._prefix + each.key, each.value, each.lease) for each in writes],
        )
        try:
            answer = await self._members.call(TRANSACTION, body, repeatable=False)
        except Refused as refused:
            if NO_LEASE in refused.message:
                raise LeaseEnded("cannot write under the host's lease: it has ended") from refused
            raise
        return Committed(bool(answer.get("succeeded")), etcd_json.revision(answer))

    async def watch(self, prefix: str, after: int) -> AsyncGenerator[Changes, None]:
        """The changes of keys with the prefix since the revision `after`, without end, in order.

        When a connection breaks, or its member does, it goes on at another member where it was.
        """
        complaints: dict[str, str] = {}  # since something was heard
        patience = self._members.patience
        limit = time.monotonic() + patience.whole
        while True:
            member = await self._ready_member(after)
            try:
                async with contextlib.aclosing(self._follow(member, prefix, after)) as heard:
                    async for each in heard:
                        if each is not None:
                            after = each.revision
                            yield each
                        complaints, limit = {}, time.monotonic() + patience.whole
            except ConnectionError as error:
                complaints[member] = str(error)
            self._members.avoid(member)
            if time.monotonic() > limit:
                raise self._members.away(complaints)
            await asyncio.sleep(patience.pause)

    async def _ready_member(self, after: int) -> str:
        """A member that has caught up with the others.  Compacted if the store is not the one it was.

        Asked for changes after a revision that it has never had, etcd would be silent, not wrong: that
        is so when it was made anew or put back from a backup.
        """
        answer = await self._members.call(RANGE, {"key": etcd_json.NOTHING, "limit": 1})
        if (now := etcd_json.revision(answer)) < after:
            raise Compacted(
                f"cannot watch the shared store since its revision {after}: it went back, to {now}"
            )
        return self._members.first

    async def _follow(self, member: str, prefix: str, after: int) -> AsyncGenerator[Changes | None, None]:
        """What one member tells, None now and then while nothing happens.  ConnectionError when it stops."""
        request = {
            **etcd_json.prefix_range(self._prefix + prefix),
            "start_revision": str(after + 1),
            "progress_notify": True,
            "fragment": True,
        }
        batch = etcd_json.Batch()
        async with self._members.stream(member, WATCH, {"create_request": request}) as stream:
            while True:
                documents = await stream.next(self._quiet)
                if not documents:
                    await self._members.ask(member, RANGE, {"key": etcd_json.NOTHING, "limit": 1})
                    yield None
                for document in documents:
                    answer = _result(document, after)
                    changes = None if answer.get("created") else batch.add(answer)
                    if changes is not None:
                        yield self._without_prefix(changes)

    def _without_prefix(self, changes: Changes) -> Changes:
        entries = {key.removeprefix(self._prefix): entry for key, entry in changes.entries.items()}
        return Changes(changes.revision, entries)

    async def grant(self, seconds: int) -> int:
        """A new lease that ends so many seconds after it was last kept alive.

        etcd makes very short ones longer (with its default timing, to 2 seconds), and gives every lease its
        whole time again when another member becomes the leader.
        """
        # If a first try was answered to nobody, that lease ends by itself.
        answer = await self._members.call(GRANT, {"TTL": str(seconds)})
        return int(answer["ID"])

    async def keep_alive(self, lease: int) -> None:
        """Give a lease its whole time again.  Raises LeaseEnded."""
        try:
            answer = await self._members.call(KEEP_ALIVE, {"ID": str(lease)})
        except Refused as refused:
            if NO_LEASE not in refused.message:
                raise
            answer = {}
        if int(answer.get("TTL", 0)) <= 0:
            raise LeaseEnded("cannot keep the host's lease alive: it has ended")

    async def revoke(self, lease: int) -> None:
        """End a lease, and take away all keys under it.  One that is gone already is no error."""
        try:
            await self._members.call(REVOKE, {"ID": str(lease)})
        except Refused as refused:
            if NO_LEASE not in refused.message:
                raise

    async def close(self) -> None:
        """Let go of all connections."""
        await self._members.close()


def _result(document: dict[str, Any], after: int) -> dict[str, Any]:
    """A watch's answer.  Compacted, or ConnectionError for everything else that ends it."""
    answer = document.get("result")
    if not isinstance(answer, dict):
        raise ConnectionError(etcd_json.complaint(document)[0])
    if int(answer.get("compact_revision", 0)):
        raise Compacted(f"cannot watch the shared store since its revision {after}: it has forgotten that")
    if answer.get("canceled"):
        raise ConnectionError(str(answer.get("cancel_reason", "the watch was cancelled")))
    return answer


def open_store(cluster: Cluster) -> EtcdStore:
    """The store that the settings name.  InvalidParameter if its certificates cannot be read."""
    return EtcdStore(cluster.endpoints, _context(cluster), cluster.prefix)


def _context(cluster: Cluster) -> ssl.SSLContext | None:
    if not cluster.ca:
        return None
    try:
        context = ssl.create_default_context(cafile=cluster.ca)
        if cluster.certificate:
            context.load_cert_chain(cluster.certificate, cluster.key)
    except (OSError, ssl.SSLError) as error:
        raise InvalidParameter(f"cannot use TLS with the cluster store: {error}") from error
    return context
