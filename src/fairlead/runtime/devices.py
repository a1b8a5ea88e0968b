"""The host's devices that a container is given: looked up when it is made."""

import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fairlead.model.container import Device, HostConfig
from fairlead.model.errors import StartFailed

DeviceNumbers = Mapping[str, tuple[int, int]]
# Under /dev, what belongs to one machine or one terminal alone (Docker's `devices.HostDevices`).
_SKIPPED = frozenset(("pts", "shm", "fd", "mqueue", ".lxc", ".lxd-mounts", ".udev", "console"))


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """A device node to be made in the container; `kind` is c or b, `access` of r, w, m."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int
    access: str = "rwm"

    def document(self) -> dict[str, Any]:
        """The node as the OCI runtime specification writes it."""
        return {
            "path": self.path,
            "type": self.kind,
            "major": self.major,
            "minor": self.minor,
            "fileMode": self.mode,
            "uid": self.uid,
            "gid": self.gid,
        }


def _node(path: str, shown: str, access: str) -> DeviceNode | None:
    found = os.stat(path)
    if stat.S_ISCHR(found.st_mode):
        kind = "c"
    elif stat.S_ISBLK(found.st_mode):
        kind = "b"
    else:
        return None
    major, minor = os.major(found.st_rdev), os.minor(found.st_rdev)
    return DeviceNode(
        shown, kind, major, minor, stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid, access
    )


def _below(directory: str, shown: str, access: str) -> Iterator[DeviceNode]:
    for entry in sorted(os.scandir(directory), key=lambda each: each.name):
        if entry.name in _SKIPPED or entry.is_symlink():
            continue
        inside = f"{shown.rstrip('/')}/{entry.name}"
        if entry.is_dir():
            yield from _below(entry.path, inside, access)
        elif node := _node(entry.path, inside, access):
            yield node


def _asked_for(device: Device) -> Iterator[DeviceNode]:
    shown = device.path_in_container or device.path_on_host
    complaint = f'error gathering device information while adding custom device "{device.path_on_host}"'
    try:
        path = os.path.realpath(device.path_on_host, strict=True)
        if os.path.isdir(path):
            yield from _below(path, shown, device.permissions)
            return
        node = _node(path, shown, device.permissions)
    except OSError as error:
        raise StartFailed(f"{complaint}: {(error.strerror or '').lower()}") from error
    if node is None:
        raise StartFailed(f"{complaint}: not a device node")
    yield node


def gather(host_config: HostConfig) -> tuple[DeviceNode, ...]:
    """Nodes for what --device names, or for all of the host's when privileged.

    A directory stands for all devices in it.  StartFailed in Docker's words when one is missing.
    """
    if host_config.privileged:
        return tuple(_below("/dev", "/dev", "rwm"))
    return tuple(node for device in host_config.devices for node in _asked_for(device))


def numbers(host_config: HostConfig) -> DeviceNumbers:
    """(major, minor) of every block device that a limit names.  StartFailed when one is missing."""
    limits = (
        host_config.blkio_weight_device,
        host_config.blkio_device_read_bps,
        host_config.blkio_device_write_bps,
        host_config.blkio_device_read_iops,
        host_config.blkio_device_write_iops,
    )
    found = {}
    for path in {device.path for devices in limits for device in devices or ()}:
        try:
            number = os.stat(path).st_rdev
        except OSError as error:
            raise StartFailed(f"cannot limit {path}: {error.strerror}") from error
        found[path] = (os.major(number), os.minor(number))
    return found
