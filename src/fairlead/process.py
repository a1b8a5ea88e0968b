"""The one place where a program is started; every call has a deadline.

`preexec_fn` is never used: it makes CPython fork the whole daemon instead of vfork.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fairlead.model.errors import Failed, Unsupported

DEADLINE = 120.0  # seconds, for programs that have no reason to take long


@dataclass(frozen=True, slots=True)
class Finished:
    """What a program left: its exit code and output."""

    code: int
    stdout: bytes
    stderr: bytes

    @property
    def complaint(self) -> str:
        """The last line of its standard error, for a message."""
        lines = self.stderr.decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"exit code {self.code}"


async def start(
    argv: Sequence[str],
    *,
    stdin: int = asyncio.subprocess.DEVNULL,
    stdout: int = asyncio.subprocess.PIPE,
    stderr: int = asyncio.subprocess.PIPE,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
    directory: str | None = None,
) -> asyncio.subprocess.Process:
    """A started program whose streams the caller reads.  Unsupported when it is not installed.

    `directory` is its working directory; None: the caller's.
    """
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=dict(environment) if environment is not None else None,
            pass_fds=tuple(pass_fds),
            start_new_session=new_session,
            cwd=directory,
        )
    except FileNotFoundError as error:
        raise Unsupported(f"cannot start {argv[0]}: it is not installed") from error


async def run(
    argv: Sequence[str],
    *,
    input: bytes | None = None,
    deadline: float = DEADLINE,
    environment: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
    check: bool = False,
) -> Finished:
    """Start a program, wait for its end and collect its output.

    `deadline` in seconds; when it passes the program is killed and Failed is raised.  With
    `check` an exit code other than 0 raises Failed, with the program's complaint.
    """
    process = await start(
        argv,
        stdin=asyncio.subprocess.DEVNULL if input is None else asyncio.subprocess.PIPE,
        environment=environment,
        pass_fds=pass_fds,
    )
    try:
        async with asyncio.timeout(deadline):
            stdout, stderr = await process.communicate(input)
    except TimeoutError as error:
        raise Failed(f"cannot finish {argv[0]}: it took longer than {deadline:g} seconds") from error
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    assert process.returncode is not None
    finished = Finished(process.returncode, stdout, stderr)
    if check and finished.code:
        raise Failed(f"cannot run {os.path.basename(argv[0])}: {finished.complaint}")
    return finished


def call(
    argv: Sequence[str],
    *,
    input: bytes | None = None,
    deadline: float = DEADLINE,
    environment: Mapping[str, str] | None = None,
    check: bool = False,
) -> Finished:
    """`run` for programs that have no event loop (the lab, the command line): it blocks.

    Killing the program at the deadline kills its whole process group.
    """
    process = spawn(
        argv,
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        environment=environment,
    )
    try:
        stdout, stderr = process.communicate(input, timeout=deadline)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"cannot finish {argv[0]}: it took longer than {deadline:g} seconds") from error
    finally:
        if process.returncode is None:
            _kill(process)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    finished = Finished(process.returncode, stdout, stderr)
    if check and finished.code:
        raise Failed(f"cannot run {os.path.basename(argv[0])}: {finished.complaint}")
    return finished


def _kill(process: "subprocess.Popen[bytes]") -> None:
    """Kill the whole group, its leader last: one who only waits (nsenter) reads how its child ended."""
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def spawn(
    argv: Sequence[str],
    *,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """A started program in a process group of its own, for callers without an event loop."""
    try:
        return subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=dict(environment) if environment is not None else None,
            process_group=0,
        )
    except FileNotFoundError as error:
        raise Unsupported(f"cannot start {argv[0]}: it is not installed") from error


def detach(log: str) -> None:
    """Go on in the background: a child in a session of its own, its output appended to the file `log`.

    The calling process ends, with exit code 0: whoever waits for it knows that all done so far is
    done.  To be called before there are threads or an event loop.
    """
    written = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    nothing = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    if os.fork():
        os._exit(0)
    os.setsid()
    for source, stream in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, stream)
    os.close(written)
    os.close(nothing)
