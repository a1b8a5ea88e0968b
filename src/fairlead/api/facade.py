"""The engine as this layer sees it: one Protocol for each subject; the engine and the tests' fake fit both.

Every call raises `FairleadError`s only, in Docker's words where clients match on them.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from fairlead.boundary import Progress, Stream
from fairlead.model.audit import Finding
from fairlead.model.build import BuildRequest
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
from fairlead.model.endpoint import Attachment
from fairlead.model.image import ANY_PLATFORM, Credentials, Distribution, HistoryEntry, Image, Platform
from fairlead.model.overlay import OverlayStatus
from fairlead.model.views import (
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

# What a removal did: ("Untagged" | "Deleted", name or id).
Deleted = tuple[str, str]


class Containers(Protocol):
    """References are full ids, unambiguous prefixes or names, with or without a slash."""

    async def create(self, request: CreateContainer) -> tuple[str, tuple[str, ...]]:
        """Make one: its id, and warnings."""
        ...

    def get(self, reference: str) -> Container:
        """The record."""
        ...

    async def inspect(self, reference: str, size: bool = False) -> ContainerView:
        """Everything about one."""
        ...

    async def list(self, size: bool = False) -> Sequence[ContainerView]:
        """All, newest first."""
        ...

    async def start(self, reference: str) -> None:
        """Let it run; NotModified if it does."""
        ...

    async def stop(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        """Ask it to end, then make it; NotModified if it has."""
        ...

    async def restart(self, reference: str, timeout: int | None = None, signal: str = "") -> None:
        """Stop and start."""
        ...

    async def kill(self, reference: str, signal: str = "KILL") -> None:
        """Send a signal."""
        ...

    async def pause(self, reference: str) -> None:
        """Freeze."""
        ...

    async def unpause(self, reference: str) -> None:
        """Thaw."""
        ...

    async def rename(self, reference: str, name: str) -> None:
        """Give another name."""
        ...

    async def update(self, reference: str, request: UpdateContainer) -> tuple[str, ...]:
        """Change limits; warnings."""
        ...

    def wait(self, reference: str, condition: str) -> Awaitable[WaitResult]:
        """How it ends; the wait begins with the call."""
        ...

    async def remove(
        self, reference: str, force: bool = False, volumes: bool = False, link: bool = False
    ) -> None:
        """Take it away."""
        ...

    async def logs(self, reference: str, query: LogQuery) -> AsyncIterator[LogLine]:
        """What it wrote."""
        ...

    async def attach(self, reference: str) -> Stream:
        """Its console."""
        ...

    async def resize(self, reference: str, height: int, width: int) -> None:
        """Set its terminal's size."""
        ...

    async def top(self, reference: str, arguments: str) -> tuple[Sequence[str], Sequence[Sequence[str]]]:
        """Titles and rows of `ps`."""
        ...

    async def usage(self, reference: str) -> Usage:
        """What it uses now."""
        ...

    async def changes(self, reference: str) -> Sequence[tuple[str, int]]:
        """Paths changed against its image."""
        ...

    async def stat_path(self, reference: str, path: str) -> PathStat:
        """What is at a path inside."""
        ...

    async def get_archive(self, reference: str, path: str) -> tuple[PathStat, AsyncIterator[bytes]]:
        """A tar of a path inside."""
        ...

    async def put_archive(
        self,
        reference: str,
        path: str,
        archive: AsyncIterator[bytes],
        no_overwrite_dir_non_dir: bool,
        copy_owner: bool,
    ) -> None:
        """Unpack a tar at a path inside."""
        ...

    async def export(self, reference: str) -> AsyncIterator[bytes]:
        """A tar of its root."""
        ...

    async def commit(self, reference: str, request: CommitContainer) -> Image:
        """An image made of it."""
        ...

    async def prune(self, chosen: Callable[[ContainerView], bool]) -> Removed:
        """Remove the chosen ones among those that do not run."""
        ...


class Execs(Protocol):
    """Processes that users run in running containers."""

    async def create(self, container: str, request: ExecRequest) -> str:
        """Note one: its id."""
        ...

    async def start(
        self, exec_id: str, detach: bool, tty: bool, console_size: tuple[int, int] = (0, 0)
    ) -> Stream | None:
        """Run it: its console, None when detached."""
        ...

    async def inspect(self, exec_id: str) -> ExecView:
        """Everything about one."""
        ...

    async def resize(self, exec_id: str, height: int, width: int) -> None:
        """Set its terminal's size."""
        ...


class Networks(Protocol):
    """References are full ids, names or unambiguous prefixes."""

    def list(self) -> Sequence[NetworkView]:
        """All."""
        ...

    def inspect(self, reference: str) -> NetworkView:
        """Everything about one."""
        ...

    async def create(self, request: CreateNetwork) -> tuple[str, str]:
        """Make one: its id, and a warning or ""."""
        ...

    async def remove(self, reference: str) -> None:
        """Take it away."""
        ...

    async def prune(self, chosen: Callable[[NetworkView], bool]) -> Removed:
        """Remove the chosen ones among those that nobody uses."""
        ...


class Connections(Protocol):
    """Containers joining and leaving networks."""

    async def connect(self, reference: str, container: str, attachment: Attachment) -> None:
        """Attach the container to the network."""
        ...

    async def disconnect(self, reference: str, container: str, force: bool = False) -> None:
        """Detach the container from the network."""
        ...


class ImageStore(Protocol):
    """References are names, name@digest, ids or unambiguous prefixes of ids."""

    async def list(self) -> Sequence[ImageView]:
        """All."""
        ...

    async def inspect(self, reference: str) -> Image:
        """One image."""
        ...

    async def history(self, reference: str) -> Sequence[HistoryEntry]:
        """Its layers, newest first."""
        ...

    async def pull(
        self, reference: str, credentials: Credentials, progress: Progress, platform: Platform = ANY_PLATFORM
    ) -> None:
        """Fetch from a registry."""
        ...

    async def push(self, reference: str, credentials: Credentials, progress: Progress) -> None:
        """Send to a registry."""
        ...

    async def look_up(self, reference: str, credentials: Credentials) -> Distribution:
        """What a registry has under a reference; NotFound if nothing."""
        ...

    async def authenticate(self, credentials: Credentials) -> None:
        """Ask the registry whether it takes them; Unauthorized if not."""
        ...

    async def load(self, archive: AsyncIterator[bytes], progress: Progress) -> None:
        """Take images out of an archive."""
        ...

    async def save(self, references: Sequence[str]) -> AsyncIterator[bytes]:
        """An archive of images."""
        ...

    async def import_(
        self, archive: AsyncIterator[bytes], reference: str, message: str, changes: Sequence[str]
    ) -> Image:
        """An image of one layer, the archive."""
        ...

    async def tag(self, reference: str, name: str) -> None:
        """Give another name."""
        ...

    async def remove(self, reference: str, force: bool = False, prune: bool = True) -> Sequence[Deleted]:
        """Untag, and delete with the last tag."""
        ...

    async def prune(self, chosen: Callable[[ImageView], bool]) -> tuple[Sequence[Deleted], int]:
        """Remove the chosen ones among those that no container uses; what went, and bytes set free."""
        ...


class Builds(Protocol):
    """Images made from Dockerfiles."""

    async def build(self, request: BuildRequest, upload: AsyncIterator[bytes], progress: Progress) -> str:
        """Build one: its id.  Progress gets the messages of its steps."""
        ...


class Volumes(Protocol):
    """Volumes of the local driver."""

    def list(self) -> Sequence[Volume]:
        """All by name."""
        ...

    def inspect(self, name: str) -> Volume:
        """One volume."""
        ...

    def users(self, name: str) -> Sequence[str]:
        """The ids of the containers that mount it."""
        ...

    async def create(self, request: CreateVolume) -> Volume:
        """The volume of that name, made if need be."""
        ...

    async def remove(self, name: str, force: bool = False) -> None:
        """Take it away."""
        ...

    async def prune(self, chosen: Callable[[Volume], bool]) -> Removed:
        """Remove the chosen ones among those that nobody uses."""
        ...

    async def usage(self) -> Mapping[str, tuple[int, int]]:
        """Bytes and number of users by name."""
        ...


class EventLog(Protocol):
    """What happened."""

    def subscribe(self, since: int = 0, until: int = 0) -> AsyncIterator[Event]:
        """Events as they happen, kept ones from `since` first, until `until` (nanoseconds, 0 for open)."""
        ...


class Engine(Protocol):
    """All of it, by subject."""

    @property
    def containers(self) -> Containers:
        """Containers."""
        ...

    @property
    def execs(self) -> Execs:
        """Execs."""
        ...

    @property
    def networks(self) -> Networks:
        """Networks."""
        ...

    @property
    def connections(self) -> Connections:
        """Who is on which network."""
        ...

    @property
    def images(self) -> ImageStore:
        """Images."""
        ...

    @property
    def builds(self) -> Builds:
        """Builds."""
        ...

    @property
    def volumes(self) -> Volumes:
        """Volumes."""
        ...

    @property
    def events(self) -> EventLog:
        """Events."""
        ...

    async def overlay(self, verify: bool) -> OverlayStatus | None:
        """How the networks over several hosts stand; None outside of a cluster."""
        ...

    async def audit(self) -> tuple[Finding, ...]:
        """What is on the host and nothing explains, what is missing, and what is otherwise."""
        ...

    async def facts(self) -> HostFacts:
        """What the host is, and how much of everything there is."""
        ...
