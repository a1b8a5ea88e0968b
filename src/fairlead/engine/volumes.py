"""Named and anonymous volumes of the local driver."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from fairlead.engine.context import Context
from fairlead.engine.ledger import drop, put
from fairlead.model.commands import CreateVolume
from fairlead.model.container import Container, Volume
from fairlead.model.errors import Conflict, FairleadError, InvalidParameter, NotFound
from fairlead.model.views import Removed

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+\Z")
OPTIONS, NEEDED = ("type", "o", "device"), ("device", "type")


def check_options(name: str, options: Mapping[str, str]) -> None:
    """InvalidParameter, in Docker's words, for options that are not those of a device to mount."""
    wrong = next((option for option in options if option not in OPTIONS), None)
    if wrong is not None:
        raise InvalidParameter(f'create {name}: invalid option: "{wrong}"')
    missing = next((option for option in NEEDED if options and not options.get(option)), None)
    if missing is not None:
        raise InvalidParameter(f'create {name}: missing required option: "{missing}"')


def check_name(name: str) -> None:
    """InvalidParameter, in Docker's words, for what cannot be a volume's name."""
    if len(name) == 1:
        raise InvalidParameter(
            f"create {name}: volume name is too short, names should be at least two alphanumeric characters"
        )
    if not NAME.match(name):
        raise InvalidParameter(
            f'create {name}: "{name}" includes invalid characters for a local volume name, only '
            '"[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use '
            "absolute path"
        )


class Volumes:
    """Makes, finds and removes volumes; who uses one is seen in the containers' records."""

    def __init__(self, context: Context):
        self._context = context
        self._mounted_for: dict[str, set[str]] = {}  # volumes that are devices: the containers that run

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
        check_name(name)
        check_options(name, request.options)
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
        if volume.options:
            await context.machine.unmount_volume(volume.mountpoint)
        # The files go first: a record without files is made good at the next start.
        await context.machine.remove_volume(name)
        context.at("volume remove: files gone")
        try:
            await context.ledger.commit(drop(volume))
        except FairleadError:
            await context.machine.make_volume(name)
            raise
        self._mounted_for.pop(name, None)
        context.forget_lock(f"volume {name}")
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

    async def mount(self, container: Container) -> None:
        """Mount the devices of its volumes, where no other container has done so.  Failed as Docker says."""
        for volume in self._devices(container):
            async with self._context.lock(f"volume {volume.name}"):
                await self._context.machine.mount_volume(volume.mountpoint, volume.options)
                self._mounted_for.setdefault(volume.name, set()).add(container.id)

    async def release(self, container: Container) -> None:
        """The container runs no more: devices that no other one uses are unmounted."""
        for volume in self._devices(container):
            async with self._context.lock(f"volume {volume.name}"):
                others = self._mounted_for.get(volume.name, set()) - {container.id}
                self._mounted_for[volume.name] = others
                if not others:
                    await self._context.machine.unmount_volume(volume.mountpoint)

    def _devices(self, container: Container) -> Sequence[Volume]:
        found = (self._context.records.volumes.get(point.name) for point in container.mounts)
        return [volume for volume in found if volume is not None and volume.options]

    async def begin(self) -> None:
        """See that each has a directory, which may have been cut short, and no device without a container."""
        for container in self._context.records.containers.values():
            if container.state.status in ("running", "paused"):
                for volume in self._devices(container):
                    self._mounted_for.setdefault(volume.name, set()).add(container.id)
        for volume in self.list():
            mountpoint = await self._context.machine.make_volume(volume.name)
            if not volume.mountpoint:
                await self._context.ledger.commit(put(replace(volume, mountpoint=mountpoint)))
            elif volume.options and volume.name not in self._mounted_for:
                await self._context.machine.unmount_volume(mountpoint)
