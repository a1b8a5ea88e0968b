"""What a starting daemon makes of containers that live, and in which order it brings others back."""

import asyncio
from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass, field, replace

import pytest

from fairlead.boundary import Exit
from fairlead.engine.context import Context
from fairlead.engine.ledger import put
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.stay import Stay
from fairlead.engine.supervision import Supervision, needs
from fairlead.engine.waits import Waits
from fairlead.model.config import Settings
from fairlead.model.container import Container, ContainerState, HostConfig, RestartPolicy
from fairlead.model.errors import Failed, Unavailable
from fairlead.model.records import Records
from tests.unit.engine.places import FakeHost, bridge, container, context, place, write

ALWAYS = HostConfig(restart_policy=RestartPolicy("always"))


@dataclass
class Parts:
    """The parts that supervision drives: each notes what it is told."""

    shared: Context
    living: dict[str, int] = field(default_factory=dict)
    told: list[tuple[str, str, int]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    away: int = 0  # so many starts find the cluster store away
    begun: dict[str, str] = field(default_factory=dict)  # what state each was in before anything started

    # the runtime
    async def alive(self) -> dict[str, int]:
        return self.living

    async def last_exit(self, container_id: str) -> Exit | None:
        return None

    async def exits(self) -> AsyncIterator[Exit]:
        await asyncio.Event().wait()
        yield Exit("", 0, 0)

    async def delete(self, container_id: str) -> None:
        pass

    async def release(self, container_id: str) -> None:
        pass

    # the life of containers
    async def end(self, exit: Exit) -> Container:
        self.told.append(("end", exit.container_id[:3], exit.code))
        now = self.shared.records.containers[exit.container_id]
        ended = replace(now, state=replace(now.state, status="exited", exit_code=exit.code))
        await self.shared.ledger.commit(put(ended))
        return ended

    async def start(self, container_id: str, restart_count: int) -> None:
        for _ in range(5 if container_id.startswith("web") else 0):
            await asyncio.sleep(0)  # a start that takes its time
        self.told.append(("start", container_id[:3], restart_count))
        if self.away:
            self.away -= 1
            raise Unavailable("cannot join network demo: the cluster store is away")
        if container_id in self.refused:
            raise Failed("cannot start")

    async def take_away(self, container_id: str, volumes: bool) -> None:
        self.told.append(("take away", container_id[:3], int(volumes)))

    # health checks, the clock
    def watch(self, container: Container) -> None:
        self.told.append(("watch", container.id[:3], 0))

    def forget(self, container_id: str) -> None:
        pass

    def finish(self) -> None:
        pass

    async def sleep(self, seconds: float) -> None:
        pass


def begin(live_restore: bool, *containers: Container, refused: tuple[str, ...] = (), away: int = 0) -> Parts:
    """Start a daemon that finds these containers; those that run are alive."""
    known = Records(networks={bridge().id: bridge()})
    for number, each in enumerate(containers):
        write(known, replace(each, sequence=number))
        if each.state.running:
            sandbox, endpoint = place(each, bridge(), number + 2)
            write(known, sandbox, endpoint)
    shared = context(FakeHost(), known)
    shared.settings = Settings(live_restore=live_restore)
    parts = Parts(shared, {each.id: 7 for each in containers if each.state.running})
    parts.refused, parts.away = {name * 64 for name in refused}, away
    shared.runtime = shared.images = shared.clock = parts  # type: ignore[assignment]

    async def run() -> None:
        sandboxes = RestoringSandboxes(parts)
        supervision = Supervision(shared, parts, parts, sandboxes, Waits(), parts)  # type: ignore[arg-type]
        await supervision.begin()
        parts.begun = {each.id[:3]: each.state.status for each in shared.records.containers.values()}
        supervision.watch()
        for _ in range(20):
            await asyncio.sleep(0)
        await supervision.finish()

    asyncio.run(run())
    return parts


class RestoringSandboxes(Sandboxes):
    """Sandboxes that note what is restored."""

    def __init__(self, parts: Parts):
        super().__init__(parts.shared)
        self._parts = parts

    async def restore(self, stays: Collection[tuple[Stay, str]]) -> None:
        if len(stays) > 1 and "odd" in [label for _, label in stays]:
            raise Failed("cannot restore them together")
        self._parts.told += [("restore", label[:3], 0) for _, label in stays]


def test_what_comes_back_does_not_count_as_running_before_it_runs() -> None:
    parts = begin(False, replace(container("web"), host_config=ALWAYS))
    assert parts.begun == {"web": "exited"}
    assert ("start", "web", 0) in parts.told


def test_what_lives_is_adopted() -> None:
    assert begin(True, container("web")).told == [("restore", "web", 0), ("watch", "web", 0)]


def test_one_that_cannot_be_restored_keeps_no_other_from_it() -> None:
    told = begin(True, container("web"), container("odd"), container("app")).told
    assert told[:3] == [("restore", "web", 0), ("restore", "odd", 0), ("restore", "app", 0)]


def test_without_live_restore_what_lives_is_killed() -> None:
    once = replace(container("one"), host_config=HostConfig(auto_remove=True))
    parts = begin(False, container("web"), once)
    assert parts.told == [("end", "web", 137), ("end", "one", 137), ("take away", "one", 1)]


def test_who_is_killed_comes_back_once_if_its_policy_says_so() -> None:
    parts = begin(False, replace(container("web"), host_config=ALWAYS))
    assert parts.told[:2] == [("end", "web", 137), ("start", "web", 0)]
    assert [step for step, _, _ in parts.told].count("start") == 1


@pytest.mark.parametrize("refused", [(), ("web",)])
def test_targets_of_links_come_back_first(refused: tuple[str, ...]) -> None:
    ended = ContainerState("exited", ever_started=True)
    web = replace(container("web"), host_config=ALWAYS, state=ended)
    app = replace(container("app", links=[(web.id, "db")]), host_config=ALWAYS, state=ended)
    parts = begin(True, web, app, refused=refused)
    assert [name for step, name, _ in parts.told if step == "start"] == ["web", "app"]


def test_who_needs_a_store_that_is_away_is_tried_again() -> None:
    ended = ContainerState("exited", ever_started=True)
    parts = begin(True, replace(container("app"), host_config=ALWAYS, state=ended), away=2)
    assert [step for step, _, _ in parts.told] == ["start", "start", "start", "watch"]


def test_sharing_a_namespace_is_a_need() -> None:
    sharing = HostConfig(network_mode="container:abc", pid_mode="container:def", ipc_mode="host")
    assert needs(replace(container("web", links=[("fed", "x")]), host_config=sharing)) == {
        "abc",
        "def",
        "fed",
    }
