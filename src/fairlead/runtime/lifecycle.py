"""Containers as processes (boundary.Runtime): each under a conmon of its own, none under the daemon.

Everything is found in the bundles' directories; what is kept in memory only saves looking.
"""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence

from fairlead.boundary import ExecProcess, ExecRequest, Exit, Launch, LogLine, LogQuery, Stream, Usage
from fairlead.model.container import Container
from fairlead.model.errors import Failed, NotFound, Unsupported
from fairlead.runtime import (
    attach,
    conmon,
    control,
    devices,
    failures,
    limits,
    logreader,
    logs,
    ociruntime,
    processes,
    removal,
    stats,
    top,
)
from fairlead.runtime.bundle import Bundle, Bundles
from fairlead.runtime.cgroups import Cgroups
from fairlead.runtime.changes import Changes
from fairlead.runtime.execs import Execs
from fairlead.runtime.exits import ExitWatch
from fairlead.runtime.ociruntime import OciRuntime
from fairlead.runtime.preparation import SECCOMP_BASE, Filters, Preparation
from fairlead.runtime.rotation import Rotator
from fairlead.runtime.traits import Traits, observe


class ConmonRuntime:
    """The runtime of one daemon; make it with `open`."""

    def __init__(self, data_root: str, exec_root: str, runtime: OciRuntime, traits: Traits, seccomp: str):
        self._data_root, self._exec_root = data_root, exec_root
        self._runtime = runtime
        self._traits = traits
        self._bundles = Bundles(f"{exec_root}/containers")
        filters = Filters(f"{data_root}/seccomp", runtime)
        self._filters = filters
        self._preparation = Preparation(traits, filters, self._bundles, seccomp)
        self._execs = Execs(runtime, self._preparation, traits)
        self._watch = ExitWatch(self._bundles, self._cgroups)
        self._changes = Changes()
        self._rotator = Rotator()

    @classmethod
    async def open(
        cls,
        data_root: str,
        exec_root: str,
        *,
        candidates: Sequence[str] = (ociruntime.CRUN, ociruntime.RUNC),
        seccomp_profile: str = SECCOMP_BASE,
    ) -> "ConmonRuntime":
        """Ready for work: runtime chosen, whatever runs already watched.  Unsupported if nothing works here.

        `data_root` keeps logs and compiled filters, `exec_root` bundles and the runtime's state.
        """
        processes.become_subreaper()
        os.makedirs(f"{exec_root}/containers", mode=0o700, exist_ok=True)
        traits = await asyncio.to_thread(observe)
        if shutil.which("conmon") is None:
            raise Unsupported("cannot run containers: conmon is not installed")
        chosen = await ociruntime.choose(exec_root, traits, candidates)
        runtime = cls(data_root, exec_root, chosen, traits, seccomp_profile)
        runtime._watch.watch_all()
        for bundle in runtime._bundles.all():
            runtime._rotator.adopt(bundle, runtime.log_path(bundle.container_id))
        return runtime

    @property
    def name(self) -> str:
        """The OCI runtime in use: crun or runc."""
        return self._runtime.name

    async def close(self) -> None:
        """Watch nothing any longer; containers live on."""
        self._watch.close()
        self._changes.close()
        self._rotator.close()

    # -- life ------------------------------------------------------------------------------------

    async def create(self, launch: Launch) -> int:
        """Make the container's process, waiting to be started; its pid."""
        container = launch.container
        bundle = self._bundles.of(container.id)
        if bundle.exists():
            await self.delete(container.id)
        try:
            key = await asyncio.to_thread(self._prepare, bundle, launch)
            pid = await conmon.spawn(self._order(bundle, container), self._runtime)
        except BaseException as error:
            await asyncio.shield(self.delete(container.id))
            if isinstance(error, conmon.Refused):
                raise failures.create_failure(error.complaint, container.path) from error
            raise
        self._filters.keep(key, container.id)
        groups = self._cgroups(bundle)
        if groups is not None:
            groups.mark(self._exec_root)
        self._watch.watch(bundle)
        rotation = logs.rotation(container.host_config.log_config)
        self._rotator.add(bundle, self.log_path(container.id), rotation)
        return pid

    def _prepare(self, bundle: Bundle, launch: Launch) -> str:
        """Write the bundle; the key of a filter that crun is going to compile."""
        bundle.make()
        document, key = self._preparation.document(launch)
        bundle.write(document)
        os.makedirs(os.path.dirname(self.log_path(bundle.container_id)), mode=0o710, exist_ok=True)
        return key

    def _order(self, bundle: Bundle, container: Container) -> conmon.Order:
        config, own = container.config, container.host_config
        return conmon.Order(
            container.id,
            bundle.path,
            terminal=config.tty,
            input=config.open_stdin,
            keep_input_open=config.tty or not config.stdin_once,
            log="" if own.log_config.driver == "none" else self.log_path(container.id),
            log_limit=logs.rotation(own.log_config).by_conmon,
        )

    async def start(self, container_id: str) -> None:
        """Let the created process run.  StartFailed if it cannot."""
        if self._runtime.start_at_once(container_id):
            return
        finished = await self._runtime.call("start", container_id)
        if finished.code:
            raise failures.start_failure(finished.stderr.decode(errors="replace"))

    async def kill(self, container_id: str, signal: int) -> None:
        """Send a signal to the first process; NotFound when it has gone."""
        bundle = self._bundles.of(container_id)
        pid = bundle.pid()
        if not pid or not processes.send(pid, signal, lambda: bundle.pid() == pid):
            raise NotFound(f"cannot signal container {container_id}: its process has gone")

    async def pause(self, container_id: str) -> None:
        """Freeze all its processes."""
        await asyncio.to_thread(self._of_running(container_id).freeze, True)

    async def unpause(self, container_id: str) -> None:
        """Thaw them."""
        await asyncio.to_thread(self._of_running(container_id).freeze, False)

    async def update(self, container: Container) -> None:
        """Apply changed resource limits to the running container."""
        own = container.host_config
        resources = limits.resources(own, devices.numbers(own), self._traits)
        path = f"{self._bundles.of(container.id).path}/resources.json"
        with open(path, "w", encoding="utf-8") as file:
            json.dump(resources, file)
        finished = await self._runtime.call("update", "--resources", path, container.id)
        if finished.code:
            raise Failed(f"Cannot update container {container.id}: {finished.complaint}")
        if own.pids_limit is not None and own.pids_limit <= 0:
            # crun writes a number, and there is none for this.
            self._of_running(container.id).set("pids", "pids.max", "max")

    async def delete(self, container_id: str) -> None:
        """Take away what is left of it: processes, control groups, bundle.  Fine when there is nothing."""
        self._watch.forget(container_id)
        self._rotator.forget(container_id)
        bundle = self._bundles.of(container_id)
        if not bundle.exists():
            return
        cgroups = self._cgroups(bundle)
        try:
            await asyncio.to_thread(removal.take_away, bundle, cgroups, self._runtime)
        except Failed:
            await self._runtime.call("delete", "--force", container_id)
            await asyncio.to_thread(removal.take_away, bundle, cgroups, self._runtime)

    async def alive(self) -> Mapping[str, int]:
        """The first process of every container of ours that lives, by container id."""
        found = await asyncio.to_thread(
            lambda: [(bundle.container_id, bundle.pid()) for bundle in self._bundles.all()]
        )
        return {container_id: pid for container_id, pid in found if pid}

    def first_process(self, container_id: str) -> int:
        """The first process of a container while it lives, else 0."""
        return self._bundles.of(container_id).pid()

    async def last_exit(self, container_id: str) -> Exit | None:
        """How the container ended, as far as its remains tell; None when they tell nothing."""
        return self._watch.last(self._bundles.of(container_id))

    def exits(self) -> AsyncIterator[Exit]:
        """Every exit, once, also of containers that ended while no daemon watched (as soon as iterated)."""
        return self._watch.iterate()

    # -- consoles --------------------------------------------------------------------------------

    async def attach(self, container_id: str) -> Stream:
        """Its console, from now on.  NotFound when it has ended."""
        console = await attach.connect(self._bundles.of(container_id).path)
        await console.accepted()
        return console

    async def resize(self, container_id: str, height: int, width: int) -> None:
        """Set the size of its terminal."""
        if not control.resize(self._bundles.of(container_id).path, height, width):
            raise NotFound(f"cannot resize container {container_id}: its process has gone")

    async def exec(self, container: Container, exec_id: str, request: ExecRequest) -> ExecProcess:
        """Start a process inside; StartFailed with Docker's wording when it cannot be started."""
        return await self._execs.start(self._bundles.of(container.id), container, exec_id, request)

    # -- what is known ---------------------------------------------------------------------------

    def logs(self, container: Container, query: LogQuery) -> AsyncIterator[LogLine]:
        """Its output as kept: pieces with the newline that ended them.  Unsupported if none is kept."""
        if container.host_config.log_config.driver == "none":
            raise Unsupported("configured logging driver does not support reading")
        over = self._watch.over(container.id)
        return logreader.read(self.log_path(container.id), query, over, self._changes)

    async def top(self, container_id: str, arguments: str) -> tuple[list[str], list[list[str]]]:
        """Titles and rows of `ps ARGUMENTS`, its processes only."""
        return await top.top(self._of_running(container_id).pids(), arguments)

    async def usage(self, container_id: str) -> Usage:
        """What it uses now."""
        pid = self._bundles.of(container_id).pid()
        return await asyncio.to_thread(stats.usage, self._of_running(container_id), pid)

    async def remove_logs(self, container_id: str) -> None:
        """Delete what it has written."""
        for path in logs.files(self.log_path(container_id)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def log_path(self, container_id: str) -> str:
        """Where its log is kept: Docker's name for it."""
        return f"{self._data_root}/containers/{container_id}/{container_id}-json.log"

    def _of_running(self, container_id: str) -> Cgroups:
        cgroups = self._cgroups(self._bundles.of(container_id))
        if cgroups is None:
            raise NotFound(f"cannot find the processes of container {container_id}: it does not run")
        return cgroups

    def _cgroups(self, bundle: Bundle) -> Cgroups | None:
        path = bundle.read().get("linux", {}).get("cgroupsPath")
        return Cgroups.at(path, self._traits) if path else None
