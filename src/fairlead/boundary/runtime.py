"""Containers as processes."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fairlead.model.commands import ExecRequest, LogQuery
from fairlead.model.container import Container, MountPoint
from fairlead.model.image import RootFilesystem
from fairlead.model.views import LogLine, Usage


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

    async def kill(self) -> None:
        """End it by SIGKILL.  Fine when it has gone."""
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
