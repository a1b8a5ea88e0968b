"""The one place where a program is started; every call has a deadline.

`preexec_fn` is never used: it makes CPython fork the whole daemon instead of vfork.
"""

import asyncio
import contextlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

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
) -> asyncio.subprocess.Process:
    """A started program whose streams the caller reads.  Unsupported when it is not installed."""
    try:
        return await asyncio.create_subprocess_exec(
            *argv,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            env=dict(environment) if environment is not None else None,
            pass_fds=tuple(pass_fds),
            start_new_session=new_session,
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
