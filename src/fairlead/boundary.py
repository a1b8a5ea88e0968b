"""The world as the engine may see it: Protocols that adapters implement and fakes imitate."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.model.addresses import Address, Subnet
from fairlead.model.commands import ExecRequest as ExecRequest
from fairlead.model.commands import LogQuery as LogQuery
from fairlead.model.container import Container, MountPoint, PathStat
from fairlead.model.host import Key, State, Step
from fairlead.model.image import Credentials, HistoryEntry, Image, ImageConfig, RootFilesystem
from fairlead.model.records import RecordChange, Records
from fairlead.model.views import HostFacts
from fairlead.model.views import LogLine as LogLine
from fairlead.model.views import Usage as Usage


class Actuator(Protocol):
    """A part of the host that can be looked at and changed, entry by entry.

    The kernel's links, the firewall, the port holder and the resolver are four of these.
    """

    handles: tuple[type[Key], ...]

    async def observe(self, keys: Collection[Key]) -> State:
        """What is really there under exactly these keys: every key is in the answer, absent ones as None."""
        ...

    async def perform(self, steps: Sequence[Step]) -> None:
        """Carry out the steps in their order, as one conversation or transaction where possible.

        Raises StepFailed (or its kin PortTaken) with the number of steps already done; those
        are undone by the caller.  A step whose `after` already holds is done, not an error.
        """
        ...


class RecordStore(Protocol):
    """Records on disk."""

    async def load(self) -> Records:
        """Everything stored.  A damaged store is set aside by the adapter, never an exception."""
        ...

    async def commit(self, changes: Sequence[RecordChange]) -> None:
        """Write all the changes or none, durable when this returns."""
        ...


class Clock(Protocol):
    """Time and chance."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        ...

    def chance(self, count: int) -> bytes:
        """That many random bytes."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class Machine(Protocol):
    """What the engine reads of its host, and the files that it keeps for containers."""

    async def routes(self) -> Sequence[Subnet]:
        """Every destination that the host has a route to, default routes left out."""
        ...

    async def addresses(self) -> Sequence[Address]:
        """The host's own addresses."""
        ...

    async def forwarding(self) -> bool:
        """Whether IPv4 forwarding is on."""
        ...

    async def resolv_conf(self) -> str:
        """The text of the host's /etc/resolv.conf, "" if there is none."""
        ...

    async def hosts_file(self) -> str:
        """The text of the host's /etc/hosts, "" if there is none."""
        ...

    async def uplink_mtu(self) -> int:
        """The MTU of the link that the default route uses, 1500 if there is none."""
        ...

    async def facts(self) -> HostFacts:
        """Name, kernel, processors, memory and so on."""
        ...

    async def write_files(self, container_id: str, files: Mapping[str, str]) -> None:
        """Write files into the container's directory, in place, so that bind mounts show the change."""
        ...

    async def remove_files(self, container_id: str) -> None:
        """Delete the container's directory."""
        ...

    def directory(self, container_id: str) -> str:
        """The container's directory."""
        ...

    async def make_volume(self, name: str) -> str:
        """Make the directory of a volume and tell its path; fine when it exists."""
        ...

    async def fill_volume(self, path: str, root: str, destination: str) -> None:
        """Copy what an image has at `destination` into an empty volume, with owner and mode."""
        ...

    async def remove_volume(self, name: str) -> None:
        """Delete the directory of a volume; fine when there is none."""
        ...

    async def ensure_directory(self, path: str) -> bool:
        """Make a directory with its parents; False if something else is there already."""
        ...

    async def exists(self, path: str) -> bool:
        """Whether there is something at a path of the host."""
        ...

    async def usage(self, path: str) -> int:
        """Bytes that a directory tree takes."""
        ...


FaultPoint = Callable[[str], None]
"""Called with a name between any two steps of an operation; tests arm one to kill the process there."""


@dataclass(frozen=True, slots=True)
class ContainerFiles:
    """Texts of the files that a container gets from the engine, by path inside it."""

    hostname: str
    hosts: str
    resolv_conf: str


@dataclass(frozen=True, slots=True)
class Launch:
    """All that the runtime needs to make a container's process.

    `namespace` is the path of its pinned network namespace, "" for the host's own.
    `joined` maps namespace kinds (pid, ipc, uts) to paths of another process's.
    `directory` is the container's own, with `hostname`, `hosts`, `resolv.conf` inside where
    `bind_files` names them by destination.
    """

    container: Container
    root: RootFilesystem
    namespace: str
    mounts: tuple[MountPoint, ...]
    directory: str
    bind_files: Mapping[str, str] = field(default_factory=dict)
    joined: Mapping[str, str] = field(default_factory=dict)
    environment: tuple[str, ...] = ()
    init_path: str = ""
    default_ulimits: tuple[tuple[str, int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Exit:
    """A container's first process has ended; `finished` in nanoseconds since the epoch."""

    container_id: str
    code: int
    finished: int
    oom_killed: bool = False


class Stream(Protocol):
    """Both directions of a container's or an exec's console."""

    async def read(self) -> tuple[int, bytes] | None:
        """The next output: (1 stdout or 2 stderr, bytes); None at its end.  With a terminal all is 1."""
        ...

    async def write(self, content: bytes) -> None:
        """Send input; quietly nothing when the process has gone."""
        ...

    async def close_input(self) -> None:
        """End of input (half-close)."""
        ...

    async def close(self) -> None:
        """Let go; the process lives on."""
        ...


class ExecProcess(Protocol):
    """A started exec."""

    stream: Stream | None

    async def pid(self) -> int:
        """Its process id on the host, 0 when gone."""
        ...

    async def wait(self) -> int:
        """Its exit code."""
        ...

    async def resize(self, height: int, width: int) -> None:
        """Set the size of its terminal."""
        ...


class Runtime(Protocol):
    """Containers as processes."""

    async def create(self, launch: Launch) -> int:
        """Make the container's process, waiting to be started; its pid.

        Raises Failed with Docker's wording (`OCI runtime create failed: ...`); nothing is left then.
        """
        ...

    async def start(self, container_id: str) -> None:
        """Let the created process run."""
        ...

    async def kill(self, container_id: str, signal: int) -> None:
        """Send a signal to the first process; NotFound when it has gone."""
        ...

    async def pause(self, container_id: str) -> None:
        """Freeze all its processes."""
        ...

    async def unpause(self, container_id: str) -> None:
        """Thaw them."""
        ...

    async def update(self, container: Container) -> None:
        """Apply changed resource limits to the running container."""
        ...

    async def delete(self, container_id: str) -> None:
        """Take away what is left of it: processes, control groups, bundle.  Fine when there is nothing."""
        ...

    async def alive(self) -> Mapping[str, int]:
        """The first process of every container of ours that lives, by container id."""
        ...

    async def last_exit(self, container_id: str) -> Exit | None:
        """How the container ended, as far as its remains tell; None when they tell nothing."""
        ...

    def exits(self) -> AsyncIterator[Exit]:
        """Every exit, once, also of containers that ended while no daemon watched (as soon as iterated)."""
        ...

    async def attach(self, container_id: str) -> Stream:
        """Its console, from now on."""
        ...

    async def resize(self, container_id: str, height: int, width: int) -> None:
        """Set the size of its terminal."""
        ...

    async def exec(self, container: Container, exec_id: str, request: ExecRequest) -> ExecProcess:
        """Start a process inside; Failed with Docker's wording and remedy when it cannot be started."""
        ...

    def logs(self, container: Container, query: LogQuery) -> AsyncIterator[LogLine]:
        """Its output as kept."""
        ...

    async def top(self, container_id: str, arguments: str) -> tuple[list[str], list[list[str]]]:
        """Titles and rows of `ps ARGUMENTS`, its processes only."""
        ...

    async def usage(self, container_id: str) -> Usage:
        """What it uses now."""
        ...

    async def remove_logs(self, container_id: str) -> None:
        """Delete what it has written."""
        ...

    def log_path(self, container_id: str) -> str:
        """Where its log is kept."""
        ...


Progress = Callable[[Mapping[str, object]], Awaitable[None]]


class Images(Protocol):
    """Images and the root filesystems made from them."""

    async def list(self) -> Sequence[Image]:
        """Every image."""
        ...

    async def resolve(self, reference: str) -> Image:
        """The image by name, name@digest, id or unambiguous id prefix; NotFound as `No such image: X`."""
        ...

    async def history(self, image: Image) -> Sequence[HistoryEntry]:
        """Its layers, newest first."""
        ...

    async def pull(self, reference: str, credentials: Credentials, progress: Progress) -> Image:
        """Fetch from a registry; progress gets Docker's JSON messages as mappings."""
        ...

    async def push(self, reference: str, credentials: Credentials, progress: Progress) -> None:
        """Send to a registry."""
        ...

    async def load(self, archive: AsyncIterator[bytes], progress: Progress) -> None:
        """Take in a `docker save` archive (plain or compressed)."""
        ...

    def save(self, references: Sequence[str]) -> AsyncIterator[bytes]:
        """A `docker save` archive of these images."""
        ...

    async def import_(
        self, archive: AsyncIterator[bytes], reference: str, message: str, config: ImageConfig
    ) -> Image:
        """A new image of one layer from a root filesystem tar."""
        ...

    async def tag(self, image: Image, reference: str) -> None:
        """Give it one more name."""
        ...

    async def untag(self, reference: str) -> None:
        """Take one name away."""
        ...

    async def remove(self, image: Image) -> Sequence[str]:
        """Delete it with the layers nobody else needs; what was deleted, "sha256:..." each."""
        ...

    async def commit(
        self,
        root: RootFilesystem,
        parent: Image,
        reference: str,
        config: ImageConfig,
        author: str,
        comment: str,
    ) -> Image:
        """A new image from a container's changes."""
        ...

    async def prepare(self, container_id: str, image: Image) -> RootFilesystem:
        """The container's root, mounted; the same again when it is already there."""
        ...

    async def root(self, container_id: str) -> RootFilesystem:
        """The root of a container made before (mounted if it is not); NotFound if there is none."""
        ...

    async def release(self, container_id: str) -> None:
        """Unmount the container's root; its changes stay."""
        ...

    async def discard(self, container_id: str) -> None:
        """Unmount and delete the container's root and changes.  Fine when there is nothing."""
        ...

    async def changes(self, root: RootFilesystem) -> Sequence[tuple[str, int]]:
        """Paths changed against the image: (path, 0 modified, 1 added, 2 deleted)."""
        ...

    async def size(self, root: RootFilesystem) -> int:
        """Bytes in the container's own layer."""
        ...


class Archives(Protocol):
    """Paths inside a root filesystem, as tar streams; links never lead out of the root."""

    async def stat(self, root: str, path: str) -> PathStat:
        """What is at the path; NotFound if nothing."""
        ...

    async def get(self, root: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """A tar of the path, named as its last component."""
        ...

    async def put(
        self,
        root: str,
        path: str,
        archive: AsyncIterator[bytes],
        no_overwrite_dir_non_dir: bool,
        copy_owner: bool,
    ) -> None:
        """Unpack a tar (plain or compressed) into a directory inside the root."""
        ...

    async def export(self, root: str) -> AsyncIterator[bytes]:
        """A tar of the whole root."""
        ...
