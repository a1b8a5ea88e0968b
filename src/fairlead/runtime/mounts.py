"""The mounts of a container, in the order in which they are made: pure."""

import posixpath
from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.boundary import Launch
from fairlead.model.container import HostConfig, MountPoint

OciMount = dict[str, Any]
INIT_PATH = "/sbin/docker-init"
DEFAULT_SHM_SIZE = 64 * 1024 * 1024
_SHARED = ("shared", "rshared")
_SLAVE = ("slave", "rslave")
_CAREFUL = ("nosuid", "noexec", "nodev")
_TMPFS_DEFAULTS = ("noexec", "nosuid", "nodev")
# Options of which the later one wins.
_OPPOSITES: Mapping[str, str] = {
    "exec": "noexec",
    "suid": "nosuid",
    "dev": "nodev",
    "rw": "ro",
    "atime": "noatime",
    "diratime": "nodiratime",
    "async": "sync",
}


def _mount(destination: str, kind: str, source: str, *options: str) -> OciMount:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _basic(host_config: HostConfig, shm: str | None) -> list[OciMount]:
    """What every container has.  `shm`: the host's directory for /dev/shm, "" an own one, None no such.

    Source: Docker's `oci.DefaultLinuxSpec`.
    """
    access = () if host_config.privileged else ("ro",)
    mounts = [
        _mount("/proc", "proc", "proc", *_CAREFUL),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount(
            "/dev/pts",
            "devpts",
            "devpts",
            *("nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        ),
        _mount("/sys", "sysfs", "sysfs", *_CAREFUL, *access),
        _mount("/sys/fs/cgroup", "cgroup", "cgroup", *access, *_CAREFUL),
        _mount("/dev/mqueue", "mqueue", "mqueue", *_CAREFUL),
    ]
    if shm:
        mounts.append(_mount("/dev/shm", "bind", shm, "rbind", "rprivate"))
    elif shm == "":
        size = host_config.shm_size or DEFAULT_SHM_SIZE
        mounts.append(_mount("/dev/shm", "tmpfs", "shm", *_CAREFUL, "mode=1777", f"size={size}"))
    return mounts


def tmpfs_options(given: str) -> list[str]:
    """Docker's defaults for a tmpfs with the user's options over them: of opposites the last one stays."""
    chosen: dict[str, str] = {}
    for word in (*_TMPFS_DEFAULTS, *(word.strip() for word in given.split(","))):
        if word:
            key = _OPPOSITES.get(word, word).partition("=")[0]
            chosen.pop(key, None)
            chosen[key] = word
    return list(chosen.values())


def _of_point(point: MountPoint) -> OciMount:
    access = "rw" if point.writable else "ro"
    if point.type == "tmpfs":
        options = tmpfs_options(point.tmpfs_options)
        return _mount(point.destination, "tmpfs", "tmpfs", *options, *(() if point.writable else ("ro",)))
    bind = "rbind" if point.recursive else "bind"
    return _mount(point.destination, "bind", point.source, bind, access, point.propagation or "rprivate")


def _depth(mount: OciMount) -> int:
    return len([part for part in str(mount["destination"]).split("/") if part])


def _users(launch: Launch) -> list[OciMount]:
    """Everything that differs from container to container, parents before children."""
    host_config = launch.container.host_config
    mounts = {posixpath.normpath(point.destination): _of_point(point) for point in launch.mounts}
    for destination, options in (host_config.tmpfs or {}).items():
        mounts.setdefault(
            posixpath.normpath(destination),
            _mount(destination, "tmpfs", "tmpfs", *tmpfs_options(options)),
        )
    access = "ro" if host_config.readonly_rootfs else "rw"
    for destination, name in launch.bind_files.items():
        source = posixpath.join(launch.directory, name)
        mounts.setdefault(destination, _mount(destination, "bind", source, "rbind", access, "rprivate"))
    if launch.init_path:
        mounts[INIT_PATH] = _mount(INIT_PATH, "bind", launch.init_path, "bind", "ro", "rprivate")
    return sorted(mounts.values(), key=_depth)


def mounts(launch: Launch, shm: str | None) -> list[OciMount]:
    """All mounts; one asked for by the user takes the place of a usual one."""
    users = _users(launch)
    taken = {posixpath.normpath(mount["destination"]) for mount in users}
    basic = [
        mount
        for mount in _basic(launch.container.host_config, shm)
        if mount["destination"] not in taken
        and not ("/dev" in taken and mount["destination"].startswith("/dev/"))
    ]
    return basic + users


def root_propagation(points: Iterable[MountPoint]) -> str:
    """The propagation that the root needs so that its binds' can work, "" for none in particular."""
    kinds = {point.propagation for point in points if point.type == "bind"}
    if kinds & set(_SHARED):
        return "shared"
    return "rslave" if kinds & set(_SLAVE) else ""


def is_shared(propagation: str) -> bool:
    """Whether mounts made inside are to be seen outside."""
    return propagation in _SHARED


def is_slave(propagation: str) -> bool:
    """Whether mounts made outside are to be seen inside."""
    return propagation in _SLAVE
