"""conmon: one small process per container or exec that keeps its console, its log and its exit code.

It is started so that it outlives the daemon: it forks away from us at once, and all that it
needs of us is said on pipes before the container's process is made.
"""

import asyncio
import contextlib
import json
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from fairlead import process
from fairlead.model.errors import Failed
from fairlead.runtime import processes
from fairlead.runtime.ociruntime import OciRuntime

_DEADLINE = 120.0  # seconds for making a container's process
_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_LONGEST = 1 << 20  # bytes of an answer
_GO = b"\0"
Connect = Callable[[], Awaitable[None]]


class Refused(Exception):
    """The runtime did not make the process; `complaint` is what it said."""

    def __init__(self, complaint: str):
        super().__init__(complaint)
        self.complaint = complaint


@dataclass(frozen=True, slots=True)
class Order:
    """What to start: a container, or with `process_file` an exec in it.

    `directory` gets conmon's sockets, pid files and exit code; `log` is a file, "" to keep none.
    """

    container_id: str
    directory: str
    terminal: bool = False
    input: bool = False
    keep_input_open: bool = False
    log: str = ""
    log_limit: int = 0
    process_file: str = ""
    attach: bool = False

    @property
    def complaints(self) -> str:
        """What conmon itself has to say."""
        return f"{self.directory}/conmon.log"

    @property
    def runtime_log(self) -> str:
        """Where the runtime says why an exec failed; with a terminal conmon does not pass it on."""
        return f"{self.directory}/runtime.log"

    def argv(self, runtime: OciRuntime) -> list[str]:
        """conmon's command line."""
        words = ["conmon", "--api-version", "1", "--cid", self.container_id, "--cuuid", self.container_id]
        words += ["--name", self.container_id, "--bundle", self.directory, "--full-attach"]
        words += ["--container-pidfile", f"{self.directory}/pid"]
        words += ["--conmon-pidfile", f"{self.directory}/conmon.pid"]
        words += ["--exit-dir", f"{self.directory}/exit", "--log-level", "error", "--no-sync-log"]
        words += ["--log-path", f"k8s-file:{self.log}" if self.log else "none"]
        words += ["--log-size-max", str(self.log_limit)] if self.log_limit else []
        words += ["--terminal"] if self.terminal else []
        words += ["--stdin"] if self.input else []
        words += ["--leave-stdin-open"] if self.keep_input_open else []
        if self.process_file:
            words += ["--exec", "--exec-process-spec", self.process_file]
            words += ["--exec-attach"] if self.attach else []
        call = runtime.argv
        if self.process_file:
            # In a container the last of these lines would be its first process's, on its stderr.
            call += ["--log", self.runtime_log, "--log-format", "json"]
        # One word each: an argument that begins with a dash would be taken for an option of conmon's.
        return [*words, "--runtime", call[0], *(f"--runtime-arg={word}" for word in call[1:])]


@dataclass(slots=True)
class _Pipes:
    """Descriptors of both sides, closed at the end of a `with`."""

    ours: list[int] = field(default_factory=list)
    theirs: list[int] = field(default_factory=list)

    def to_us(self) -> tuple[int, int]:
        reading, writing = os.pipe()
        self.ours.append(reading)
        self.theirs.append(writing)
        return reading, writing

    def to_them(self) -> tuple[int, int]:
        reading, writing = os.pipe()
        self.ours.append(writing)
        self.theirs.append(reading)
        return writing, reading

    def close_theirs(self) -> None:
        while self.theirs:
            os.close(self.theirs.pop())

    def __enter__(self) -> "_Pipes":
        return self

    def __exit__(self, *_: object) -> None:
        self.close_theirs()
        while self.ours:
            os.close(self.ours.pop())


async def _line(descriptor: int) -> bytes:
    """The first line that comes on a pipe; of an exec's, the exit code follows in another one."""
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)
    content = b""
    while b"\n" not in content and len(content) < _LONGEST:
        readable = asyncio.Event()
        loop.add_reader(descriptor, readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(descriptor)
        with contextlib.suppress(BlockingIOError):
            piece = os.read(descriptor, 65536)
            if not piece:
                break
            content += piece
    return content.partition(b"\n")[0]


def _answer(line: bytes) -> Mapping[str, object]:
    try:
        answer = json.loads(line)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


async def _pid(descriptor: int, order: Order) -> int:
    """The process id that conmon reports.  Refused with the runtime's reason when there is none."""
    answer = _answer(await _line(descriptor))
    number = answer.get("data")
    if isinstance(number, int) and number > 0:
        return number
    raise Refused(_reason(order, str(answer.get("message") or "")))


def _reason(order: Order, message: str) -> str:
    """Why there is no process: what the runtime has written down, or conmon passes on, or says itself."""
    for line in reversed(_lines(order.runtime_log)):
        entry = _answer(line)
        if entry.get("level") in ("error", "fatal") and entry.get("msg"):
            return str(entry["msg"])
    complaints = b"\n".join(_lines(order.complaints)).decode(errors="replace")
    return message or complaints or "conmon ended without an answer"


def _lines(path: str) -> list[bytes]:
    with contextlib.suppress(OSError), open(path, "rb") as file:
        return file.read(_LONGEST).splitlines()
    return []


async def spawn(order: Order, runtime: OciRuntime, connect: Connect | None = None) -> int:
    """Start conmon and with it the process: its id.  Refused if it could not be made.

    With `order.attach`, `connect` is called when the console is ready and before the process runs.
    """
    with _Pipes() as pipes:
        answers, answers_end = pipes.to_us()
        go, go_end = pipes.to_them()
        environment = {**_ENVIRONMENT, "_OCI_SYNCPIPE": str(answers_end), "_OCI_STARTPIPE": str(go_end)}
        ready = -1
        if order.attach:
            ready, ready_end = pipes.to_us()
            environment["_OCI_ATTACHPIPE"] = str(ready_end)
        errors = os.open(order.complaints, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        pipes.ours.append(errors)
        started = await process.start(
            order.argv(runtime),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=errors,
            environment=environment,
            pass_fds=tuple(pipes.theirs),
            directory=order.directory,  # conmon leaves a file where it is when memory runs out
        )
        pipes.close_theirs()
        try:
            async with asyncio.timeout(_DEADLINE):
                # The first conmon forks and is done; the other one waits for the word to go on.
                _say_go(go)
                await started.wait()
                if order.attach:
                    if _answer(await _line(ready)).get("data") != 0:
                        raise Refused(_reason(order, ""))
                    if connect is not None:
                        await connect()
                    _say_go(go)
                return await _pid(answers, order)
        except Refused:
            # It ends now, and as an orphan it is ours to collect.
            monitor = processes.read_number(f"{order.directory}/conmon.pid")
            processes.on_end(monitor, lambda: processes.reap(monitor))
            raise
        except TimeoutError as error:
            raise Failed(f"cannot start {order.container_id}: conmon does not answer") from error


def _say_go(descriptor: int) -> None:
    with contextlib.suppress(BrokenPipeError):
        os.write(descriptor, _GO)
