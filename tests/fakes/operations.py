"""The operations whose every call of the outside world is a fault point: what is there before, and what is asked."""

import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from fairlead.model.commands import CreateVolume
from fairlead.model.container import PortRequest
from fairlead.model.endpoint import Attachment
from fairlead.model.errors import Conflict, NotFound
from tests.fakes.host import MemoryHost

Deed = Callable[[MemoryHost], Coroutine[Any, Any, object]]


async def _nothing(host: MemoryHost) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Operation:
    """What is asked, and what is there before.

    `leaves` is part of a finding that may stay until the same is asked again: a container that has
    lost its root cannot have it back.
    """

    act: Deed
    prepare: Deed = _nothing
    leaves: str = "nothing"


async def clear(host: MemoryHost) -> None:
    """Take away all containers, networks and volumes."""
    for container in list(host.engine._context.records.containers.values()):
        try:
            await host.engine.containers.remove(container.id, force=True, volumes=True)
        except (NotFound, Conflict):
            continue
    for network in list(host.engine._context.records.networks.values()):
        if not network.predefined:
            await host.engine.networks.remove(network.id)
    for volume in list(host.engine._context.records.volumes):
        await host.engine.volumes.remove(volume)


async def create(host: MemoryHost) -> None:
    """A container on a network, with a volume of its own."""
    await host.create("victim", network_mode="blue", binds=("keep:/keep",))


async def run(host: MemoryHost) -> None:
    """The same, with a published port, running."""
    if "blue" not in [each.network.name for each in host.engine.networks.list()]:
        await host.network("blue")
    ports = (PortRequest(80, "tcp", host_port="8080"),)
    await host.run("victim", network_mode="blue", binds=("keep:/keep",), port_bindings=ports)


async def running_and_more(host: MemoryHost) -> None:
    """A running container, a second network, and a container that links to the first."""
    await run(host)
    await host.network("red")


async def connected(host: MemoryHost) -> None:
    await running_and_more(host)
    await host.engine.connections.connect("red", "victim", Attachment("red"))


async def stopped(host: MemoryHost) -> None:
    await run(host)
    await host.engine.containers.stop("victim")


async def blue(host: MemoryHost) -> None:
    await host.network("blue")


async def created(host: MemoryHost) -> None:
    await blue(host)
    ports = (PortRequest(80, "tcp", host_port="8080"),)
    await host.create("victim", network_mode="blue", binds=("keep:/keep",), port_bindings=ports)


async def linked(host: MemoryHost) -> None:
    await host.run("target")
    await host.run("victim", links=("target:target",))


OPERATIONS: dict[str, Operation] = {
    "create": Operation(create, blue),
    "start": Operation(lambda host: host.engine.containers.start("victim"), created),
    "start again": Operation(lambda host: host.engine.containers.start("victim"), stopped),
    "stop": Operation(lambda host: host.engine.containers.stop("victim"), run),
    "kill": Operation(lambda host: host.engine.containers.kill("victim"), run),
    "restart": Operation(lambda host: host.engine.containers.restart("victim"), run),
    "remove": Operation(
        lambda host: host.engine.containers.remove("victim"), stopped, leaves="its phase is removing"
    ),
    "remove by force": Operation(
        lambda host: host.engine.containers.remove("victim", force=True), run, leaves="its phase is removing"
    ),
    "connect": Operation(
        lambda host: host.engine.connections.connect("red", "victim", Attachment("red")), running_and_more
    ),
    "disconnect": Operation(lambda host: host.engine.connections.disconnect("red", "victim"), connected),
    "disconnect the way out": Operation(
        lambda host: host.engine.connections.disconnect("blue", "victim"), connected
    ),
    "network create": Operation(blue),
    "network remove": Operation(lambda host: host.engine.networks.remove("blue"), blue),
    "rename": Operation(lambda host: host.engine.containers.rename("victim", "other"), run),
    "pause": Operation(lambda host: host.engine.containers.pause("victim"), run),
    "volume create": Operation(lambda host: host.engine.volumes.create(CreateVolume("data"))),
    "volume remove": Operation(
        lambda host: host.engine.volumes.remove("data"),
        lambda host: host.engine.volumes.create(CreateVolume("data")),
    ),
    "build": Operation(lambda host: host.build()),
    "stop of a link's target": Operation(lambda host: host.engine.containers.stop("target"), linked),
    "start of the daemon": Operation(lambda host: host.restart(), run),
}
# What is said where the deed was done before the engine died.
DONE_ALREADY = re.compile(
    r"already|not connected|not found|No such|is not running|get .*: no such volume|same name"
)
