"""Following the shared store: sessions, one after the other, as long as the daemon runs.

A session begins with the lease and a whole reading, brings both sides into line, and then watches.
Whatever ends it - the store is away, the lease has ended, the watch is too far behind - the next
one begins the same way.
"""

import asyncio
import contextlib
import logging
from collections.abc import Iterator

from fairlead.boundary.cluster import Changes, Compacted, LeaseEnded, StoreAway
from fairlead.engine.cluster.claims import Claims
from fairlead.engine.cluster.crowding import Crowding
from fairlead.engine.cluster.global_networks import GlobalNetworks
from fairlead.engine.cluster.intake import Intake
from fairlead.engine.cluster.membership import Membership
from fairlead.engine.cluster.presence import Presence
from fairlead.engine.cluster.shared import Shared, read_of
from fairlead.engine.context import Context
from fairlead.model.addresses import Address
from fairlead.model.errors import FairleadError
from fairlead.overlay import keys
from fairlead.overlay.copy import Touched

log = logging.getLogger(__name__)
PAUSE = 0.5  # seconds between two sessions
COMPARISON = 60.0  # seconds between two whole readings, at least
REPAIR = 4.0  # seconds between two looks at what the kernel has of the networks that are present, at least
SHARE = 0.02  # of a host's time that such reading, and such looking, may take
RARELY = 10  # however long they take: so much rarer at most


class Sessions:
    """Keeps this host and the shared store in line."""

    def __init__(
        self,
        context: Context,
        shared: Shared,
        membership: Membership,
        intake: Intake,
        claims: Claims,
        networks: GlobalNetworks,
        presence: Presence,
    ):
        self._context = context
        self._shared = shared
        self._membership = membership
        self._intake = intake
        self._claims = claims
        self._networks = networks
        self._presence = presence
        self._crowding = Crowding(context)
        self._news = asyncio.Event()  # the watch has noted something
        self._missed = False  # and that something of this host's own is gone

    async def run(self) -> None:
        """Follow until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repair())
            while True:
                try:
                    await self._session()
                except StoreAway as error:
                    self._shared.lose(error.message)
                except (Compacted, LeaseEnded) as error:
                    log.info("reading the cluster store again: %s", error.message)
                except Exception:
                    log.exception("cannot follow the cluster store")
                    self._shared.lose("the daemon's log says why")
                finally:
                    self._shared.tried.set()
                await self._context.clock.sleep(PAUSE)

    async def _session(self) -> None:
        await self._membership.join()
        with _one_of_several():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._membership.pulse())
                revision = await self.compare()
                self._shared.regain()
                self._shared.tried.set()
                tasks.create_task(self._watch(revision))
                tasks.create_task(self._follow())
                tasks.create_task(self._compare_often())
                tasks.create_task(self._until_lost())

    async def compare(self) -> int:
        """Read everything, and bring both sides into line: the revision of what was read."""
        copy = self._shared.copy
        copy.own_addresses = frozenset(await self._own_addresses())
        known = copy.revision
        listing = await self._shared.store.list(keys.ROOT)
        entries = {key: read for key, entry in listing.entries.items() if (read := read_of(entry))}
        if listing.revision < known or (keys.POOLS not in entries and self._knows_networks()):
            log.warning("the cluster store has begun anew: it is told what this host knows")
            copy.reset()
            copy.replace(listing.revision, entries)
            await self._networks.restore()
            listing = await self._shared.store.list(keys.ROOT)
            entries = {key: read for key, entry in listing.entries.items() if (read := read_of(entry))}
        await self._intake.take_all(copy.replace(listing.revision, entries))
        await self._claims.settle()
        await self._networks.finish_removals()
        await self._membership.say()
        return listing.revision

    def _knows_networks(self) -> bool:
        return any(each.scope == "global" for each in self._context.records.networks.values())

    async def _own_addresses(self) -> set[Address]:
        """This host's addresses, without those of its own networks' bridges."""
        networks = self._context.records.networks.values()
        bridges = {pool.gateway for network in networks for pool in network.pools}
        return {each for each in await self._context.machine.addresses() if each not in bridges}

    async def _watch(self, revision: int) -> None:
        async for changes in self._shared.store.watch(keys.ROOT, revision):
            reads = {key: read_of(entry) for key, entry in changes.entries.items()}
            self._intake.note(self._shared.copy.apply(changes.revision, reads))
            self._missed = self._missed or self._misses(changes)
            self._news.set()

    async def _follow(self) -> None:
        """Take what the watch has noted; what comes meanwhile is taken together, next."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self._intake.take(Touched())
            if self._missed:
                self._missed = False
                await self._claims.settle()

    def _misses(self, changes: Changes) -> bool:
        """Whether somebody has taken away what this host has said of an endpoint that it has."""
        gone = (keys.parse(key) for key, entry in changes.entries.items() if entry is None)
        endpoints = self._context.records.endpoints
        return any(isinstance(each, keys.EndpointKey) and each.endpoint_id in endpoints for each in gone)

    async def _until_lost(self) -> None:
        """A call that found the store away may have been made all the same: read again."""
        await self._shared.lost.wait()
        raise StoreAway(self._shared.away)

    async def _compare_often(self) -> None:
        clock, took = self._context.clock, 0.0
        while True:
            await clock.sleep(pause(COMPARISON, took))
            began = clock.now()
            await self.compare()
            took = (clock.now() - began) / 1e9

    async def _repair(self) -> None:
        """Whatever somebody else changes in the kernel comes back, or goes, with the store or without."""
        clock, took = self._context.clock, 0.0
        while True:
            await clock.sleep(pause(REPAIR, took))
            began = clock.now()
            networks = self._context.records.networks.values()
            present = [
                each for each in networks if each.scope == "global" and self._presence.present(each.id)
            ]
            for network in present:
                with _told(f"cannot bring network {network.name} into line"):
                    if steps := await self._presence.repair(network):
                        log.warning("network %s was brought into line again: %d steps", network.name, steps)
            if present:
                with _told(
                    "cannot look for what overlay networks have been told beyond what they should know"
                ):
                    await self._presence.clear()
                with _told("cannot tell whether the kernel has room for all neighbours"):
                    await self._crowding.look()
            took = (clock.now() - began) / 1e9


def pause(least: float, took: float) -> float:
    """Seconds until something that took so long is done again: large clusters are looked at more rarely."""
    return min(max(least, took / SHARE), RARELY * least)


@contextlib.contextmanager
def _told(failing: str) -> Iterator[None]:
    """What fails is logged; there will be another try."""
    try:
        yield
    except FairleadError as error:
        log.error("%s: %s", failing, error.message)
    except Exception:
        log.exception("%s", failing)


@contextlib.contextmanager
def _one_of_several() -> Iterator[None]:
    """What ended a group of tasks, instead of a group of errors."""
    try:
        yield
    except BaseExceptionGroup as group:
        for kind in (LeaseEnded, Compacted, StoreAway):
            matching, _ = group.split(kind)
            if matching is not None:
                raise _first(matching) from group
        raise


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error = group.exceptions[0]
    return _first(error) if isinstance(error, BaseExceptionGroup) else error
