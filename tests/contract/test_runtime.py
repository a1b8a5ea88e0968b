"""One suite for every Runtime: conmon with crun, conmon with runc, and the fake."""

import asyncio
import contextlib
import os
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead.boundary import ExecRequest, Exit, Launch, LogQuery, Runtime
from fairlead.model.container import Config, Container, HostConfig, LogConfig
from fairlead.model.errors import Conflict, NotFound, StartFailed, Unsupported
from fairlead.model.image import RootFilesystem
from tests.fakes.runtime import FakeRuntime, Program
from tests.kernel.container_host import (
    PATIENCE,
    container_host,
    everything,
    needed_programs,
    play,
    until,
)

TERM, KILL = 15, 9
NOISE = ("sh", "-c", "echo out; echo err >&2; exit 3")
TRAP = ("sh", "-c", "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done")
LINES = ("seq", "5")
PROGRAMS = {
    ("true",): Program(),
    ("sleep", "1000"): Program(code=None),
    ("cat",): Program(echoes=True),
    NOISE: Program(((1, b"out\n"), (2, b"err\n")), 3),
    TRAP: Program(((1, b"ready\n"),), None, handled={TERM: 7}),
    LINES: Program(tuple((1, b"%d\n" % number) for number in range(1, 6))),
}
kernel = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0 or not needed_programs(), reason="needs root, conmon and busybox"),
]


class World(ABC):
    """A runtime to be tried, and a way to end the daemon that has it and start another one."""

    runtime: Runtime
    ends: list[Exit]

    @abstractmethod
    def container(self, *command: str, host_config: HostConfig | None = None, **config: Any) -> Container:
        """A container of that command, not made yet."""

    @abstractmethod
    def launch(self, container: Container) -> Launch:
        """What the runtime needs to make it."""

    @abstractmethod
    async def restart(self) -> None:
        """End the daemon that has the runtime, and start another one."""

    async def run(self, *command: str, host_config: HostConfig | None = None, **config: Any) -> Container:
        container = self.container(*command, host_config=host_config, **config)
        await self.runtime.create(self.launch(container))
        await self.runtime.start(container.id)
        return container

    async def end_of(self, container: Container) -> Exit:
        async with asyncio.timeout(PATIENCE):
            while True:
                for end in self.ends:
                    if end.container_id == container.id:
                        return end
                await asyncio.sleep(0.002)


class FakeWorld(World):
    def __init__(self) -> None:
        self.ends = []
        self._runtime = FakeRuntime(PROGRAMS)
        self.runtime = self._runtime
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        async for end in self.runtime.exits():
            self.ends.append(end)

    def container(self, *command: str, host_config: HostConfig | None = None, **config: Any) -> Container:
        return Container(
            id=os.urandom(32).hex(),
            name="fake",
            created=0,
            image_id="0" * 64,
            config=Config(cmd=command, **config),
            host_config=host_config or HostConfig(),
            path=command[0],
            args=command[1:],
        )

    def launch(self, container: Container) -> Launch:
        return Launch(container, RootFilesystem("/", ""), "/ns", (), "/directory")

    async def restart(self) -> None:
        self._watching.cancel()
        self._runtime = FakeRuntime(PROGRAMS, self._runtime.remains)
        self.runtime = self._runtime
        self._watching = asyncio.create_task(self._watch())


class RealWorld(World):
    def __init__(self, host: Any) -> None:
        self._host = host
        self.ends = host.ends
        self.runtime = host.runtime

    def container(self, *command: str, host_config: HostConfig | None = None, **config: Any) -> Container:
        return self._host.container(*command, host_config=host_config, **config)

    def launch(self, container: Container) -> Launch:
        return self._host.launch(container)

    async def restart(self) -> None:
        await self._host.leave()
        await self._host.open()
        self.runtime = self._host.runtime


@pytest.fixture(
    params=[
        "fake",
        *(pytest.param(name, marks=kernel) for name in ("crun", "runc") if shutil.which(name)),
    ]
)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    @asynccontextmanager
    async def make() -> AsyncIterator[World]:
        if request.param == "fake":
            yield FakeWorld()
            return
        async with container_host(tmp_path, candidates=(request.param,)) as host:
            assert host.runtime.name == request.param
            yield RealWorld(host)

    return make


def test_a_container_lives_from_create_to_delete(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = here.container("sleep", "1000")
            pid = await here.runtime.create(here.launch(container))
            assert await here.runtime.alive() == {container.id: pid}
            await here.runtime.start(container.id)
            assert await here.runtime.alive() == {container.id: pid}
            assert await here.runtime.last_exit(container.id) is None
            await here.runtime.delete(container.id)
            assert await here.runtime.alive() == {}
            await here.runtime.delete(container.id)
            assert here.ends == [], "whoever deletes a container is not told of its end"

    play(story())


def test_an_end_is_told_once_and_remembered_until_deleted(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = await here.run(*NOISE)
            end = await here.end_of(container)
            assert (end.code, end.oom_killed) == (3, False) and end.finished > 0
            assert await here.runtime.last_exit(container.id) == end
            await here.runtime.delete(container.id)
            assert await here.runtime.last_exit(container.id) is None
            assert here.ends == [end]

    play(story())


def test_a_container_runs_again_under_its_id(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = await here.run(*NOISE)
            await here.end_of(container)
            await here.runtime.delete(container.id)
            here.ends.clear()
            await here.runtime.create(here.launch(container))
            await here.runtime.start(container.id)
            assert (await here.end_of(container)).code == 3
            lines = [line.content async for line in here.runtime.logs(container, LogQuery(stderr=False))]
            assert lines == [b"out\n", b"out\n"], "logs go on where they were"

    play(story())


def test_output_goes_to_consoles_and_logs(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = here.container(*NOISE)
            await here.runtime.create(here.launch(container))
            first, second = [await here.runtime.attach(container.id) for _ in range(2)]
            await here.runtime.start(container.id)
            assert await everything(first) == {1: b"out\n", 2: b"err\n"}
            assert await everything(second) == {1: b"out\n", 2: b"err\n"}
            assert await first.read() is None
            await here.end_of(container)
            lines = [line async for line in here.runtime.logs(container, LogQuery())]
            assert sorted((line.stream, line.content) for line in lines) == [(1, b"out\n"), (2, b"err\n")]

    play(story())


def test_input_is_read_to_its_end(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = await here.run("cat", open_stdin=True, stdin_once=True)
            console = await here.runtime.attach(container.id)
            await console.write(b"hello\n")
            assert await until(console, b"hello\n") == b"hello\n"
            await console.close_input()
            assert await everything(console) == {1: b"", 2: b""}
            assert (await here.end_of(container)).code == 0
            await console.write(b"to nobody\n")
            await console.close()

    play(story())


def test_a_console_that_is_closed_lets_its_reader_go(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = await here.run("sleep", "1000")
            console = await here.runtime.attach(container.id)
            reading = asyncio.create_task(console.read())
            await asyncio.sleep(0)
            await console.close()
            async with asyncio.timeout(PATIENCE):
                assert await reading is None
            assert container.id in await here.runtime.alive(), "the process lives on"

    play(story())


def test_signals_end_it_or_are_handled(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            killed, handling = await here.run("sleep", "1000"), here.container(*TRAP)
            await here.runtime.create(here.launch(handling))
            console = await here.runtime.attach(handling.id)
            await here.runtime.start(handling.id)
            await until(console, b"ready\n")
            await here.runtime.kill(killed.id, KILL)
            await here.runtime.kill(handling.id, TERM)
            assert (await here.end_of(killed)).code == 137
            assert (await here.end_of(handling)).code == 7
            with pytest.raises(NotFound):
                await here.runtime.kill(killed.id, KILL)
            with pytest.raises(NotFound):
                await here.runtime.attach(killed.id)
            with pytest.raises(NotFound):
                await here.runtime.resize(killed.id, 10, 10)

    play(story())


def test_what_is_paused_does_nothing_and_can_be_deleted(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container, other = await here.run("sleep", "1000"), await here.run("sleep", "1000")
            await here.runtime.pause(container.id)
            await here.runtime.kill(container.id, TERM)
            assert container.id in await here.runtime.alive()
            await here.runtime.unpause(container.id)
            await here.runtime.kill(container.id, KILL)
            assert (await here.end_of(container)).code == 137
            await here.runtime.pause(other.id)
            await here.runtime.delete(other.id)
            assert await here.runtime.alive() == {}

    play(story())


def test_a_command_that_is_not_there_leaves_nothing(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = here.container("nosuchcommand")
            with pytest.raises(StartFailed) as caught:
                await here.runtime.create(here.launch(container))
            assert caught.value.exit_code == 127
            assert caught.value.message == (
                "failed to create shim task: OCI runtime create failed: runc create failed: "
                'unable to start container process: exec: "nosuchcommand": '
                "executable file not found in $PATH: unknown"
            )
            assert await here.runtime.alive() == {} and here.ends == []
            assert await here.runtime.last_exit(container.id) is None

    play(story())


def test_execs(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = await here.run("sleep", "1000")
            process = await here.runtime.exec(
                container, "e1", ExecRequest(NOISE, attach_stdout=True, attach_stderr=True)
            )
            assert process.stream is not None
            assert await everything(process.stream) == {1: b"out\n", 2: b"err\n"}
            assert await process.wait() == 3
            assert await process.pid() == 0
            detached = await here.runtime.exec(container, "e2", ExecRequest(("true",)))
            assert detached.stream is None and await detached.wait() == 0
            echo = await here.runtime.exec(
                container, "e3", ExecRequest(("cat",), attach_stdin=True, attach_stdout=True)
            )
            assert await echo.pid() > 0 and echo.stream is not None
            await echo.stream.write(b"there and back")
            await echo.stream.close_input()
            assert await everything(echo.stream) == {1: b"there and back", 2: b""}
            assert await echo.wait() == 0
            late = await here.runtime.exec(container, "e4", ExecRequest(("sleep", "1000")))
            await late.kill()
            assert await late.wait() == 137
            await late.kill()

    play(story())


def test_an_exec_that_nobody_waits_for_any_longer_does_not_keep_its_container(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = await here.run("sleep", "1000")
            for number in range(12):
                # At any instant of its making; what comes of it must end by itself.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(number * 0.004):
                        await here.runtime.exec(container, f"e{number}", ExecRequest(("sleep", "1000")))
            await here.runtime.kill(container.id, KILL)
            assert (await here.end_of(container)).code == 137
            await here.runtime.delete(container.id)

    play(story())


def test_execs_that_cannot_be_started(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = await here.run("sleep", "1000")
            for tty in (False, True):
                for attached in (False, True):
                    request = ExecRequest(("nosuchcommand",), tty=tty, attach_stdout=attached)
                    with pytest.raises(StartFailed) as caught:
                        await here.runtime.exec(container, f"e{tty}{attached}", request)
                    assert caught.value.exit_code == 127
                    assert caught.value.message == (
                        "OCI runtime exec failed: exec failed: unable to start container process: "
                        'exec: "nosuchcommand": executable file not found in $PATH: unknown'
                    )
            await here.runtime.kill(container.id, KILL)
            await here.end_of(container)
            with pytest.raises(Conflict, match="is not running"):
                await here.runtime.exec(container, "e9", ExecRequest(("true",)))

    play(story())


def test_logs_are_chosen_by_count_time_and_stream(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = await here.run(*LINES)
            await here.end_of(container)

            async def read(**query: Any) -> list[bytes]:
                return [line.content async for line in here.runtime.logs(container, LogQuery(**query))]

            every = [line async for line in here.runtime.logs(container, LogQuery())]
            assert [line.content for line in every] == [b"1\n", b"2\n", b"3\n", b"4\n", b"5\n"]
            assert await read(tail=2) == [b"4\n", b"5\n"]
            assert await read(tail=0) == []
            assert await read(tail=99) == [line.content for line in every]
            assert await read(stdout=False) == []
            assert await read(since=every[-1].time + 1) == []
            assert await read(until=every[0].time - 1) == []
            assert await read(since=every[0].time, until=every[-1].time) == [
                b"1\n",
                b"2\n",
                b"3\n",
                b"4\n",
                b"5\n",
            ]
            assert await read(follow=True, tail=1) == [b"5\n"], "following ends where the container has"
            await here.runtime.remove_logs(container.id)
            assert await read() == []

    play(story())


def test_following_goes_on_until_the_end(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = await here.run("cat", open_stdin=True, stdin_once=True)
            console = await here.runtime.attach(container.id)
            seen: list[bytes] = []

            async def follow() -> None:
                async for line in here.runtime.logs(container, LogQuery(follow=True)):
                    seen.append(line.content)

            following = asyncio.create_task(follow())
            for word in (b"one\n", b"two\n"):
                await console.write(word)
                async with asyncio.timeout(PATIENCE):
                    while seen[-1:] != [word]:
                        await asyncio.sleep(0.002)
            assert not following.done()
            await console.close_input()
            async with asyncio.timeout(PATIENCE):
                await following
            assert seen == [b"one\n", b"two\n"]

    play(story())


def test_a_driver_that_keeps_nothing_cannot_be_read(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = here.container(*NOISE, host_config=HostConfig(log_config=LogConfig("none")))
            await here.runtime.create(here.launch(container))
            console = await here.runtime.attach(container.id)
            await here.runtime.start(container.id)
            assert await everything(console) == {1: b"out\n", 2: b"err\n"}
            with pytest.raises(Unsupported, match="configured logging driver does not support reading"):
                _ = [line async for line in here.runtime.logs(container, LogQuery())]

    play(story())


def test_top_usage_and_update(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = here.container("sleep", "1000")
            pid = await here.runtime.create(here.launch(container))
            await here.runtime.start(container.id)
            titles, rows = await here.runtime.top(container.id, "")
            assert [row[titles.index("PID")] for row in rows] == [str(pid)]
            assert rows[0][-1] == "sleep 1000"
            assert (await here.runtime.usage(container.id)).pids == 1
            limited = replace(container, host_config=HostConfig(pids_limit=50))
            await here.runtime.update(limited)
            await here.runtime.kill(container.id, KILL)
            await here.end_of(container)

    play(story())


def test_containers_outlive_the_daemon(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            living = await here.run("cat", open_stdin=True)
            pid = (await here.runtime.alive())[living.id]
            ended = await here.run(*NOISE)
            first = await here.end_of(ended)
            here.ends.clear()
            await here.restart()
            assert await here.runtime.alive() == {living.id: pid}
            assert await here.end_of(ended) == first, "told again, as nobody has deleted it"
            console = await here.runtime.attach(living.id)
            await console.write(b"still there\n")
            assert await until(console, b"\n") == b"still there\n"
            await here.runtime.kill(living.id, KILL)
            assert (await here.end_of(living)).code == 137
            lines = [line.content async for line in here.runtime.logs(living, LogQuery())]
            assert lines == [b"still there\n"]

    play(story())


def test_what_was_deleted_before_it_was_told_is_not_told(world: Any) -> None:
    async def story() -> None:
        async with world() as here:
            container = await here.run(*NOISE)
            await here.end_of(container)
            here.ends.clear()
            await here.restart()
            await here.runtime.delete(container.id)
            await asyncio.sleep(0.02)
            assert here.ends == []

    play(story())
