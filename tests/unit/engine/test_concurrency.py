"""Sixty-four clients at once: each gets what it would get alone, and the host is what the records ask for."""

import asyncio
import random
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fairlead.model.endpoint import Attachment
from fairlead.model.errors import FairleadError
from tests.fakes.host import MemoryHost, memory_host

CLIENTS, REQUESTS = 64, 8
NETWORKS = ("red", "green", "blue")
LONGEST = 120.0  # seconds; who waits as long waits for ever
SHARED = "shared"  # a container that all of them want


@dataclass
class Client:
    """One client with a container of its own, and what it knows must have become of it."""

    host: MemoryHost
    name: str
    chance: random.Random
    status: str = ""  # "" while there is none
    networks: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    async def work(self) -> None:
        """So many requests, one after the other."""
        for _ in range(REQUESTS):
            await self.request(
                self.chance.choice(("create", "start", "stop", "remove", "connect", "disconnect"))
            )
            if self.chance.random() < 0.2:
                await self.ask(self.host.run(SHARED))
                await self.ask(self.host.engine.containers.remove(SHARED, force=True))

    async def ask(self, work: Coroutine[Any, Any, object]) -> bool:
        """Whether it was done, not refused."""
        try:
            async with asyncio.timeout(LONGEST):
                await work
        except FairleadError:
            return False
        return True

    async def request(self, what: str) -> None:
        engine, network = self.host.engine, self.chance.choice(NETWORKS)
        possible = {
            "create": not self.status,
            "start": self.status in ("created", "exited"),
            "stop": self.status == "running",
            "remove": bool(self.status),
            "connect": bool(self.status) and (network not in self.networks or self.status != "running"),
            "disconnect": network in self.networks,
        }[what]
        deeds = {
            "create": lambda: self.host.create(self.name, network_mode=network),
            "start": lambda: engine.containers.start(self.name),
            "stop": lambda: engine.containers.stop(self.name),
            "remove": lambda: engine.containers.remove(self.name, force=True),
            "connect": lambda: engine.connections.connect(network, self.name, Attachment(network)),
            "disconnect": lambda: engine.connections.disconnect(network, self.name),
        }
        done = await self.ask(deeds[what]())
        if done != possible:
            self.wrong.append(f"{self.name}: {what} of a container that is {self.status or 'absent'}: {done}")
        if done:
            self.note(what, network)

    def note(self, what: str, network: str) -> None:
        """What is so from now on."""
        match what:
            case "create":
                self.status, self.networks = "created", {network}
            case "start":
                self.status = "running"
            case "stop":
                self.status = "exited"
            case "remove":
                self.status, self.networks = "", set()
            case "connect":
                self.networks.add(network)
            case "disconnect":
                self.networks.discard(network)

    def agrees(self) -> bool:
        """Whether the engine knows the same."""
        found = self.host.engine._context.records.container_named(self.name)
        if found is None:
            return not self.status
        return (
            found.state.status == self.status
            and {each.network for each in found.attachments} == self.networks
        )


async def together(directory: Path, seed: int) -> list[str]:
    """What is wrong when all have done their work."""
    async with memory_host(directory) as host:
        for name in NETWORKS:
            await host.network(name)
        clients = [Client(host, f"client{n}", random.Random(seed * 1000 + n)) for n in range(CLIENTS)]
        await asyncio.gather(*(each.work() for each in clients))
        wrong = [text for each in clients for text in each.wrong]
        wrong += [f"{each.name} is not {each.status or 'absent'}" for each in clients if not each.agrees()]
        records = host.engine._context.records
        for network in records.networks:
            taken = [address for each in records.endpoints_on(network) for address in each.addresses]
            wrong += [] if len(taken) == len(set(taken)) else ["two endpoints have the same address"]
        return wrong + await host.findings()


def test_many_clients_agree_with_what_each_would_see_alone(tmp_path: Path) -> None:
    assert asyncio.run(together(tmp_path, seed=1)) == []
