"""The one place where adapters are chosen and joined to the engine."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from fairlead.api.server import ApiServer
from fairlead.daemon import faults, metrics
from fairlead.daemon.config import DaemonOptions
from fairlead.daemon.edges import SystemClock
from fairlead.daemon.tls import security
from fairlead.daemon.waking import Waking
from fairlead.daemon.watching import Watching
from fairlead.engine.engine import Engine
from fairlead.images.archive import PathArchives
from fairlead.images.storage import ContainerStorage
from fairlead.kernel.file_notices import FileNotices
from fairlead.kernel.flows import TrackedFlows
from fairlead.kernel.generation import Generation
from fairlead.kernel.holdings import HostHoldings
from fairlead.kernel.links import KernelLinks
from fairlead.kernel.machine import RESOLV_CONF, RESOLVED_CONF, HostMachine
from fairlead.kernel.nft import Nftables
from fairlead.kernel.notices import Notices, rule_notices
from fairlead.kernel.rules import Iptables, is_counted
from fairlead.kernel.sight import KernelSight
from fairlead.model.config import Settings
from fairlead.planner.deviation import Part
from fairlead.resolver import supervise
from fairlead.resolver.estate import Estate
from fairlead.resolver.keeping import Keeper
from fairlead.resolver.names import NameServer
from fairlead.resolver.ports import PortHolder
from fairlead.runtime.lifecycle import ConmonRuntime
from fairlead.store.etcd import open_store
from fairlead.store.sqlite import SqliteStore

log = logging.getLogger(__name__)
# Settings that a running daemon can change; the others count from its next start on.
RELOADABLE = (
    "debug dns dns_search dns_opt live_restore repair insecure_registries registry_mirrors labels "
    "default_ulimits shutdown_timeout"
).split()


@dataclass(slots=True)
class Assembly:
    """A daemon's parts, joined."""

    options: DaemonOptions
    store: SqliteStore
    runtime: ConmonRuntime
    links: KernelLinks
    nftables: Nftables
    flows: TrackedFlows
    engine: Engine
    server: ApiServer
    waking: Waking
    watching: Watching
    scraped: ApiServer | None = None
    notices: Sequence[Notices | FileNotices] = ()

    async def begin(self) -> None:
        """Bring the host into line, then listen."""
        await self.engine.begin()
        self.notices = (
            Notices(lambda: self.watching.hint(Part.LINKS, Part.SETTINGS)),
            FileNotices((RESOLV_CONF, RESOLVED_CONF), self.waking.hint),
            *_rule_notices(lambda: self.watching.hint(Part.RULES)),
        )
        self.watching.begin()  # with what has changed meanwhile
        await self.server.start()
        if self.scraped is not None:
            await self.scraped.start()

    def reload(self, chosen: DaemonOptions) -> None:
        """Go by what the configuration file says now, as far as it can change."""
        before, wanted = self.engine.settings, chosen.settings
        changed: dict[str, object] = {name: getattr(wanted, name) for name in RELOADABLE}
        settings: Settings = replace(before, **changed)  # type: ignore[arg-type]
        logging.getLogger().setLevel(logging.DEBUG if settings.debug else logging.INFO)
        self.engine.reload(settings)
        log.info("read the configuration again")

    async def finish(self) -> None:
        """Stop listening, end the engine, let everything go; containers live on unless told otherwise."""
        for each in self.notices:
            each.close()
        for part in (
            *([self.scraped.stop] if self.scraped is not None else []),
            self.server.stop,
            self.waking.finish,
            self.watching.finish,
            self.engine.finish,
            self.runtime.close,
            self.store.close,
        ):
            try:
                await part()
            except Exception:
                log.exception("cannot end in order")
        with contextlib.suppress(RuntimeError):
            await asyncio.to_thread(self.links.close)
            await asyncio.to_thread(self.nftables.close)
            await asyncio.to_thread(self.flows.close)


async def assemble(chosen: DaemonOptions) -> Assembly:
    """Choose and join the parts.  Conflict when another daemon has the data root."""
    settings = chosen.settings
    guard = security(chosen.tls, chosen.hosts)
    os.makedirs(settings.exec_root, mode=0o711, exist_ok=True)
    store = SqliteStore(settings.data_root)
    started = time.time_ns()
    candidates = ("runc",) if settings.default_runtime == "runc-only" else ("crun", "runc")
    runtime, _, _ = await asyncio.gather(
        ConmonRuntime.open(settings.data_root, settings.exec_root, candidates=candidates),
        supervise.ensure_running("ports", settings.exec_root),
        supervise.ensure_running("resolver", settings.exec_root),
    )
    generation = Generation()
    # Whoever is asked for here is so only when there is an engine.
    links = KernelLinks(settings.exec_root, lambda name: _process_in(engine, runtime, name))
    nftables, flows = Nftables(generation), TrackedFlows()
    ports, resolver = (Revival(kind, settings.exec_root) for kind in ("ports", "resolver"))
    images = ContainerStorage(
        settings.data_root,
        settings.exec_root,
        insecure_registries=settings.insecure_registries,
        registry_mirrors=settings.registry_mirrors,
    )
    registry = metrics.Registry()
    names = NameServer(resolver.path, resolver, Keeper())
    holder = PortHolder(ports.path, ports, Keeper())
    ports.kept, resolver.kept = holder.kept, names.kept
    armed = faults.from_environment()
    machine = HostMachine(settings.data_root, runtime.name, ("runc", runtime.name), started)
    engine = Engine(
        settings=settings,
        store=armed.tapped("store", store),
        actuators=(
            armed.tapped("links", links),
            armed.tapped("iptables", Iptables(generation=generation)),
            armed.tapped("nftables", nftables),
            armed.tapped("flows", flows),
            armed.tapped("ports", holder),
            armed.tapped("names", names),
        ),
        runtime=armed.tapped("runtime", runtime),
        images=armed.tapped("images", images),
        archives=PathArchives(),
        machine=armed.tapped("machine", machine),
        clock=SystemClock(),
        at=armed.at,
        reach=(open_store(settings.cluster), links) if settings.cluster else None,
        builder=images.builder(),
        holdings=_holdings(chosen, runtime.name),
        meter=registry,
        sight=KernelSight(links, generation, is_counted()),
    )
    server = ApiServer(
        engine,
        hosts=chosen.hosts,
        group=chosen.group or None,
        security=guard,
        environment=os.environ,
        meter=registry,
    )
    scraped = None
    if chosen.metrics_address:
        page = partial(metrics.text, registry, engine.measures, names.queries)
        scraped = ApiServer(
            engine,
            hosts=(f"tcp://{chosen.metrics_address}",),
            routes=metrics.routes(page),
            any_host=True,
        )
    waking = Waking(engine.surroundings_changed)
    beside = {
        ports.path: (Part.PORTS, ports),
        resolver.path: (Part.NAMES, resolver),
    }
    watching = Watching(engine.look, beside, engine.changes)

    def tell(name: str, part: Part) -> None:
        engine.ended(name)
        watching.hint(part)

    ports.tell, resolver.tell = (
        partial(tell, "the port holder", Part.PORTS),
        partial(tell, "the resolver", Part.NAMES),
    )
    return Assembly(chosen, store, runtime, links, nftables, flows, engine, server, waking, watching, scraped)


def _rule_notices(tell: Callable[[], None]) -> Sequence[Notices]:
    try:
        return [rule_notices(tell)]
    except OSError as error:
        log.warning("cannot listen to nftables, so rules are looked at every second: %s", error)
        return []


def _process_in(engine: Engine, runtime: ConmonRuntime, namespace: str) -> int:
    """A process of a container in a namespace, 0 if there is none."""
    processes = map(runtime.first_process, engine.inhabitants(namespace))
    return next(filter(None, processes), 0)


def _holdings(chosen: DaemonOptions, runtime: str) -> HostHoldings:
    """Where the adapters above keep what belongs to a container or a volume."""
    kept, fleeting = chosen.settings.data_root, chosen.settings.exec_root
    directories = {
        "bundle": f"{fleeting}/containers",
        "runtime state": f"{fleeting}/{runtime}",
        "files": f"{kept}/containers",
        "root": f"{kept}/roots",
        "volume": f"{kept}/volumes",
    }
    sockets = [each.removeprefix("unix://") for each in chosen.hosts if each.startswith("unix://")]
    return HostHoldings(directories, kept, fleeting, [*sockets, *filter(None, [chosen.pidfile])])


class Revival:
    """Starts a process beside the daemon again where it does not answer."""

    def __init__(self, kind: str, exec_root: str):
        self.path = supervise.socket_path(kind, exec_root)
        self.tell: Callable[[], None] = lambda: None
        self.kept: Callable[[], Estate] | None = None
        self._kind = kind
        self._exec_root = exec_root

    async def __call__(self) -> None:
        """Start it with what was kept; the rest comes behind the caller, who may hold the engine's turn."""
        if await supervise.ensure_running(self._kind, self._exec_root, self.kept):
            log.warning("fairlead %s had ended and was started again", self._kind)
            self.tell()
