"""An engine in memory, as the API sees one: containers run tiny programs instead of processes.

The program is the first word of the command: `cat` echoes its input until it ends, `echo` prints
its arguments, `fail` prints to standard error and exits with 3, anything else runs until it is
stopped.  Names are unique, states change as Docker's do, and errors have Docker's words.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from fairlead.boundary import Progress
from fairlead.model.audit import Finding
from fairlead.model.build import BuildFailed, BuildRequest
from fairlead.model.commands import (
    CommitContainer,
    CreateContainer,
    CreateNetwork,
    CreateVolume,
    ExecRequest,
    LogQuery,
    UpdateContainer,
)
from fairlead.model.container import Container, PathStat, Volume
from fairlead.model.endpoint import Attachment, Endpoint
from fairlead.model.errors import Conflict, Failed, InvalidParameter, NotFound, NotModified, Unauthorized
from fairlead.model.image import (
    ANY_PLATFORM,
    Credentials,
    Distribution,
    HistoryEntry,
    Image,
    ImageConfig,
    Platform,
)
from fairlead.model.network import Network, Pool
from fairlead.model.overlay import OverlayStatus
from fairlead.model.views import (
    AttachedNetwork,
    ContainerView,
    Event,
    ExecView,
    HostFacts,
    ImageView,
    LogLine,
    NetworkView,
    Removed,
    Usage,
    WaitResult,
)

FIRST_MOMENT = 1_600_000_000_000_000_000


def identity(number: int) -> str:
    return f"{number:064x}"


@dataclass(slots=True)
class Console:
    """One client's view of a program: its output from now on, and its input."""

    program: "Program"
    pieces: "asyncio.Queue[tuple[int, bytes] | None]" = field(default_factory=asyncio.Queue)
    closed: bool = False

    async def read(self) -> tuple[int, bytes] | None:
        return await self.pieces.get()

    async def write(self, content: bytes) -> None:
        self.program.typed.put_nowait(content)

    async def close_input(self) -> None:
        self.program.typed.put_nowait(b"")

    async def close(self) -> None:
        self.closed = True
        if self in self.program.consoles:
            self.program.consoles.remove(self)


class Program:
    """A running command."""

    def __init__(self, command: Sequence[str], tick: Callable[[], int]):
        self.command = command
        self.typed: asyncio.Queue[bytes] = asyncio.Queue()
        self.consoles: list[Console] = []
        self.lines: list[LogLine] = []
        self.followers: list[asyncio.Queue[LogLine | None]] = []
        self.ended: asyncio.Future[int] | None = None
        self.size = (0, 0)
        self._tick = tick

    def console(self) -> Console:
        console = Console(self)
        self.consoles.append(console)
        return console

    def say(self, content: bytes, stream: int = 1) -> None:
        line = LogLine(stream, self._tick(), content)
        self.lines.append(line)
        for follower in self.followers:
            follower.put_nowait(line)
        for console in self.consoles:
            console.pieces.put_nowait((stream, content))

    def run(self, done: Callable[[int], None]) -> None:
        task = asyncio.ensure_future(self._main())
        task.add_done_callback(lambda task: done(task.result() if not task.cancelled() else 137))
        self.ended = task

    def stop(self) -> None:
        if self.ended is not None:
            self.ended.cancel()

    def finish(self) -> None:
        for console in self.consoles:
            console.pieces.put_nowait(None)
        for follower in self.followers:
            follower.put_nowait(None)
        self.consoles = []
        self.typed = asyncio.Queue()

    async def _main(self) -> int:
        if self.command[0] == "echo":
            self.say(" ".join(self.command[1:]).encode() + b"\n")
            return 0
        if self.command[0] == "fail":
            self.say(b"failed\n", 2)
            return 3
        if self.command[0] == "cat":
            while content := await self.typed.get():
                self.say(content)
            return 0
        await asyncio.Event().wait()
        return 0


class Containers:
    def __init__(self, engine: "FakeEngine"):
        self._engine = engine
        self.records: dict[str, Container] = {}
        self.programs: dict[str, Program] = {}
        self.waits: list[tuple[str, str, asyncio.Future[WaitResult]]] = []
        self.files: dict[tuple[str, str], bytes] = {}
        self.starts_take = 0.0  # seconds

    async def create(self, request: CreateContainer) -> tuple[str, tuple[str, ...]]:
        image = await self._engine.images.inspect(request.config.image)
        if any(each.name == request.name.strip("/") for each in self.records.values()):
            raise Conflict(f'Conflict. The container name "/{request.name}" is already in use')
        number = self._engine.tick()
        command = request.config.cmd or image.config.cmd or ("sh",)
        container = Container(
            id=identity(number),
            name=request.name.strip("/") or f"name_{number}",
            created=number,
            image_id=image.id,
            config=replace(request.config, cmd=command),
            host_config=request.host_config,
            path=command[0],
            args=tuple(command[1:]),
            attachments=request.attachments or (Attachment("bridge"),),
            sequence=number,
        )
        self.records[container.id] = container
        self.programs[container.id] = Program(command, self._engine.tick)
        self._tell(container, "create")
        return container.id, ()

    def get(self, reference: str) -> Container:
        name = reference.strip("/")
        for container in self.records.values():
            if name in (container.name, container.id) or (name and container.id.startswith(name)):
                return container
        raise NotFound(f"No such container: {reference}")

    def view(self, container: Container) -> ContainerView:
        networks = []
        for position, attachment in enumerate(container.attachments):
            network = self._engine.networks.inspect(attachment.network).network
            endpoint = Endpoint(
                id=identity(container.sequence + position),
                network_id=network.id,
                container_id=container.id,
                sandbox_id=container.id,
                sequence=0,
                interface=f"eth{position}",
                host_interface="veth",
                mac="02:42:ac:11:00:02",
                ipv4=IPv4Interface("172.17.0.2/16"),
                gateway4=IPv4Address("172.17.0.1"),
            )
            running = container.state.running
            networks.append(AttachedNetwork(network.name, attachment, network, endpoint if running else None))
        return ContainerView(container, container.config.image, tuple(networks), size_rw=1, size_root=2)

    async def inspect(self, reference: str, size: bool = False) -> ContainerView:
        return self.view(self.get(reference))

    async def list(self, size: bool = False) -> Sequence[ContainerView]:
        newest_first = sorted(self.records.values(), key=lambda each: -each.sequence)
        return [self.view(container) for container in newest_first]

    def _tell(self, container: Container, action: str, **extra: str) -> None:
        attributes = {"image": container.config.image, "name": container.name, **extra}
        self._engine.events.emit("container", action, container.id, attributes)

    def _become(self, container: Container, status: str, **state: int) -> Container:
        changed = replace(container, state=replace(container.state, status=status, **state))  # type: ignore[arg-type]
        self.records[container.id] = changed
        return changed

    async def start(self, reference: str) -> None:
        container = self.get(reference)
        if container.state.running:
            raise NotModified(f"Container {container.id} is already running")
        if self.starts_take:
            await asyncio.sleep(self.starts_take)
        program = self.programs[container.id]
        container = self._become(container, "running", started=self._engine.tick(), pid=4711)
        self._tell(container, "start")
        program.run(lambda code: self._ended(container.id, code))

    def _ended(self, container_id: str, code: int) -> None:
        container = self._become(
            self.records[container_id], "exited", exit_code=code, finished=self._engine.tick(), pid=0
        )
        program = self.programs[container_id]
        program.finish()
        self._tell(container, "die", exitCode=str(code))
        self._wake(container_id, {"not-running", "next-exit"}, WaitResult(code))
        if container.host_config.auto_remove:
            self._forget(container)

    def _wake(self, container_id: str, occasions: set[str], result: WaitResult) -> None:
        for entry in list(self.waits):
            if entry[0] == container_id and entry[1] in occasions:
                self.waits.remove(entry)
                if not entry[2].done():
                    entry[2].set_result(result)

    async def stop(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        container = self.get(reference)
        if not container.state.running:
            raise NotModified(f"Container {container.id} is not running")
        await self.kill(reference)

    async def restart(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        await self.kill(reference)
        await self.start(reference)

    async def kill(self, reference: str, signal: str = "KILL") -> None:
        container = self.get(reference)
        if not container.state.running:
            raise Conflict(f"Cannot kill container: {reference}: Container {container.id} is not running")
        ending = self.wait(reference, "next-exit")
        self.programs[container.id].stop()
        await ending

    async def pause(self, reference: str) -> None:
        self._become(self.get(reference), "paused")

    async def unpause(self, reference: str) -> None:
        container = self.get(reference)
        if container.state.status != "paused":
            raise Failed(f"Container {container.id} is not paused")
        self._become(container, "running")

    async def rename(self, reference: str, name: str) -> None:
        container = self.get(reference)
        self.records[container.id] = replace(container, name=name)

    async def update(self, reference: str, request: UpdateContainer) -> tuple[str, ...]:
        container = self.get(reference)
        host_config = replace(container.host_config, **request.values)  # type: ignore[arg-type]
        if request.restart_policy:
            host_config = replace(host_config, restart_policy=request.restart_policy)
        self.records[container.id] = replace(container, host_config=host_config)
        return ()

    def wait(self, reference: str, condition: str) -> Awaitable[WaitResult]:
        container = self.get(reference)
        future: asyncio.Future[WaitResult] = asyncio.get_running_loop().create_future()
        if condition == "not-running" and not container.state.running:
            future.set_result(WaitResult(container.state.exit_code))
        else:
            self.waits.append((container.id, condition, future))
        return future

    async def remove(
        self, reference: str, force: bool = False, volumes: bool = False, link: bool = False
    ) -> None:
        container = self.get(reference)
        if container.state.running and not force:
            raise Conflict(
                f"You cannot remove a running container {container.id}. Stop the container before "
                "attempting removal or force remove"
            )
        if container.state.running:
            await self.kill(reference)
        if container.id in self.records:
            self._forget(container)

    def _forget(self, container: Container) -> None:
        gone = self.records.pop(container.id)
        self._tell(gone, "destroy")
        self._wake(container.id, {"removed"}, WaitResult(gone.state.exit_code))

    async def logs(self, reference: str, query: LogQuery) -> AsyncIterator[LogLine]:
        return self._logs(self.programs[self.get(reference).id], query)

    async def _logs(self, program: Program, query: LogQuery) -> AsyncIterator[LogLine]:
        wanted = {1: query.stdout, 2: query.stderr}
        queue: asyncio.Queue[LogLine | None] = asyncio.Queue()
        lines = [line for line in program.lines if wanted[line.stream]]
        for line in lines[len(lines) - query.tail :] if 0 <= query.tail < len(lines) else lines:
            yield line
        if not query.follow or (program.ended is not None and program.ended.done()):
            return
        program.followers.append(queue)
        try:
            while (following := await queue.get()) is not None:
                if wanted[following.stream]:
                    yield following
        finally:
            program.followers.remove(queue)

    async def attach(self, reference: str) -> Console:
        container = self.get(reference)
        if container.state.status == "paused":
            raise Conflict(f"Container {container.id} is paused, unpause the container before attach.")
        return self.programs[container.id].console()

    async def resize(self, reference: str, height: int, width: int) -> None:
        self.programs[self.get(reference).id].size = (height, width)

    async def top(self, reference: str, arguments: str) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        container = self.get(reference)
        if not container.state.running:
            raise Conflict(f"Container {container.id} is not running")
        return ["PID", "CMD"], [["4711", container.path]]

    async def usage(self, reference: str) -> Usage:
        moment = self._engine.tick()
        return Usage(cpu_total=moment, system_cpu=moment * 2, memory=1 << 20, pids=1)

    async def changes(self, reference: str) -> Sequence[tuple[str, int]]:
        self.get(reference)
        return [("/etc", 0), ("/etc/new", 1)]

    async def stat_path(self, reference: str, path: str) -> PathStat:
        content = self.files.get((self.get(reference).id, path))
        if content is None:
            raise NotFound(f"Could not find the file {path} in container {reference}")
        return PathStat(path.rpartition("/")[2], len(content), 0o644, FIRST_MOMENT)

    async def get_archive(self, reference: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        stat = await self.stat_path(reference, path)
        return stat, _pieces(self.files[self.get(reference).id, path])

    async def put_archive(
        self,
        reference: str,
        path: str,
        archive: AsyncIterator[bytes],
        no_overwrite_dir_non_dir: bool,
        copy_owner: bool,
    ) -> None:
        container = self.get(reference)
        content = b"".join([piece async for piece in archive])
        self.files[container.id, path] = content

    async def export(self, reference: str) -> AsyncIterator[bytes]:
        self.get(reference)
        return _pieces(b"exported")

    async def commit(self, reference: str, request: CommitContainer) -> Image:
        container = self.get(reference)
        image = self._engine.images.add(request.reference)
        self._tell(container, "commit")
        return image

    async def prune(self, chosen: Callable[[ContainerView], bool]) -> Removed:
        gone = [each for each in await self.list() if not each.container.state.running and chosen(each)]
        for view in gone:
            self._forget(view.container)
        return Removed(tuple(view.container.id for view in gone), 7)


async def _pieces(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 4096):
        yield content[start : start + 4096]


@dataclass(slots=True)
class _Exec:
    container: str
    request: ExecRequest
    program: Program
    code: int | None = None
    started: bool = False


class Execs:
    def __init__(self, engine: "FakeEngine"):
        self._engine = engine
        self.execs: dict[str, _Exec] = {}

    async def create(self, container: str, request: ExecRequest) -> str:
        found = self._engine.containers.get(container)
        if not found.state.running:
            raise Conflict(f"Container {found.id} is not running")
        exec_id = identity(self._engine.tick())
        self.execs[exec_id] = _Exec(found.id, request, Program(request.command, self._engine.tick))
        return exec_id

    def _find(self, exec_id: str) -> _Exec:
        if exec_id not in self.execs:
            raise NotFound(f"No such exec instance: {exec_id}")
        return self.execs[exec_id]

    async def start(
        self, exec_id: str, detach: bool, tty: bool, console_size: tuple[int, int] = (0, 0)
    ) -> Console | None:
        entry = self._find(exec_id)
        if entry.started:
            raise Conflict(f"Error: Exec command {exec_id} has already run")
        entry.started = True
        if entry.request.command[0] == "nosuch":
            entry.code = 126
            raise InvalidParameter('OCI runtime exec failed: exec: "nosuch": executable file not found')
        console = None if detach else entry.program.console()

        def done(code: int) -> None:
            entry.code = code
            entry.program.finish()

        entry.program.run(done)
        return console

    async def inspect(self, exec_id: str) -> ExecView:
        entry = self._find(exec_id)
        request = entry.request
        return ExecView(
            id=exec_id,
            container_id=entry.container,
            command=request.command,
            user=request.user,
            tty=request.tty,
            open_stdin=request.attach_stdin,
            open_stdout=request.attach_stdout,
            open_stderr=request.attach_stderr,
            running=entry.started and entry.code is None,
            exit_code=entry.code,
            detach_keys=request.detach_keys,
        )

    async def resize(self, exec_id: str, height: int, width: int) -> None:
        self._find(exec_id).program.size = (height, width)


class Networks:
    def __init__(self, engine: "FakeEngine"):
        self._engine = engine
        self.networks: dict[str, Network] = {}
        for name, driver in (("bridge", "bridge"), ("host", "host"), ("none", "null")):
            self._add(name, driver, (Pool(IPv4Network("172.17.0.0/16")),) if driver == "bridge" else ())

    def _add(
        self, name: str, driver: str, pools: tuple[Pool, ...], labels: Mapping[str, str] = {}
    ) -> Network:  # noqa: B006
        number = self._engine.tick()
        network = Network(identity(number), name, driver, number, number, pools=pools, labels=labels or {})
        self.networks[network.id] = network
        return network

    def list(self) -> Sequence[NetworkView]:
        return [NetworkView(network) for network in self.networks.values()]

    def inspect(self, reference: str) -> NetworkView:
        for network in self.networks.values():
            if reference in (network.id, network.name):
                return NetworkView(network)
        raise NotFound(f"network {reference} not found")

    async def create(self, request: CreateNetwork) -> tuple[str, str]:
        if any(network.name == request.name for network in self.networks.values()):
            raise Conflict(f"network with name {request.name} already exists")
        network = self._add(request.name, request.driver or "bridge", request.pools, request.labels)
        self._engine.events.emit("network", "create", network.id, {"name": network.name, "type": "bridge"})
        return network.id, ""

    async def remove(self, reference: str) -> None:
        network = self.inspect(reference).network
        del self.networks[network.id]
        self._engine.events.emit("network", "destroy", network.id, {"name": network.name, "type": "bridge"})

    async def prune(self, chosen: Callable[[NetworkView], bool]) -> Removed:
        predefined = ("bridge", "host", "none")
        gone = [each for each in self.list() if each.network.name not in predefined and chosen(each)]
        for view in gone:
            await self.remove(view.network.id)
        return Removed(tuple(view.network.name for view in gone))


class Connections:
    def __init__(self, engine: "FakeEngine"):
        self._engine = engine

    async def connect(self, reference: str, container: str, attachment: Attachment) -> None:
        containers = self._engine.containers
        found = containers.get(container)
        name = self._engine.networks.inspect(reference).network.name
        attachments = (*found.attachments, replace(attachment, network=name))
        containers.records[found.id] = replace(found, attachments=attachments)

    async def disconnect(self, reference: str, container: str, force: bool = False) -> None:
        containers = self._engine.containers
        found = containers.get(container)
        name = self._engine.networks.inspect(reference).network.name
        left = tuple(each for each in found.attachments if each.network != name)
        if len(left) == len(found.attachments):
            raise Failed(f"container {found.id} is not connected to network {name}")
        containers.records[found.id] = replace(found, attachments=left)


class ImageStore:
    def __init__(self, engine: "FakeEngine"):
        self._engine = engine
        self.images: dict[str, Image] = {}
        self.pulls: list[tuple[str, Credentials]] = []
        self.pull_waits: asyncio.Event | None = None
        self.load_waits: asyncio.Event | None = None
        self.loading = False
        self.cancelled: list[str] = []
        self.add("busybox:latest", ImageConfig(cmd=("sh",), env=("PATH=/bin",)))

    def add(self, tag: str, config: ImageConfig | None = None) -> Image:
        image = Image(
            id=identity(self._engine.tick()),
            tags=(tag,) if tag else (),
            digests=(),
            created="2021-01-01T00:00:00Z",
            size=1000,
            config=config or ImageConfig(),
            layers=("sha256:" + identity(1),),
            layer_sizes={"base": 1000},
        )
        self.images[image.id] = image
        return image

    async def list(self) -> Sequence[ImageView]:
        used = [container.image_id for container in self._engine.containers.records.values()]
        return [ImageView(image, used.count(image.id)) for image in self.images.values()]

    async def inspect(self, reference: str) -> Image:
        bare = reference.removeprefix("sha256:")
        for image in self.images.values():
            if bare == image.id or {bare, f"{bare}:latest"}.intersection(image.tags):
                return image
        raise NotFound(f"No such image: {reference}")

    async def history(self, reference: str) -> Sequence[HistoryEntry]:
        image = await self.inspect(reference)
        return [HistoryEntry(image.id, 1_609_459_200, "made", 1000, tags=image.tags)]

    async def pull(
        self, reference: str, credentials: Credentials, progress: Progress, platform: Platform = ANY_PLATFORM
    ) -> None:
        self.pulls.append((reference, credentials))
        if reference.startswith("absent"):
            raise NotFound(f"pull access denied for {reference}, repository does not exist")
        await progress({"status": f"Pulling from {reference}", "id": "latest"})
        if self.pull_waits is not None:
            try:
                await self.pull_waits.wait()
            except asyncio.CancelledError:
                self.cancelled.append(reference)
                raise
        if reference.startswith("broken"):
            raise Failed("the registry broke off")
        self.add(reference if ":" in reference else f"{reference}:latest")
        await progress({"status": "Status: Downloaded newer image"})

    async def push(self, reference: str, credentials: Credentials, progress: Progress) -> None:
        self.pulls.append((reference, credentials))
        await self.inspect(reference)
        await progress({"status": f"The push refers to repository [{reference}]"})

    async def look_up(self, reference: str, credentials: Credentials) -> Distribution:
        await self.inspect(reference)
        return Distribution("kind", "sha256:" + 64 * "a", 527, (Platform("arm", "linux", "v7"),))

    async def authenticate(self, credentials: Credentials) -> None:
        if credentials.password != "secret":
            raise Unauthorized("unauthorized: incorrect username or password")

    async def load(self, archive: AsyncIterator[bytes], progress: Progress) -> None:
        content = b"".join([piece async for piece in archive])
        self.loading = True
        if self.load_waits is not None:
            await self.load_waits.wait()
        await progress({"status": "Loading layer", "id": "abc"})
        if not content.startswith(b"image "):
            raise InvalidParameter("invalid tar header")
        tag = content.split()[1].decode()
        self.add(tag)
        await progress({"stream": f"Loaded image: {tag}\n"})

    async def save(self, references: Sequence[str]) -> AsyncIterator[bytes]:
        for reference in references:
            await self.inspect(reference)
        return _pieces(b"image " + " ".join(references).encode())

    async def import_(
        self, archive: AsyncIterator[bytes], reference: str, message: str, changes: Sequence[str]
    ) -> Image:
        async for _ in archive:
            pass
        return self.add(reference)

    async def tag(self, reference: str, name: str) -> None:
        image = await self.inspect(reference)
        self.images[image.id] = replace(image, tags=(*image.tags, name))

    async def remove(
        self, reference: str, force: bool = False, prune: bool = True
    ) -> Sequence[tuple[str, str]]:
        image = await self.inspect(reference)
        del self.images[image.id]
        return [*(("Untagged", tag) for tag in image.tags), ("Deleted", f"sha256:{image.id}")]

    async def prune(self, chosen: Callable[[ImageView], bool]) -> tuple[Sequence[tuple[str, str]], int]:
        gone = [view.image for view in await self.list() if not view.containers and chosen(view)]
        for image in gone:
            del self.images[image.id]
        return [("Deleted", f"sha256:{image.id}") for image in gone], 1000 * len(gone)


class Volumes:
    def __init__(self, engine: "FakeEngine"):
        self._engine = engine
        self.volumes: dict[str, Volume] = {}

    def list(self) -> Sequence[Volume]:
        return sorted(self.volumes.values(), key=lambda volume: volume.name)

    def inspect(self, name: str) -> Volume:
        if name not in self.volumes:
            raise NotFound(f"get {name}: no such volume")
        return self.volumes[name]

    def users(self, name: str) -> Sequence[str]:
        return [
            container.id
            for container in self._engine.containers.records.values()
            if any(bind.startswith(f"{name}:") for bind in container.host_config.binds or ())
        ]

    async def create(self, request: CreateVolume) -> Volume:
        number = self._engine.tick()
        name = request.name or identity(number)
        volume = Volume(
            name,
            number,
            f"/volumes/{name}/_data",
            labels=request.labels,
            options=request.options,
            anonymous=not request.name,
        )
        return self.volumes.setdefault(name, volume)

    async def remove(self, name: str, force: bool = False) -> None:
        if force and name not in self.volumes:
            return
        self.inspect(name)
        if self.users(name):
            raise Conflict(f"remove {name}: volume is in use - {self.users(name)}")
        del self.volumes[name]

    async def prune(self, chosen: Callable[[Volume], bool]) -> Removed:
        gone = [each.name for each in self.list() if not self.users(each.name) and chosen(each)]
        for name in gone:
            del self.volumes[name]
        return Removed(tuple(gone))

    async def usage(self) -> Mapping[str, tuple[int, int]]:
        return {name: (5, len(self.users(name))) for name in self.volumes}


class EventLog:
    def __init__(self, engine: "FakeEngine"):
        self._engine = engine
        self.kept: list[Event] = []
        self.listeners: list[asyncio.Queue[Event]] = []

    def emit(self, kind: str, action: str, subject: str, attributes: Mapping[str, str]) -> None:
        event = Event(kind, action, subject, attributes, self._engine.tick())
        self.kept.append(event)
        for listener in self.listeners:
            listener.put_nowait(event)

    async def subscribe(self, since: int = 0, until: int = 0) -> AsyncIterator[Event]:
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self.listeners.append(queue)
        try:
            for event in list(self.kept) if since else ():
                if event.time >= since and (not until or event.time <= until):
                    yield event
            while not until:
                yield await queue.get()
        finally:
            self.listeners.remove(queue)


class Builds:
    def __init__(self, engine: "FakeEngine"):
        self._engine = engine
        self.requests: list[BuildRequest] = []
        self.uploads: list[bytes] = []

    async def build(self, request: BuildRequest, upload: AsyncIterator[bytes], progress: Progress) -> str:
        self.requests.append(request)
        self.uploads.append(b"".join([piece async for piece in upload]))
        await progress({"stream": "Step 1/1 : FROM busybox\n"})
        if request.target == "broken":
            raise BuildFailed("The command 'false' returned a non-zero code: 1", 1)
        return self._engine.images.add(request.tags[0] if request.tags else "").id


class FakeEngine:
    def __init__(self) -> None:
        self._numbers = itertools.count(FIRST_MOMENT, 1_000_000_000)
        self.events = EventLog(self)
        self.containers = Containers(self)
        self.images = ImageStore(self)
        self.builds = Builds(self)
        self.networks = Networks(self)
        self.connections = Connections(self)
        self.execs = Execs(self)
        self.volumes = Volumes(self)
        self.overlay_status: OverlayStatus | None = None
        self.findings: tuple[Finding, ...] = ()

    def tick(self) -> int:
        """A new moment, and a new number."""
        return next(self._numbers)

    async def audit(self) -> tuple[Finding, ...]:
        return self.findings

    async def overlay(self, verify: bool) -> OverlayStatus | None:
        return self.overlay_status

    async def facts(self) -> HostFacts:
        return HostFacts(
            engine_id="fake",
            name="host",
            kernel="6.1",
            operating_system="Debian",
            cpus=2,
            memory=1 << 30,
            containers=len(self.containers.records),
            images=len(self.images.images),
        )
