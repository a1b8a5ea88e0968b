"""The programs that write the storage: skopeo and containers-storage, always on this engine's own store.

Everything they keep lies under the data root and the exec root, so that engines can live side
by side.  Podman and Buildah work on the same store with CONTAINERS_STORAGE_CONF set to
EXEC_ROOT/storage.conf, or with `--root DATA_ROOT/storage --runroot EXEC_ROOT/storage`.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import re
import shutil
import struct
import tempfile
import termios
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

from fairlead import process
from fairlead.model.errors import Failed

_LONG = 6 * 3600.0  # seconds: how long a copy over a slow line may take
_STATIC_POLICY = Path("/etc/containers/policy.json")
_CONTROL = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TERMINAL_SIZE = struct.pack("HHHH", 50, 200, 0, 0)
_COMPLAINT = re.compile(r'level=(?:fatal|error) msg=("(?:[^"\\]|\\.)*")')

LineWatcher = Callable[[str], Awaitable[None]]


class Tools:
    """Runs the programs with the settings of one engine."""

    def __init__(self, data_root: Path, exec_root: Path, registries: str):
        """`registries` is the text of a registries.conf."""
        self.graph_root = data_root / "storage"
        self._temporary = data_root / "scratch"
        self._storage_conf = exec_root / "storage.conf"
        self._registries_conf = exec_root / "registries.conf"
        run_root = exec_root / "storage"
        for directory in (self.graph_root, run_root):
            directory.mkdir(parents=True, exist_ok=True)
        # What lies here was left by an engine that was killed.
        shutil.rmtree(self._temporary, ignore_errors=True)
        self._temporary.mkdir(mode=0o700)
        self._storage_conf.write_text(_storage_text(self.graph_root, run_root))
        self._registries_conf.write_text(registries)

    @contextlib.asynccontextmanager
    async def scratch(self) -> AsyncIterator[Path]:
        """A directory on the storage's file system that is deleted at the end, whatever happens."""
        path = Path(tempfile.mkdtemp(dir=self._temporary))
        try:
            yield path
        finally:
            await asyncio.shield(asyncio.to_thread(shutil.rmtree, path, ignore_errors=True))

    async def storage(self, *arguments: str) -> process.Finished:
        """Run `containers-storage`.  Failed with its complaint."""
        finished = await process.run(["containers-storage", *arguments], environment=self.environment())
        if finished.code:
            raise Failed(f"cannot change the image storage: {complaint(finished)}")
        return finished

    async def skopeo(self, scratch: Path, *arguments: str, input: bytes | None = None) -> process.Finished:
        """Run skopeo; the caller looks at the exit code."""
        argv = self._skopeo(*arguments)
        environment = self.environment(scratch)
        return await process.run(argv, input=input, environment=environment, deadline=_LONG)

    async def copy(
        self,
        scratch: Path,
        *arguments: str,
        watch: LineWatcher | None = None,
        options: Sequence[str] = (),
    ) -> process.Finished:
        """Run `skopeo copy`; the caller looks at the exit code.

        `scratch` takes what it keeps on the way; `watch` is called with each line of its progress;
        `options` are skopeo's own, before the command.
        """
        if watch is None:
            return await self.skopeo(scratch, *options, "copy", *arguments)
        return await _watched(self._skopeo(*options, "copy", *arguments), self.environment(scratch), watch)

    def environment(self, scratch: Path | None = None) -> dict[str, str]:
        """The environment for a program that works on the store."""
        own = {
            "CONTAINERS_STORAGE_CONF": str(self._storage_conf),
            "TMPDIR": str(scratch or self._temporary),
        }
        return {**os.environ, **own}

    def _skopeo(self, *arguments: str) -> list[str]:
        # Docker knows no signature policy; one that the machine has is respected all the same.
        policy = [] if _STATIC_POLICY.exists() else ["--insecure-policy"]
        return ["skopeo", *policy, "--registries-conf", str(self._registries_conf), *arguments]


def complaint(finished: process.Finished) -> str:
    """What a program said last about why it failed, without its own log format."""
    text = finished.stderr.decode(errors="replace")
    found = _COMPLAINT.findall(text)
    if not found:
        return finished.complaint
    try:
        return str(json.loads(found[-1]))
    except ValueError:
        return str(found[-1]).strip('"')


def _storage_text(graph_root: Path, run_root: Path) -> str:
    return (
        "[storage]\n"
        'driver = "overlay"\n'
        f"graphroot = {json.dumps(str(graph_root))}\n"
        f"runroot = {json.dumps(str(run_root))}\n"
        "[storage.options.overlay]\n"
        # Else every program leaves a mount of the store on itself behind.
        'skip_mount_home = "true"\n'
    )


async def _watched(argv: Sequence[str], environment: dict[str, str], watch: LineWatcher) -> process.Finished:
    """Run a program that shows progress only on a terminal, and tell each line that it draws."""
    ours, theirs = os.openpty()
    try:
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, _TERMINAL_SIZE)
        started = await process.start(argv, stdout=theirs, environment=environment)
    except BaseException:
        os.close(ours)
        raise
    finally:
        os.close(theirs)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
    )
    assert started.stderr is not None
    errors = asyncio.create_task(started.stderr.read())
    try:
        async with asyncio.timeout(_LONG):
            # The other end closes with EIO, as terminals do.
            with contextlib.suppress(OSError):
                while line := await reader.readline():
                    await watch(_CONTROL.sub("", line.decode(errors="replace")).strip())
            code = await started.wait()
            return process.Finished(code, b"", await errors)
    except TimeoutError as error:
        raise Failed(f"cannot finish {argv[0]}: it took longer than {_LONG:g} seconds") from error
    finally:
        transport.close()
        errors.cancel()
        if started.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                started.kill()
            await started.wait()
