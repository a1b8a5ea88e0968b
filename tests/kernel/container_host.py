"""Containers on the real kernel for tests: a root filesystem of busybox, a network namespace, a runtime.

No image store and no network: the namespace that containers join has nothing but lo.
"""

import asyncio
import contextlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Any

from fairlead.boundary import Exit, Launch, LogQuery, Stream
from fairlead.model.container import Config, Container, HostConfig, MountPoint
from fairlead.model.image import RootFilesystem
from fairlead.runtime.lifecycle import ConmonRuntime
from fairlead.runtime.ociruntime import CRUN, RUNC
from fairlead.runtime.preparation import SECCOMP_BASE
from tests.kernel.virtual_host import Node

PATIENCE = 20.0  # seconds, after which a test has failed; nothing waits for it to pass
_APPLETS = (
    "sh cat echo env head tail grep ls sleep true false id pwd stat stty tty kill ps seq mount df touch"
)


def needed_programs() -> bool:
    """Whether this machine has what the tests need."""
    return bool(shutil.which("conmon")) and os.path.exists("/bin/busybox")


def make_root(path: Path) -> Path:
    """A small root filesystem."""
    for name in ("bin", "etc", "tmp", "root", "dev", "proc", "sys"):
        (path / name).mkdir(parents=True)
    shutil.copy("/bin/busybox", path / "bin/busybox")
    for applet in _APPLETS.split():
        (path / "bin" / applet).symlink_to("busybox")
    (path / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\nanna:x:1000:100::/home/anna:/bin/sh\n")
    (path / "etc/group").write_text("root:x:0:\nusers:x:100:\nwheel:x:10:anna\n")
    (path / "tmp").chmod(0o1777)
    return path


class ContainerHost:
    """A runtime and what containers need; use it with `async with`."""

    def __init__(
        self,
        directory: Path,
        candidates: Sequence[str] = (CRUN, RUNC),
        seccomp_profile: str = SECCOMP_BASE,
        root: Path | None = None,
    ):
        self.directory = directory
        self.root = root or make_root(directory / "root")
        self._candidates = candidates
        self._seccomp_profile = seccomp_profile
        self._made: dict[str, Container] = {}
        self.ends: list[Exit] = []

    async def __aenter__(self) -> "ContainerHost":
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)
        self._node = Node()
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            for container_id in self._made:
                await self.runtime.delete(container_id)
            await self.leave()
        finally:
            self._node.close()

    async def open(self) -> None:
        """A new runtime on the same directories, as a daemon that starts."""
        self.runtime = await ConmonRuntime.open(
            str(self.directory / "data"),
            str(self.directory / "exec"),
            candidates=self._candidates,
            seccomp_profile=self._seccomp_profile,
        )
        self._watching = asyncio.create_task(self._watch())

    async def leave(self) -> None:
        """Let go of everything, as a daemon that ends."""
        self._watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._watching
        await self.runtime.close()

    async def _watch(self) -> None:
        async for end in self.runtime.exits():
            self.ends.append(end)

    def container(self, *command: str, host_config: HostConfig | None = None, **config: Any) -> Container:
        """A container that is to run the command; to be launched."""
        identity = os.urandom(32).hex()
        container = Container(
            id=identity,
            name=identity[:8],
            created=0,
            image_id="0" * 64,
            config=Config(cmd=command, **config),
            host_config=host_config or HostConfig(),
            path=command[0],
            args=command[1:],
        )
        self._made[identity] = container
        return container

    def launch(self, container: Container, mounts: tuple[MountPoint, ...] = (), **more: Any) -> Launch:
        """How to launch it."""
        return Launch(
            container=container,
            root=RootFilesystem(str(self.root), ""),
            namespace=f"/proc/{self._node.pid}/ns/net",
            mounts=mounts,
            directory=str(self.directory),
            **more,
        )

    async def run(self, *command: str, mounts: tuple[MountPoint, ...] = (), **settings: Any) -> Container:
        """A container that runs the command now."""
        container = self.container(*command, **settings)
        await self.runtime.create(self.launch(container, mounts))
        await self.runtime.start(container.id)
        return container

    async def output(self, *command: str, mounts: tuple[MountPoint, ...] = (), **settings: Any) -> str:
        """All that a container writes to both streams until it ends by itself."""
        container = await self.run(*command, mounts=mounts, **settings)
        await self.end_of(container)
        lines = [line async for line in self.runtime.logs(container, LogQuery())]
        await self.runtime.delete(container.id)
        return b"".join(line.content for line in lines).decode()

    async def end_of(self, container: Container) -> Exit:
        """How it has ended, as soon as it is told."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for end in self.ends:
                    if end.container_id == container.id:
                        return end
                await asyncio.sleep(0.002)


async def everything(stream: Stream) -> dict[int, bytes]:
    """All output of a console up to its end, by stream."""
    gathered = {1: b"", 2: b""}
    async with asyncio.timeout(PATIENCE):
        while (piece := await stream.read()) is not None:
            gathered[piece[0]] += piece[1]
    return gathered


async def until(stream: Stream, wanted: bytes) -> bytes:
    """Output up to where it has what is wanted."""
    gathered = b""
    async with asyncio.timeout(PATIENCE):
        while wanted not in gathered:
            piece = await stream.read()
            assert piece is not None, f"ended after {gathered!r}"
            gathered += piece[1]
    return gathered


@contextlib.asynccontextmanager
async def container_host(directory: Path, **settings: Any) -> AsyncIterator[ContainerHost]:
    """A container host that leaves no process and no control group behind; that is checked."""
    async with ContainerHost(directory, **settings) as host:
        yield host
    left = subprocess.run(["pgrep", "-f", str(directory)], capture_output=True, text=True).stdout
    assert not left, f"processes are left over: {left}"
    assert not [path for name in host._made for path in Path("/sys/fs/cgroup").glob(f"*/docker/{name}")]
    assert not list((directory / "exec/containers").iterdir())


def play(story: Coroutine[Any, Any, None]) -> None:
    """Run a test's coroutine."""
    asyncio.run(story)
