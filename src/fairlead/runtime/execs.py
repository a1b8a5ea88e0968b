"""Processes that are started in running containers, each with a conmon and a directory of its own."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
from dataclasses import dataclass

from fairlead.boundary import ExecRequest, Stream
from fairlead.model.container import Container
from fairlead.model.errors import Conflict
from fairlead.runtime import attach, conmon, control, failures, processes, spec
from fairlead.runtime.bundle import Bundle
from fairlead.runtime.exits import LOST
from fairlead.runtime.ociruntime import OciRuntime
from fairlead.runtime.preparation import Preparation
from fairlead.runtime.traits import Traits

_ending: set["asyncio.Task[None]"] = set()  # kept until they are done


class ConmonExec:
    """A started exec (boundary.ExecProcess)."""

    def __init__(self, directory: str, container_id: str, pid: int, stream: Stream | None):
        self.stream = stream
        self._directory = directory
        self._container_id = container_id
        self._pid = pid
        self._code: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        monitor = processes.read_number(f"{directory}/conmon.pid")
        processes.on_end(monitor, lambda: self._ended(monitor))

    def _ended(self, monitor: int) -> None:
        processes.reap(monitor)
        code = LOST
        with contextlib.suppress(OSError, ValueError):
            with open(f"{self._directory}/exit/{self._container_id}", encoding="ascii") as file:
                code = int(file.read())
        shutil.rmtree(self._directory, ignore_errors=True)
        if not self._code.done():
            self._code.set_result(code)

    async def pid(self) -> int:
        """Its process id on the host, 0 when gone."""
        return self._pid if processes.in_cgroup_of(self._pid, self._container_id) else 0

    async def wait(self) -> int:
        """Its exit code."""
        return await asyncio.shield(self._code)

    async def resize(self, height: int, width: int) -> None:
        """Set the size of its terminal.  Quietly nothing when it has gone."""
        control.resize(self._directory, height, width)

    async def kill(self) -> None:
        """End it by SIGKILL.  Fine when it has gone."""
        processes.send(
            self._pid, signal.SIGKILL, lambda: processes.in_cgroup_of(self._pid, self._container_id)
        )


@dataclass(frozen=True, slots=True)
class Execs:
    """Starts them."""

    runtime: OciRuntime
    preparation: Preparation
    traits: Traits

    async def start(
        self, bundle: Bundle, container: Container, exec_id: str, request: ExecRequest
    ) -> ConmonExec:
        """Run the process.  StartFailed in Docker's words when it cannot be; nothing is left then.

        Whoever is cancelled meanwhile ends the process: half of conmon cannot be left behind, since its
        process would be an orphan that nobody collects, which keeps the container from ending.
        """
        started = asyncio.get_running_loop().create_task(self._start(bundle, container, exec_id, request))
        try:
            return await asyncio.shield(started)
        except asyncio.CancelledError:
            started.add_done_callback(_unwanted)
            raise

    async def _start(
        self, bundle: Bundle, container: Container, exec_id: str, request: ExecRequest
    ) -> ConmonExec:
        if not bundle.pid():
            raise Conflict(f"Container {container.id} is not running")
        directory = f"{bundle.execs}/{exec_id}"
        consoles: list[Stream] = []
        try:
            await asyncio.to_thread(self._prepare, bundle, container, directory, request)

            async def connect() -> None:
                consoles.append(await attach.connect(directory))

            order = conmon.Order(
                container.id,
                directory,
                terminal=request.tty,
                input=request.attach_stdin,
                keep_input_open=request.tty,
                process_file=f"{directory}/process.json",
                attach=request.attach_stdin or request.attach_stdout or request.attach_stderr,
            )
            pid = await conmon.spawn(order, self.runtime, connect)
        except BaseException as error:
            for console in consoles:
                await console.close()
            shutil.rmtree(directory, ignore_errors=True)
            if isinstance(error, conmon.Refused):
                raise failures.exec_failure(error.complaint, request.command[0]) from error
            raise
        return ConmonExec(directory, container.id, pid, consoles[0] if consoles else None)

    def _prepare(self, bundle: Bundle, container: Container, directory: str, request: ExecRequest) -> None:
        running = bundle.read()
        os.makedirs(f"{directory}/exit", mode=0o700)
        name = request.user or container.config.user
        user = self.preparation.user(container, name, running["root"]["path"])
        document = spec.exec_process(container, request, running["process"], user, self.traits)
        with open(f"{directory}/process.json", "w", encoding="utf-8") as file:
            json.dump(document, file)


def _unwanted(started: "asyncio.Task[ConmonExec]") -> None:
    """End what was started for somebody who waits no longer."""
    if not started.cancelled() and started.exception() is None:
        task = asyncio.get_running_loop().create_task(_end(started.result()))
        _ending.add(task)
        task.add_done_callback(_ending.discard)


async def _end(unwanted: ConmonExec) -> None:
    await unwanted.kill()
    if unwanted.stream is not None:
        await unwanted.stream.close()
