"""Whatever is asked of an engine in whatever order, killed wherever: the host is what the records ask for."""

import asyncio
import contextlib
import logging
import os
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from fairlead.model.container import PortRequest
from fairlead.model.endpoint import Attachment
from fairlead.model.errors import FairleadError
from tests.fakes.faults import Killed, Way
from tests.fakes.host import MemoryHost

NAMES = st.sampled_from(["one", "two", "three"])
NETWORKS = st.sampled_from(["blue", "red"])
HOMES = st.sampled_from(["blue", "red", "bridge", "none", "host", "container:one"])
PORTS = st.sampled_from([(), (8080,), (8080, 8081)])
CALLS = st.sampled_from(
    "store.commit links.perform links.observe rules.perform nftables.perform ports.perform names.perform "
    "runtime.create runtime.start runtime.delete runtime.kill images.prepare images.release images.discard "
    "machine.write_files".split()
)
EXAMPLES = int(os.environ.get("FAIRLEAD_EXAMPLES", "12"))
STEPS = 20
DEADLINE = 20.0  # seconds for what takes milliseconds


class Engines(RuleBasedStateMachine):
    """One host, and the engines that follow each other on it."""

    def __init__(self) -> None:
        super().__init__()
        logging.disable(logging.CRITICAL)
        self.directory = Path(tempfile.mkdtemp(prefix="fairlead-engines-"))
        self.loop = asyncio.new_event_loop()
        self.host = MemoryHost(self.directory)
        self.run(self.begin())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        async def in_time() -> Any:
            async with asyncio.timeout(DEADLINE):
                return await work

        return self.loop.run_until_complete(in_time())

    async def begin(self) -> None:
        await self.host.prepare()
        await self.host.begin()

    async def ask(self, work: Coroutine[Any, Any, object]) -> None:
        """What may be refused, and what the engine may die of."""
        task, death = asyncio.create_task(work), asyncio.create_task(self.host.faults.died.wait())
        await asyncio.wait([task, death], return_when=asyncio.FIRST_COMPLETED)
        death.cancel()
        task.cancel()
        await asyncio.wait([task, death])
        self.host.faults.died.clear()
        if not task.cancelled() and not isinstance(task.exception(), (FairleadError, Killed, type(None))):
            task.result()
        await self.revive()

    async def revive(self) -> None:
        """The next engine, where the last one has died of something that it did behind its clients."""
        while self.host.faults.dead or not self.host.begun:
            self.host.faults.died.clear()
            with contextlib.suppress(Killed, FairleadError):
                await self.host.restart()

    @rule(name=NAMES, home=HOMES, ports=PORTS)
    def run_container(self, name: str, home: str, ports: tuple[int, ...]) -> None:
        wishes = tuple(PortRequest(80 + port % 2, "tcp", host_port=str(port)) for port in ports)
        self.run(self.ask(self.host.run(name, network_mode=home, port_bindings=wishes)))

    @rule(name=NAMES)
    def start(self, name: str) -> None:
        self.run(self.ask(self.host.engine.containers.start(name)))

    @rule(name=NAMES)
    def stop(self, name: str) -> None:
        self.run(self.ask(self.host.engine.containers.stop(name, 0)))

    @rule(name=NAMES)
    def restart(self, name: str) -> None:
        self.run(self.ask(self.host.engine.containers.restart(name, 0)))

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        self.run(self.ask(self.host.engine.containers.remove(name, force=True, volumes=True)))

    @rule(name=NAMES, other=NAMES)
    def rename(self, name: str, other: str) -> None:
        self.run(self.ask(self.host.engine.containers.rename(name, other)))

    @rule(network=NETWORKS, internal=st.booleans())
    def create_network(self, network: str, internal: bool) -> None:
        self.run(self.ask(self.host.network(network, internal=internal)))

    @rule(network=NETWORKS)
    def remove_network(self, network: str) -> None:
        self.run(self.ask(self.host.engine.networks.remove(network)))

    @rule(name=NAMES, network=NETWORKS)
    def connect(self, name: str, network: str) -> None:
        self.run(self.ask(self.host.engine.connections.connect(network, name, Attachment(network))))

    @rule(name=NAMES, network=NETWORKS)
    def disconnect(self, name: str, network: str) -> None:
        self.run(self.ask(self.host.engine.connections.disconnect(network, name)))

    @rule()
    def crash(self) -> None:
        async def crash() -> None:
            await self.host.kill()
            await self.revive()

        self.run(crash())

    @rule(call=CALLS, count=st.integers(1, 3), way=st.sampled_from([Way.KILL, Way.KILL_HALFWAY, Way.FAIL]))
    def arm(self, call: str, count: int, way: Way) -> None:
        """Something will go wrong before long."""
        self.host.faults.arm(call, count, way)

    @invariant()
    def the_host_is_what_the_records_ask_for(self) -> None:
        async def wrong() -> list[str]:
            armed = self.host.faults.name, self.host.faults.count, self.host.faults.way
            self.host.faults.name = ""
            found: list[str] = []
            await self.revive()
            for _ in range(60):
                found = [each for each in await self.host.findings() if "its phase is removing" not in each]
                if not found:
                    break
                await asyncio.sleep(0.01)
            self.host.faults.name, self.host.faults.count, self.host.faults.way = armed
            return found

        assert self.run(wrong()) == []

    def teardown(self) -> None:
        self.run(self.host.kill())
        self.loop.close()
        shutil.rmtree(self.directory, ignore_errors=True)
        logging.disable(logging.NOTSET)


def test_the_host_is_always_what_the_records_ask_for() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Engines,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=EXAMPLES < 100,
            suppress_health_check=list(HealthCheck),
        ),
    )
