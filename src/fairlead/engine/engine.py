"""The engine: its parts joined, its start and its end."""

import contextlib
import logging
from collections.abc import Collection, Iterator
from dataclasses import replace

from fairlead.boundary import (
    Actuator,
    Archives,
    Clock,
    FaultPoint,
    Holdings,
    Images,
    Machine,
    Probe,
    RecordStore,
    Runtime,
    Sight,
)
from fairlead.boundary.build import Builder
from fairlead.boundary.cluster import ClusterStore
from fairlead.boundary.meter import Meter, NoMeter
from fairlead.engine.archives import ContainerArchives
from fairlead.engine.audit import Audit
from fairlead.engine.builds import Builds
from fairlead.engine.cluster.cluster import Cluster, Reach
from fairlead.engine.connections import Connections
from fairlead.engine.consoles import Consoles
from fairlead.engine.containers import Containers
from fairlead.engine.context import Context
from fairlead.engine.counters import Counters
from fairlead.engine.creation import Creation
from fairlead.engine.events import EventLog
from fairlead.engine.execs import Execs
from fairlead.engine.files import Files
from fairlead.engine.health import HealthChecks
from fairlead.engine.imagestore import ImageStore
from fairlead.engine.ledger import Ledger, put
from fairlead.engine.lifecycle import Lifecycle
from fairlead.engine.linking import Linking
from fairlead.engine.measures import families
from fairlead.engine.mounts import Mounts
from fairlead.engine.networks import Networks
from fairlead.engine.overlays import Overlays
from fairlead.engine.parts import Parts
from fairlead.engine.policies import Policies
from fairlead.engine.references import References
from fairlead.engine.removal import Removal
from fairlead.engine.renaming import Renaming
from fairlead.engine.repair import Repair
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.sharing import inhabitants
from fairlead.engine.stopping import Stopping
from fairlead.engine.subjects import Subjects
from fairlead.engine.supervision import Supervision
from fairlead.engine.surroundings import Following
from fairlead.engine.viewing import Viewing
from fairlead.engine.volumes import Volumes
from fairlead.engine.waits import Waits
from fairlead.model.audit import Finding
from fairlead.model.config import Settings
from fairlead.model.metrics import MetricFamily
from fairlead.model.overlay import OverlayStatus
from fairlead.model.records import HostRecord
from fairlead.model.views import HostFacts
from fairlead.planner.base import base_state
from fairlead.planner.deviation import Part
from fairlead.reconcile.converge import REPAIRING, Reconciler

log = logging.getLogger(__name__)


@contextlib.contextmanager
def _repairing() -> Iterator[None]:
    token = REPAIRING.set(True)
    try:
        yield
    finally:
        REPAIRING.reset(token)


class Engine:
    """Everything that can be asked of fairlead, by subject."""

    def __init__(
        self,
        settings: Settings,
        store: RecordStore,
        actuators: tuple[Actuator, ...],
        runtime: Runtime,
        images: Images,
        archives: Archives,
        machine: Machine,
        clock: Clock,
        at: FaultPoint = lambda name: None,
        reach: tuple[ClusterStore, Probe] | None = None,
        builder: Builder | None = None,
        holdings: Holdings | None = None,
        meter: Meter | None = None,
        sight: Sight | None = None,
    ):
        """Join the parts; nothing happens before `begin`.

        Without `reach` there is no cluster, without `builder` no image is built, without `holdings`
        an audit looks at the network alone, without `meter` nothing is counted, without `sight` nothing is
        repaired.
        """
        self.counters = Counters()
        self.events = EventLog(clock)
        context = Context(
            settings=settings,
            ledger=Ledger(store),
            reconciler=Reconciler(actuators, meter or NoMeter()),
            runtime=runtime,
            images=images,
            archives=archives,
            machine=machine,
            clock=clock,
            events=self.events,
            at=at,
        )
        self._context = context
        references, waits, consoles = References(context), Waits(), Consoles(runtime)
        self.cluster = self._cluster(context, reach)
        sandboxes = Sandboxes(context, Overlays(context, self.cluster))
        networks = Networks(context, sandboxes)
        files = Files(context, sandboxes)
        self.volumes = Volumes(context)
        parts = Parts(context, references, networks, sandboxes, files, self.volumes)
        self.images = ImageStore(context)
        self.execs = Execs(context, references)
        creation = Creation(context, references, networks, Mounts(machine, self.volumes, references.find))
        linking = Linking(context, references, sandboxes, files)
        lifecycle = Lifecycle(parts, linking, consoles, waits)
        stopping = Stopping(context, references, lifecycle, waits)
        removal = Removal(context, references, sandboxes, stopping, self.volumes, consoles, waits)
        health = HealthChecks(context)
        self.builds = Builds(context, builder, self.images, references, networks, sandboxes, files, removal)
        self._linking = linking
        self._stopping = stopping
        self._networks = networks
        self._sandboxes = sandboxes
        self._audit = Audit(context, networks, sandboxes, holdings)
        self._supervision = Supervision(context, lifecycle, removal, sandboxes, waits, health)
        self._following = Following(context, networks, self._supervision)
        subjects = Subjects(context, networks, sandboxes)
        self._policies = Policies(context)
        self._repair = (
            Repair(context, subjects, files, self._policies, sight, self.counters) if sight else None
        )
        self.networks = networks
        self.connections = Connections(parts, lifecycle)
        self.containers = Containers(
            context=context,
            references=references,
            creation=creation,
            lifecycle=lifecycle,
            stopping=stopping,
            removal=removal,
            renaming=Renaming(context, references, sandboxes),
            linking=linking,
            archives=ContainerArchives(context, references),
            viewing=Viewing(parts, self.execs),
            consoles=consoles,
            waits=waits,
            health=health,
        )

    def _cluster(self, context: Context, reach: tuple[ClusterStore, Probe] | None) -> Cluster | None:
        settings = context.settings.cluster
        if settings is None or reach is None:
            return None
        return Cluster(context, Reach(settings, *reach), lambda *lost: self.connections.lose(*lost))

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._context.settings

    async def begin(self) -> None:
        """Read the records and bring the host into line with them: one ordinary convergence."""
        context = self._context
        await context.ledger.load()
        await self._name_host()
        await self._following.begin()
        await self._sandboxes.publishing.begin()
        state = base_state(context.settings, await context.machine.forwarding())
        await self._policies.expect(state)
        await context.reconciler.converge({**await self._policies.lost(), **state})
        context.at("begin: base made")
        await self._networks.begin()
        await self._policies.note()
        context.at("begin: networks made")
        await self.volumes.begin()
        await self._supervision.begin()
        await self._linking.begin()
        await self._clear_surplus()
        await self.builds.begin()
        if self.cluster is not None:
            await self.cluster.begin()
        self._supervision.watch()

    async def _clear_surplus(self) -> None:
        """Take away what is ours and no record explains: records may have been lost, the kernel has not."""
        surplus = await self._context.reconciler.surplus(self._audit.explained())
        await self._context.reconciler.converge(self._audit.without_others(surplus))

    async def surroundings_changed(self) -> None:
        """The host around may say something else than before: look, and bring what follows it into line."""
        with _repairing():
            await self._following.changed()

    def measures(self) -> Iterator[MetricFamily]:
        """How much there is of everything."""
        return families(self._context)

    async def look(self, parts: Collection[Part]) -> None:
        """Something of these parts of the host may have been changed by others: repair what differs.

        What a process beside the engine held and has lost comes back in any case.
        """
        with _repairing():
            if Part.LINKS in parts:
                await self._following.changed()
            if self._repair is not None and self.settings.repair:
                await self._repair.look(parts)
            elif Part.PORTS in parts or Part.NAMES in parts:
                await self._supervision.renew()  # what the processes beside the engine have lost

    def ended(self, what: str) -> None:
        """A process beside the engine had ended and runs again: the next look tells of it."""
        if self._repair is not None and self.settings.repair:
            self._repair.ended(what)

    def changes(self) -> int:
        """How often something was written down since the start."""
        return self._context.ledger.commits

    def inhabitants(self, namespace: str) -> list[str]:
        """The ids of the containers that run in a namespace of that name."""
        return [each.id for each in inhabitants(self._context.records, namespace)]

    async def _name_host(self) -> None:
        """Give the engine its identity when it has none yet."""
        if "host" not in self._context.records.hosts:
            await self._context.ledger.commit(put(HostRecord(engine_id=self._context.new_id())))

    async def finish(self) -> None:
        """The daemon ends: containers live on, or are stopped first where live-restore is off."""
        self._supervision.no_more_restarts()
        if not self._context.settings.live_restore:
            await self._stopping.stop_all(self._context.settings.shutdown_timeout)
        await self._supervision.finish()
        if self.cluster is not None:
            await self.cluster.finish(leave=not self._context.settings.live_restore)

    def reload(self, settings: Settings) -> None:
        """Go by other settings from now on, as far as they can change while the engine runs."""
        self._context.settings = settings
        self.events.emit("daemon", "reload", self._context.records.hosts["host"].engine_id, {})

    async def overlay(self, verify: bool) -> OverlayStatus | None:
        """How the networks over several hosts stand; None outside of a cluster."""
        return await self.cluster.status(verify) if self.cluster is not None else None

    async def audit(self) -> tuple[Finding, ...]:
        """What is on the host and nothing explains, what is missing, and what is otherwise."""
        return await self._audit.look()

    async def facts(self) -> HostFacts:
        """What `docker info` says, counts included."""
        records, settings = self._context.records, self._context.settings
        states = [container.state.status for container in records.containers.values()]
        host = records.hosts.get("host", HostRecord())
        facts = await self._context.machine.facts()
        return replace(
            facts,
            engine_id=host.engine_id,
            root=settings.data_root,
            labels=settings.labels,
            live_restore=settings.live_restore,
            debug=settings.debug,
            logging_driver=settings.log_config.driver,
            insecure_registries=settings.insecure_registries,
            registry_mirrors=settings.registry_mirrors,
            default_runtime=settings.default_runtime,
            forwarding=await self._context.machine.forwarding(),
            cluster_store=settings.cluster.store if settings.cluster else "",
            cluster_advertise=settings.cluster.advertise if settings.cluster else "",
            address_pools=tuple((str(each.base), each.size) for each in settings.default_address_pools),
            containers=len(states),
            running=states.count("running"),
            paused=states.count("paused"),
            stopped=len(states) - states.count("running") - states.count("paused"),
            images=len(await self._context.images.list()),
        )
