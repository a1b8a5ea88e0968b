"""What is mounted into a container: binds, named and anonymous volumes, tmpfs, others' volumes."""

import posixpath
from collections.abc import Callable
from dataclasses import replace

from fairlead.boundary import Machine
from fairlead.engine.volumes import Volumes
from fairlead.model.commands import CreateVolume
from fairlead.model.container import Config, Container, HostConfig, Mount, MountPoint
from fairlead.model.errors import InvalidParameter, NotFound

MODES = ("ro", "rw", "z", "Z", "nocopy", "consistent", "cached", "delegated")
UNTOLD = "z"  # a volume's mode where none is given, as Docker shows it
PROPAGATIONS = ("private", "rprivate", "shared", "rshared", "slave", "rslave")


def parse_bind(text: str) -> MountPoint:
    """A `-v` specification, SOURCE:DESTINATION[:MODE]: a bind when the source is a path, else a volume.

    Raises InvalidParameter in Docker's words.
    """
    parts = text.split(":")
    if len(parts) == 1 and text.startswith("/"):
        # A path alone is an anonymous volume there, as with -v.
        return MountPoint("volume", "", _inside(text, text, "volume"), UNTOLD, driver="local")
    if not 1 < len(parts) <= 3 or not parts[0] or not parts[1]:
        raise InvalidParameter(f"invalid volume specification: '{text}'")
    source, destination = parts[0], posixpath.normpath(parts[1])
    bind = source.startswith("/")
    mode = parts[2] if len(parts) == 3 else "" if bind else UNTOLD
    words = [word for word in mode.split(",") if word]
    if any(word not in MODES + PROPAGATIONS for word in words):
        raise InvalidParameter(f"invalid mode: {mode}")
    _inside(text, parts[1], "bind" if bind else "volume")
    if bind and "nocopy" in words:
        raise InvalidParameter(
            f"invalid volume specification: '{text}': invalid mount config for type \"bind\": field "
            "VolumeOptions must not be specified"
        )
    propagation = next((word for word in words if word in PROPAGATIONS), "rprivate" if bind else "")
    return MountPoint(
        type="bind" if bind else "volume",
        source=posixpath.normpath(source) if bind else "",
        destination=destination,
        mode=mode,
        writable="ro" not in words,
        propagation=propagation,
        name="" if bind else source,
        driver="" if bind else "local",
        copy="nocopy" not in words,
    )


def _inside(text: str, path: str, kind: str) -> str:
    """The path in the container that a specification names.  InvalidParameter in Docker's words."""
    wrong = f"invalid volume specification: '{text}': invalid mount config for type \"{kind}\": "
    if not path.startswith("/"):
        raise InvalidParameter(f"{wrong}invalid mount path: '{path}' mount path must be absolute")
    if not path.strip("/"):
        raise InvalidParameter(f"{wrong}invalid specification: destination can't be '/'")
    return posixpath.normpath(path)


class Mounts:
    """Resolves a container's mounts when it is created."""

    def __init__(self, machine: Machine, volumes: Volumes, find: Callable[[str], Container]):
        self._machine = machine
        self._volumes = volumes
        self._find = find

    async def resolve(self, config: Config, host_config: HostConfig) -> tuple[MountPoint, ...]:
        """Every mount by destination; volumes that do not exist are made.  InvalidParameter if one is wrong.

        Later sources win over earlier ones: others' volumes, binds, --mount, then the image's volumes
        where nothing else is mounted.
        """
        points: dict[str, MountPoint] = {}
        for reference in host_config.volumes_from or ():
            for point in self._taken_over(reference):
                points[point.destination] = point
        given: set[str] = set()
        own = [parse_bind(text) for text in host_config.binds or ()]
        own += [await self._mount(mount) for mount in host_config.mounts or ()]
        for point in own:
            if point.destination in given:
                raise InvalidParameter(f"Duplicate mount point: {point.destination}")
            given.add(point.destination)
            points[point.destination] = point
        for destination in config.volumes or ():
            path = posixpath.normpath(destination)
            if path not in points and path not in (host_config.tmpfs or {}):
                points[path] = MountPoint("volume", "", path, driver="local")
        wishes = {posixpath.normpath(mount.target): mount for mount in host_config.mounts or ()}
        return tuple([await self._made(point, wishes.get(point.destination)) for point in points.values()])

    def _taken_over(self, reference: str) -> list[MountPoint]:
        name, _, mode = reference.partition(":")
        if mode not in ("", "ro", "rw", "z", "Z"):
            raise InvalidParameter(f"invalid mode: {mode}")
        try:
            points = self._find(name).mounts
        except NotFound as error:
            raise InvalidParameter(error.message) from error
        return [
            replace(point, writable=point.writable and mode != "ro", mode=mode or point.mode)
            for point in points
            if point.type != "tmpfs"
        ]

    async def _mount(self, mount: Mount) -> MountPoint:
        target = posixpath.normpath(mount.target)
        wrong = f'invalid mount config for type "{mount.type}": '
        if not mount.target.startswith("/"):
            raise InvalidParameter(f"{wrong}invalid mount path: '{mount.target}' mount path must be absolute")
        if mount.type == "bind":
            if not mount.source.startswith("/"):
                raise InvalidParameter(
                    f"{wrong}invalid mount path: '{mount.source}' mount path must be absolute"
                )
            if not mount.create_mountpoint and not await self._machine.exists(mount.source):
                raise InvalidParameter(f"{wrong}bind source path does not exist: {mount.source}")
            propagation = mount.propagation or "rprivate"
            if propagation not in PROPAGATIONS:
                raise InvalidParameter(f"{wrong}invalid propagation mode: {propagation}")
            return MountPoint(
                "bind",
                mount.source,
                target,
                "",
                not mount.read_only,
                propagation,
                recursive=not mount.non_recursive,
            )
        if mount.type == "volume":
            return MountPoint(
                "volume",
                "",
                target,
                UNTOLD,
                not mount.read_only,
                name=mount.source,
                driver=mount.driver_name or "local",
                copy=not mount.no_copy,
            )
        if mount.type == "tmpfs":
            options = [f"size={mount.tmpfs_size}"] if mount.tmpfs_size else []
            options += [f"mode={mount.tmpfs_mode:o}"] if mount.tmpfs_mode else []
            return MountPoint("tmpfs", "", target, "", not mount.read_only, tmpfs_options=",".join(options))
        raise InvalidParameter(f'mount type unknown: "{mount.type}"')

    async def _made(self, point: MountPoint, wish: Mount | None) -> MountPoint:
        if point.type == "bind":
            await self._machine.ensure_directory(point.source)
            return point
        if point.type == "volume" and not point.source:
            request = CreateVolume(point.name, point.driver or "local")
            if wish is not None:
                request = replace(request, options=wish.driver_options, labels=wish.labels)
            volume = await self._volumes.create(request)
            return replace(point, name=volume.name, source=volume.mountpoint, driver=volume.driver)
        return point
