"""/dev/shm as containers share it: a tmpfs of the host's, in the bundle of the one that lends it."""

import ctypes
import os

from fairlead.boundary import Launch
from fairlead.model.errors import StartFailed
from fairlead.runtime.bundle import Bundle, Bundles
from fairlead.runtime.mounts import DEFAULT_SHM_SIZE

_NOSUID, _NODEV, _NOEXEC = 2, 4, 8  # source: linux/mount.h
_DETACH = 2
_libc = ctypes.CDLL(None, use_errno=True)
_NOT_SHAREABLE = "non-shareable IPC (hint: use IpcMode:shareable for the donor container)"


def place(launch: Launch, bundles: Bundles) -> str:
    """The directory of the host that becomes the container's /dev/shm, "" for an own one inside.

    Mounts it where the container lends it.  StartFailed when another's cannot be had.
    """
    own = launch.container.host_config
    if own.ipc_mode == "host":
        return "/dev/shm"
    if own.ipc_mode == "shareable":
        bundle = bundles.of(launch.container.id)
        _mount(bundle.shared_memory, own.shm_size or DEFAULT_SHM_SIZE)
        return bundle.shared_memory
    if "ipc" in launch.joined:
        lender = _lender(launch.joined["ipc"], bundles)
        if lender is None or not os.path.ismount(lender.shared_memory):
            raise StartFailed(_NOT_SHAREABLE)
        return lender.shared_memory
    return ""


def _lender(namespace: str, bundles: Bundles) -> Bundle | None:
    """Whose namespace it is; the path is /proc/PID/ns/ipc."""
    pid = namespace.split("/")[2:3]
    return next((bundle for bundle in bundles.all() if [str(bundle.pid())] == pid), None)


def _mount(path: str, size: int) -> None:
    os.makedirs(path, mode=0o700, exist_ok=True)
    options = f"mode=1777,size={size}".encode()
    if _libc.mount(b"shm", os.fsencode(path), b"tmpfs", _NOSUID | _NODEV | _NOEXEC, options):
        raise StartFailed(f"cannot mount the shared memory {path}: {os.strerror(ctypes.get_errno())}")


def take_away(bundle: Bundle) -> None:
    """Unmount what `place` mounted.  Fine when there is nothing."""
    if os.path.isdir(bundle.shared_memory):
        _libc.umount2(os.fsencode(bundle.shared_memory), _DETACH)
