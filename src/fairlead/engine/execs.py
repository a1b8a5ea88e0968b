"""Processes that users run in running containers."""

import asyncio
import contextlib
from dataclasses import dataclass, replace

from fairlead.boundary import ExecProcess, ExecRequest, Stream
from fairlead.engine import links
from fairlead.engine.context import Context
from fairlead.engine.creation import Creation
from fairlead.engine.references import References
from fairlead.model.container import Container
from fairlead.model.errors import Conflict, FairleadError, InvalidParameter, NotFound
from fairlead.model.views import ExecView

KEPT = 200  # finished execs that can still be inspected
NOT_STARTED = 126  # the exit code of an exec whose process could not be made, as Docker records it


@dataclass(slots=True)
class _Exec:
    container_id: str
    request: ExecRequest
    started: bool = False
    process: ExecProcess | None = None
    exit_code: int | None = None
    pid: int = 0

    @property
    def running(self) -> bool:
        return self.started and self.exit_code is None


class Execs:
    """Execs by id, as long as the daemon lives and their container exists."""

    def __init__(self, context: Context, references: References):
        self._context = context
        self._references = references
        self._execs: dict[str, _Exec] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def create(self, container: str, request: ExecRequest) -> str:
        """Note an exec for a running container: its id.  Errors in Docker's words."""
        found = self._references.find(container)
        self._require_running(found, container)
        if not request.command:
            raise InvalidParameter("No exec command specified")
        self._forget_old()
        identity = self._context.new_id()
        self._execs[identity] = _Exec(found.id, self._completed(found, request))
        self._tell(f"exec_create: {_command_line(request)}", found, identity)
        return identity

    def _completed(self, container: Container, request: ExecRequest) -> ExecRequest:
        """The request with the container's environment, user and directory where it has none of its own.

        What its links tell is told anew: their targets may have moved since the container started.
        """
        inherited = (*links.told(self._context.records, container), *container.config.env)
        return replace(
            request,
            environment=(*inherited, *request.environment),
            user=request.user or container.config.user,
            working_dir=request.working_dir or container.config.working_dir,
        )

    @staticmethod
    def _require_running(container: Container, named: str) -> None:
        """Conflict in Docker's words, which are about a paused container as it was `named`."""
        if container.state.status == "paused":
            raise Conflict(f"Container {named} is paused, unpause the container before exec")
        if container.state.status == "restarting":
            raise Conflict(f"Container {container.id} is restarting, wait until the container is running")
        if container.state.status != "running":
            raise Conflict(f"Container {container.id} is not running")

    async def start(
        self, exec_id: str, detach: bool, tty: bool, console_size: tuple[int, int] = (0, 0)
    ) -> Stream | None:
        """Run it: its console, or None when detached.  Conflict when it has been run already."""
        entry = self._find(exec_id)
        container = self._references.find(entry.container_id)
        self._require_running(container, container.id)
        if entry.started:
            what = "is already running" if entry.running else "has already run"
            raise Conflict(f"Error: Exec command {exec_id} {what}")
        entry.started = True
        request = replace(entry.request, console_size=console_size)
        if detach:
            request = replace(request, attach_stdin=False, attach_stdout=False, attach_stderr=False)
        self._tell(f"exec_start: {_command_line(request)}", container, exec_id)
        try:
            entry.process = await self._context.runtime.exec(container, exec_id, request)
        except FairleadError:
            entry.exit_code = NOT_STARTED
            raise
        entry.pid = await entry.process.pid()
        task = asyncio.get_running_loop().create_task(self._watch(exec_id, entry, container))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return None if detach else entry.process.stream

    async def _watch(self, exec_id: str, entry: _Exec, container: Container) -> None:
        assert entry.process is not None
        with contextlib.suppress(FairleadError):
            entry.exit_code = await entry.process.wait()
        if entry.exit_code is None:
            entry.exit_code = 137
        entry.pid = 0
        self._tell("exec_die", container, exec_id, exitCode=str(entry.exit_code))

    async def inspect(self, exec_id: str) -> ExecView:
        """How it stands.  NotFound in Docker's words."""
        entry = self._find(exec_id)
        request = entry.request
        if entry.running and entry.process is not None:
            # The console ends a moment before the exit code is known, and clients ask in between.
            with contextlib.suppress(TimeoutError, FairleadError):
                if not await entry.process.pid():
                    entry.exit_code = await asyncio.wait_for(entry.process.wait(), 2)
        return ExecView(
            id=exec_id,
            container_id=entry.container_id,
            command=request.command,
            user=request.user,
            tty=request.tty,
            open_stdin=request.attach_stdin,
            open_stdout=request.attach_stdout,
            open_stderr=request.attach_stderr,
            privileged=request.privileged,
            running=entry.running,
            exit_code=entry.exit_code,
            pid=entry.pid,
            detach_keys=request.detach_keys,
        )

    async def resize(self, exec_id: str, height: int, width: int) -> None:
        """Set the size of its terminal."""
        entry = self._find(exec_id)
        if not entry.running or entry.process is None:
            raise Conflict(f"cannot resize exec {exec_id}: it is not running")
        await entry.process.resize(height, width)

    def of(self, container_id: str) -> tuple[str, ...]:
        """The execs of a container that run."""
        return tuple(
            identity
            for identity, entry in self._execs.items()
            if entry.container_id == container_id and entry.running
        )

    def _find(self, exec_id: str) -> _Exec:
        entry = self._execs.get(exec_id)
        if entry is None or entry.container_id not in self._context.records.containers:
            raise NotFound(f"No such exec instance: {exec_id}")
        return entry

    def _forget_old(self) -> None:
        finished = [identity for identity, entry in self._execs.items() if entry.exit_code is not None]
        for identity in finished[:-KEPT]:
            del self._execs[identity]

    def _tell(self, action: str, container: Container, exec_id: str, **extra: str) -> None:
        attributes = {**Creation.attributes(container), "execID": exec_id, **extra}
        self._context.events.emit("container", action, container.id, attributes)


def _command_line(request: ExecRequest) -> str:
    """The command as Docker's events show it: a blank follows the program even without arguments."""
    return f"{request.command[0]} {' '.join(request.command[1:])}"
