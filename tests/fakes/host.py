"""A host in memory that outlives engines: kernel, firewall, ports, names, containers, images, records."""

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from fairlead.boundary import Progress
from fairlead.boundary.build import Enter
from fairlead.daemon.faults import Tapped
from fairlead.engine.engine import Engine
from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.audit import Holding
from fairlead.model.build import BuildRequest
from fairlead.model.commands import CreateContainer, CreateNetwork
from fairlead.model.config import Settings
from fairlead.model.container import Config, HostConfig
from fairlead.model.image import ImageConfig
from fairlead.model.records import RecordChange, Records
from fairlead.model.views import HostFacts
from fairlead.store.formats import decode, encode
from tests.fakes.faults import Faults, Killed
from tests.fakes.flows import FakeFlows
from tests.fakes.images import FakeImages
from tests.fakes.links import FakeLinks
from tests.fakes.names import FakeNames
from tests.fakes.ports import FakePorts
from tests.fakes.rules import FakeIptables, FakeNftables
from tests.fakes.runtime import FakeRuntime, Program, Remains

FASTER = 50  # how much faster time goes here
SLEEP = ("sleep",)
PROGRAMS = {
    SLEEP: Program(code=None, handled={15: 0}),
    ("stubborn",): Program(code=None),
    ("true",): Program(code=0),
}


class QuickClock:
    """Time that goes faster, and chance that can be repeated."""

    def __init__(self) -> None:
        self._random = random.Random(1)
        self._now = itertools.count(1_600_000_000_000_000_000, 1_000_000)

    def now(self) -> int:
        return next(self._now)

    def chance(self, count: int) -> bytes:
        return self._random.randbytes(count)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / FASTER)


class MemoryStore:
    """boundary.RecordStore: text, as on a disk, so that what is read is never what was written."""

    def __init__(self) -> None:
        self.rows: dict[tuple[Any, str], str] = {}

    async def load(self) -> Records:
        records = Records()
        for (kind, identity), text in self.rows.items():
            records.apply(RecordChange(kind, identity, decode(kind, text)))
        return records

    async def commit(self, changes: Sequence[RecordChange]) -> None:
        await asyncio.sleep(0)
        for change in changes:
            if change.after is None:
                self.rows.pop((change.kind, change.id), None)
            else:
                self.rows[change.kind, change.id] = encode(change.after)


class FakeMachine:
    """boundary.Machine with files in memory."""

    def __init__(self, links: FakeLinks) -> None:
        self._links = links
        self.files: dict[str, dict[str, str]] = {}
        self.volumes: set[str] = set()

    async def routes(self) -> Sequence[Subnet]:
        return []

    async def addresses(self) -> Sequence[Address]:
        return [ip_address("127.0.0.1"), ip_address("198.51.100.11")]

    async def link_addresses(self, link: str) -> Sequence[Interface]:
        return []

    async def forwarding(self) -> bool:
        return self._links.namespaces[""].settings[("net", "ipv4", "ip_forward")] == "1"

    async def resolv_conf(self) -> str:
        return "nameserver 198.51.100.1\n"

    async def resolved_conf(self) -> str:
        return ""

    async def hosts_file(self) -> str:
        return "127.0.0.1 localhost\n"

    async def local_ports(self) -> range:
        return range(32768, 61000)

    async def uplink_mtu(self) -> int:
        return 1500

    async def facts(self) -> HostFacts:
        return HostFacts(name="host")

    async def write_files(self, container_id: str, files: Mapping[str, str]) -> None:
        self.files.setdefault(container_id, {}).update(files)

    async def read_file(self, container_id: str, name: str) -> str:
        return self.files.get(container_id, {}).get(name, "")

    async def remove_files(self, container_id: str) -> None:
        self.files.pop(container_id, None)

    def directory(self, container_id: str) -> str:
        return f"/data/containers/{container_id}"

    async def make_volume(self, name: str) -> str:
        self.volumes.add(name)
        return f"/data/volumes/{name}"

    async def fill_volume(self, path: str, root: str, destination: str) -> None:
        pass

    async def remove_volume(self, name: str) -> None:
        self.volumes.discard(name)

    async def ensure_directory(self, path: str) -> bool:
        return True

    async def exists(self, path: str) -> bool:
        return path.removeprefix("/run/netns/") in self._links.namespaces

    async def usage(self, path: str) -> int:
        return 0


class FakeBuilder:
    """boundary.Builder whose builds have nothing to do at their place."""

    async def build(
        self,
        identity: str,
        request: BuildRequest,
        context: AsyncIterator[bytes],
        enter: Enter,
        progress: Progress,
    ) -> str:
        async with enter():
            return "b" * 64

    async def clear(self) -> None:
        pass


class MemoryHost:
    """Everything but the engine; `begin` starts one, `kill` ends it without a word."""

    def __init__(self, directory: Path):
        self.links, self.names, self.ports = FakeLinks(), FakeNames(), FakePorts()
        self.names.namespaces = self.links.namespaces  # type: ignore[assignment]
        self.rules, self.nftables, self.flows = FakeIptables(), FakeNftables(), FakeFlows()
        self.images, self.remains, self.store = FakeImages(directory), Remains(), MemoryStore()
        self.machine, self.clock = FakeMachine(self.links), QuickClock()
        self.directory = directory
        self.faults = Faults()
        self.engine: Engine
        self.begun = False
        self.spared: set[asyncio.Task[Any]] = set()  # tasks that are none of the engine's
        self._before: set[asyncio.Task[Any]] = set()

    async def prepare(self) -> None:
        """The one image, `box`."""
        with contextlib.suppress(KeyError):
            await self.images.import_(_empty(), "box:latest", "", ImageConfig(cmd=SLEEP))

    async def begin(self) -> None:
        """Start an engine on the host as it is.  Killed where it is told to end."""
        self._before = asyncio.all_tasks()
        earlier, self.faults = self.faults, Faults(died=self.faults.died)
        if not earlier.hit:  # armed before the start
            self.faults.arm(earlier.name, earlier.count, earlier.way)

        def tapped(part: Any, name: str) -> Any:
            return Tapped(part, name, self.faults.call)

        self.engine = Engine(
            settings=Settings(ip6tables=False),
            store=tapped(self.store, "store"),
            actuators=(
                tapped(self.links, "links"),
                tapped(self.rules, "rules"),
                tapped(self.nftables, "nftables"),
                tapped(self.flows, "flows"),
                tapped(self.ports, "ports"),
                tapped(self.names, "names"),
            ),
            runtime=tapped(FakeRuntime(PROGRAMS, self.remains), "runtime"),
            images=tapped(self.images, "images"),
            archives=None,  # type: ignore[arg-type]
            machine=tapped(self.machine, "machine"),
            clock=self.clock,
            at=self.faults.at,
            builder=FakeBuilder(),
            holdings=self,
        )
        self.begun = False
        await self.engine.begin()
        self.begun = True

    async def kill(self) -> None:
        """End the engine as SIGKILL does; nothing that it had begun goes on."""
        self.faults.dead = True
        ours = asyncio.all_tasks() - self._before - self.spared
        ours.discard(asyncio.current_task())  # type: ignore[arg-type]
        for task in ours:
            task.cancel()
        await asyncio.gather(*ours, return_exceptions=True)

    async def restart(self) -> None:
        """Kill the engine, and start the next one."""
        await self.kill()
        await self.begin()

    async def look(self) -> Sequence[Holding]:
        """boundary.Holdings."""
        held = [
            Holding(kind, each, each)
            for each, process in self.remains.processes.items()
            for kind in ("bundle", "process")
            if process.code is None or kind == "bundle"
        ]
        held += [Holding("mount", each, each) for each in self.images.mounted]
        held += [Holding("root", path.name, path.name) for path in self.directory.iterdir()]
        held += [Holding("files", each, each) for each in self.machine.files]
        held += [Holding("volume", each, each) for each in self.machine.volumes]
        return [*held, *(Holding("process", each, each) for each in ("ports", "resolver"))]

    async def findings(self) -> list[str]:
        """What an audit says, and whether the records on disk are those in memory."""
        found = [
            f"{each.verdict} {each.kind} {each.name}: {each.detail}" for each in await self.engine.audit()
        ]
        if await self.store.load() != self.engine._context.records:
            found.append("the store differs from the engine's records")
        return found

    # -- short forms of what users ask for ---------------------------------------------------------

    async def create(self, name: str, *words: str, **host_config: Any) -> str:
        """Create a container of the image `box`."""
        config = Config(image="box", cmd=words or SLEEP)
        identity, _ = await self.engine.containers.create(
            CreateContainer(name, config, HostConfig(**host_config))
        )
        return identity

    async def run(self, name: str, *words: str, **host_config: Any) -> str:
        """Create and start it."""
        identity = await self.create(name, *words, **host_config)
        await self.engine.containers.start(name)
        return identity

    async def build(self) -> None:
        """Build an image of nothing."""

        async def progress(message: Mapping[str, object]) -> None:
            pass

        await self.engine.builds.build(BuildRequest(), _empty(), progress)

    async def network(self, name: str, **options: Any) -> None:
        """Create a network."""
        await self.engine.networks.create(CreateNetwork(name, **options))


async def _empty() -> AsyncIterator[bytes]:
    """A tar without anything in it."""
    yield b"\0" * 10240


@asynccontextmanager
async def memory_host(directory: Path) -> AsyncIterator[MemoryHost]:
    """A host with a running engine, which is ended when the block is."""
    host = MemoryHost(directory)
    await host.prepare()
    await host.begin()
    try:
        yield host
    finally:
        await host.kill()


__all__ = ["Killed", "MemoryHost", "memory_host"]
