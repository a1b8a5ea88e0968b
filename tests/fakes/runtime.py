"""A runtime in memory: containers are small scripts of output, input and signals.

What a command does is told beforehand in `programs`; a command that is not there is not found,
as on a host.  Remains of containers are in a `Remains`, which a second runtime may take over.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field

from fairlead.boundary import ExecRequest, Exit, Launch, LogLine, LogQuery, Usage
from fairlead.model.container import Container
from fairlead.model.errors import Conflict, NotFound, StartFailed, Unsupported

KILL = 9
_MISSING = 'unable to start container process: exec: "{name}": executable file not found in $PATH: unknown'


@dataclass(frozen=True, slots=True)
class Program:
    """What a command does: writes `output`, copies its input with `echoes`, then ends with `code`.

    With `code` None it goes on until a signal ends it; signals in `handled` end it with that code.
    """

    output: tuple[tuple[int, bytes], ...] = ()
    code: int | None = 0
    echoes: bool = False
    handled: Mapping[int, int] = field(default_factory=dict)


Programs = Mapping[tuple[str, ...], Program]


class FakeStream:
    """A console (boundary.Stream)."""

    def __init__(self, process: "_Process"):
        self._process = process
        self._pieces: asyncio.Queue[tuple[int, bytes] | None] = asyncio.Queue()
        self._ended = False

    def give(self, piece: tuple[int, bytes] | None) -> None:
        """One more piece of output, or its end."""
        self._pieces.put_nowait(piece)

    async def read(self) -> tuple[int, bytes] | None:
        """The next output, None at its end."""
        if self._ended:
            return None
        piece = await self._pieces.get()
        self._ended = piece is None
        return piece

    async def write(self, content: bytes) -> None:
        """Send input."""
        self._process.take(content)

    async def close_input(self) -> None:
        """End of input."""
        self._process.end_input()

    async def close(self) -> None:
        """Let go."""
        self._process.streams.discard(self)
        self.give(None)


class _Process:
    """A scripted process."""

    def __init__(self, program: Program, pid: int, clock: "itertools.count[int]", *, input: bool):
        self.program, self.pid, self._clock = program, pid, clock
        self.streams: set[FakeStream] = set()
        self.logged: list[LogLine] = []
        self.code: int | None = None
        self.finished = 0
        self.ended = asyncio.Event()
        self._input = input

    def begin(self) -> None:
        for stream, content in self.program.output:
            self.write(stream, content)
        # Without input, it reads an empty one.
        if self.program.code is not None and not (self.program.echoes and self._input):
            self.end(self.program.code)

    def write(self, stream: int, content: bytes) -> None:
        self.logged.append(LogLine(stream, next(self._clock), content))
        for console in self.streams:
            console.give((stream, content))

    def take(self, content: bytes) -> None:
        if self._input and self.program.echoes and self.code is None:
            self.write(1, content)

    def end_input(self) -> None:
        if self._input and self.program.echoes and self.program.code is not None:
            self.end(self.program.code)

    def end(self, code: int) -> None:
        if self.code is None:
            self.code, self.finished = code, next(self._clock)
            for console in self.streams:
                console.give(None)
            self.ended.set()

    def signal(self, number: int) -> None:
        if number == KILL or number in self.program.handled:
            self.end(self.program.handled.get(number, 128 + number))


class FakeExec:
    """A started exec (boundary.ExecProcess)."""

    def __init__(self, process: _Process, stream: FakeStream | None):
        self.stream = stream
        self.size = (0, 0)
        self._process = process

    async def pid(self) -> int:
        """Its process id, 0 when gone."""
        return self._process.pid if self._process.code is None else 0

    async def wait(self) -> int:
        """Its exit code."""
        await self._process.ended.wait()
        return self._process.code or 0

    async def resize(self, height: int, width: int) -> None:
        """Set the size of its terminal."""
        self.size = (height, width)

    async def kill(self) -> None:
        """End it by SIGKILL."""
        if self._process.code is None:
            self._process.end(137)


@dataclass(slots=True)
class Remains:
    """What outlives a daemon: processes, logs, and what has been launched."""

    processes: dict[str, _Process] = field(default_factory=dict)
    logs: dict[str, list[LogLine]] = field(default_factory=dict)
    started: set[str] = field(default_factory=set)
    paused: set[str] = field(default_factory=set)


class FakeRuntime:
    """Containers in memory (boundary.Runtime)."""

    def __init__(self, programs: Programs, remains: Remains | None = None):
        self.programs = dict(programs)
        self.remains = remains or Remains()
        self.launches: dict[str, Launch] = {}
        self.limits: dict[str, Container] = {}
        self.sizes: dict[str, tuple[int, int]] = {}
        self._clock = itertools.count(1_000_000_000, 1_000_000)
        self._pids = itertools.count(1000)
        self._ends: asyncio.Queue[Exit] = asyncio.Queue()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        for container_id, process in self.remains.processes.items():
            self._watch(container_id, process)

    def _watch(self, container_id: str, process: _Process) -> None:
        async def tell() -> None:
            await process.ended.wait()
            self._ends.put_nowait(Exit(container_id, process.code or 0, process.finished))

        self._tasks[container_id] = asyncio.get_running_loop().create_task(tell())

    def _living(self, container_id: str) -> _Process:
        process = self.remains.processes.get(container_id)
        if process is None or process.code is not None:
            raise NotFound(f"container {container_id} has no process")
        return process

    async def create(self, launch: Launch) -> int:
        """Make the process; StartFailed when no program has that command."""
        container = launch.container
        program = self.programs.get((container.path, *container.args))
        if program is None:
            message = _MISSING.format(name=container.path)
            raise StartFailed(
                f"failed to create shim task: OCI runtime create failed: runc create failed: {message}", 127
            )
        await self.delete(container.id)
        process = _Process(program, next(self._pids), self._clock, input=container.config.open_stdin)
        process.logged = self.remains.logs.setdefault(container.id, [])
        self.remains.processes[container.id] = process
        self.launches[container.id] = launch
        self._watch(container.id, process)
        return process.pid

    async def start(self, container_id: str) -> None:
        """Let it run."""
        self.remains.started.add(container_id)
        self._living(container_id).begin()

    async def kill(self, container_id: str, signal: int) -> None:
        """Send a signal; what is paused takes it later."""
        process = self._living(container_id)
        if container_id not in self.remains.paused:
            process.signal(signal)

    async def pause(self, container_id: str) -> None:
        """Freeze."""
        self._living(container_id)
        self.remains.paused.add(container_id)

    async def unpause(self, container_id: str) -> None:
        """Thaw."""
        self._living(container_id)
        self.remains.paused.discard(container_id)

    async def update(self, container: Container) -> None:
        """Note the limits."""
        self.limits[container.id] = container

    async def delete(self, container_id: str) -> None:
        """Take away what is left."""
        task = self._tasks.pop(container_id, None)
        if task is not None:
            task.cancel()
        process = self.remains.processes.pop(container_id, None)
        if process is not None:
            process.end(128 + KILL)
        self.remains.started.discard(container_id)
        self.remains.paused.discard(container_id)

    async def alive(self) -> Mapping[str, int]:
        """Every living process by container."""
        living = self.remains.processes.items()
        return {container_id: process.pid for container_id, process in living if process.code is None}

    async def last_exit(self, container_id: str) -> Exit | None:
        """How it ended, while its remains are there."""
        process = self.remains.processes.get(container_id)
        if process is None or process.code is None:
            return None
        return Exit(container_id, process.code, process.finished)

    async def exits(self) -> AsyncIterator[Exit]:
        """Every exit, once."""
        while True:
            yield await self._ends.get()

    async def attach(self, container_id: str) -> FakeStream:
        """Its console."""
        process = self._living(container_id)
        stream = FakeStream(process)
        process.streams.add(stream)
        return stream

    async def resize(self, container_id: str, height: int, width: int) -> None:
        """Note the size."""
        self._living(container_id)
        self.sizes[container_id] = (height, width)

    async def exec(self, container: Container, exec_id: str, request: ExecRequest) -> FakeExec:
        """Start a program inside."""
        living = self.remains.processes.get(container.id)
        if living is None or living.code is not None:
            raise Conflict(f"Container {container.id} is not running")
        program = self.programs.get(request.command)
        if program is None:
            message = _MISSING.format(name=request.command[0])
            raise StartFailed(f"OCI runtime exec failed: exec failed: {message}", 127)
        process = _Process(program, next(self._pids), self._clock, input=request.attach_stdin)
        stream = None
        if request.attach_stdin or request.attach_stdout or request.attach_stderr:
            stream = FakeStream(process)
            process.streams.add(stream)
        process.begin()
        return FakeExec(process, stream)

    async def logs(self, container: Container, query: LogQuery) -> AsyncIterator[LogLine]:
        """Its lines; following, until it ends."""
        if container.host_config.log_config.driver == "none":
            raise Unsupported("configured logging driver does not support reading")
        lines = self.remains.logs.setdefault(container.id, [])
        position = max(0, len(lines) - query.tail) if query.tail >= 0 else 0
        while True:
            process = self.remains.processes.get(container.id)
            over = process is None or process.code is not None
            while position < len(lines):
                line = lines[position]
                position += 1
                if query.until and line.time > query.until:
                    return
                if line.time >= query.since and (query.stdout if line.stream == 1 else query.stderr):
                    yield line
            if not query.follow or over:
                return
            await asyncio.sleep(0.001)

    async def top(self, container_id: str, arguments: str) -> tuple[list[str], list[list[str]]]:
        """Its one process."""
        process = self._living(container_id)
        launch = self.launches[container_id]
        command = " ".join((launch.container.path, *launch.container.args))
        return ["PID", "CMD"], [[str(process.pid), command]]

    async def usage(self, container_id: str) -> Usage:
        """One process, and nothing else to count."""
        self._living(container_id)
        return Usage(pids=1)

    async def remove_logs(self, container_id: str) -> None:
        """Forget what it has written."""
        self.remains.logs.pop(container_id, None)

    def log_path(self, container_id: str) -> str:
        """A path that nothing is at."""
        return f"/nowhere/{container_id}/{container_id}-json.log"
