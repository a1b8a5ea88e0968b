"""Named and anonymous volumes of the local driver."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fairlead.engine.context import Context
from fairlead.engine.ledger import drop, put
from fairlead.model.commands import CreateVolume
from fairlead.model.container import Volume
from fairlead.model.errors import Conflict, FairleadError, InvalidParameter, NotFound
from fairlead.model.views import Removed

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+\Z")


class Volumes:
    """Makes, finds and removes volumes; who uses one is seen in the containers' records."""

    def __init__(self, context: Context):
        self._context = context

    def list(self) -> Sequence[Volume]:
        """All volumes by name."""
        return sorted(self._context.records.volumes.values(), key=lambda each: each.name)

    def inspect(self, name: str) -> Volume:
        """The volume of that name.  NotFound in Docker's words."""
        volume = self._context.records.volumes.get(name)
        if volume is None:
            raise NotFound(f"get {name}: no such volume")
        return volume

    def users(self, name: str) -> Sequence[str]:
        """The ids of the containers that mount it."""
        containers = self._context.records.containers.values()
        return [each.id for each in containers if any(point.name == name for point in each.mounts)]

    async def create(self, request: CreateVolume) -> Volume:
        """The volume of that name, made if it is not there; "" makes an anonymous one."""
        context = self._context
        if request.driver not in ("", "local"):
            raise NotFound(
                f"create {request.name}: error looking up volume plugin {request.driver}: "
                f'plugin "{request.driver}" not found'
            )
        name = request.name or context.new_id()
        if len(name) < 2:
            raise InvalidParameter(
                f"create {name}: volume name is too short, names should be at least two alphanumeric "
                "characters"
            )
        if not NAME.match(name):
            raise InvalidParameter(
                f'create {name}: "{name}" includes invalid characters for a local volume name, only '
                '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use '
                "absolute path"
            )
        if request.options:
            raise InvalidParameter(f'create {name}: invalid option: "{next(iter(request.options))}"')
        existing = context.records.volumes.get(name)
        if existing is not None:
            return existing
        volume = Volume(
            name,
            context.clock.now(),
            "",
            labels=request.labels,
            options=request.options,
            anonymous=not request.name,
        )
        try:
            await context.ledger.commit(put(volume))
            context.at("volume create: record pending")
            volume = replace(volume, mountpoint=await context.machine.make_volume(name))
            await context.ledger.commit(put(volume))
        except BaseException:
            await context.machine.remove_volume(name)
            await context.ledger.commit(drop(volume))
            raise
        context.events.emit("volume", "create", name, {"driver": "local"})
        return volume

    async def remove(self, name: str, force: bool = False) -> None:
        """Delete an unused volume.  Conflict names the containers that use it; force forgives absence."""
        context = self._context
        if name not in context.records.volumes and force:
            return
        volume = self.inspect(name)
        users = self.users(name)
        if users:
            raise Conflict(f"remove {name}: volume is in use - [{', '.join(users)}]")
        # The files go first: a record without files is made good at the next start.
        await context.machine.remove_volume(name)
        context.at("volume remove: files gone")
        try:
            await context.ledger.commit(drop(volume))
        except FairleadError:
            await context.machine.make_volume(name)
            raise
        context.events.emit("volume", "destroy", name, {"driver": "local"})

    async def prune(self, chosen: Callable[[Volume], bool]) -> Removed:
        """Remove every chosen volume that no container mounts."""
        names, space = [], 0
        for volume in self.list():
            if not self.users(volume.name) and chosen(volume):
                space += await self._context.machine.usage(volume.mountpoint)
                await self.remove(volume.name)
                names.append(volume.name)
        self._context.events.emit("volume", "prune", "", {"reclaimed": str(space)})
        return Removed(tuple(names), space)

    async def usage(self) -> Mapping[str, tuple[int, int]]:
        """Bytes and number of users of each volume."""
        machine = self._context.machine
        return {v.name: (await machine.usage(v.mountpoint), len(self.users(v.name))) for v in self.list()}

    async def begin(self) -> None:
        """See that each has a directory: the making of one, or its removal, may have been cut short."""
        for volume in self.list():
            mountpoint = await self._context.machine.make_volume(volume.name)
            if not volume.mountpoint:
                await self._context.ledger.commit(put(replace(volume, mountpoint=mountpoint)))
