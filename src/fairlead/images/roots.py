"""Root filesystems of containers: an image's layers below, the container's own changes on top.

    ROOTS/CONTAINER/        diff work merged, and `lower`: the layers it was made on, topmost first
    ROOTS/base/LAYER/diff   the empty mount points that every container of an image shares

Mounts are found by looking, never remembered, so they outlive the daemon.  Other users of the
storage (`podman rmi`) do not know of these roots: an image that a container uses must not be
removed behind the engine's back.
"""

import asyncio
import contextlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from fairlead.images.catalogue import Layer
from fairlead.images.mounting import Mounter
from fairlead.images.spool import writing
from fairlead.model.errors import Failed, NotFound
from fairlead.model.image import RootFilesystem

_DIRECTORIES = ("dev/pts", "dev/shm", "proc", "sys")
_FILES = (".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf")
_LINKS = {"etc/mtab": "/proc/mounts"}


class Roots:
    """Makes, mounts, unmounts and deletes them."""

    def __init__(self, directory: Path, graph_root: Path):
        self._directory = directory
        self._overlay = graph_root / "overlay"
        self._bases = directory / "base"
        self._bases.mkdir(parents=True, exist_ok=True)
        if self._overlay.exists():
            self._forget_lost()
        self._mounter = Mounter(self._overlay / "l")
        self._making: dict[str, asyncio.Lock] = {}

    async def prepare(self, container_id: str, chain: Sequence[Layer]) -> RootFilesystem:
        """The root of a container, mounted; made on these layers (topmost first) if there is none yet."""
        async with self._lock(container_id):
            home = self._home(container_id)
            if not (home / "lower").exists():
                layers = [layer.id for layer in chain]
                await self._base(layers)
                await self._delete(home)  # an unfinished one
                with writing(f"cannot make the root filesystem of {container_id[:12]}"):
                    _make_home(home, layers)
            return await self._mounted(home)

    async def root(self, container_id: str) -> RootFilesystem:
        """The root of a container that has one, mounted.  NotFound if it has none."""
        async with self._lock(container_id):
            home = self._home(container_id)
            if not (home / "lower").exists():
                raise NotFound(f"cannot use the root filesystem of {container_id[:12]}: there is none")
            return await self._mounted(home)

    async def release(self, container_id: str) -> None:
        """Unmount the root; the changes stay."""
        async with self._lock(container_id):
            await self._mounter.unmount(self._home(container_id) / "merged")

    async def discard(self, container_id: str) -> None:
        """Unmount the root and delete it with its changes.  Fine when there is none."""
        async with self._lock(container_id):
            await self._delete(self._home(container_id))
        self._making.pop(container_id, None)

    async def forget_bases(self, layers: Sequence[str]) -> None:
        """Delete the mount points of images whose top layers are these."""
        for layer in layers:
            async with self._lock(layer):
                await asyncio.to_thread(_delete, self._bases / layer)

    def _forget_lost(self) -> None:
        """Delete mount points of layers that have gone: an engine that was killed did not come to it."""
        for base in self._bases.iterdir():
            if not (self._overlay / base.name.removesuffix(".new")).exists():
                shutil.rmtree(base, ignore_errors=True)

    async def _delete(self, home: Path) -> None:
        if home.exists():
            await self._mounter.unmount(home / "merged")
            with writing(f"cannot delete the root filesystem at {home}"):
                await asyncio.to_thread(_delete_home, home)

    def _home(self, container_id: str) -> Path:
        if not container_id or "/" in container_id or container_id in (".", "..", self._bases.name):
            raise NotFound(f"cannot use a root filesystem: {container_id!r} is no container id")
        return self._directory / container_id

    def _lock(self, name: str) -> asyncio.Lock:
        return self._making.setdefault(name, asyncio.Lock())

    async def _mounted(self, home: Path) -> RootFilesystem:
        layers = json.loads((home / "lower").read_text())
        merged, upper, work = home / "merged", home / "diff", home / "work"
        base = self._bases / layers[0] / "diff" if layers else None
        below = [self._overlay / layer / "diff" for layer in layers]
        if not os.path.ismount(merged):
            await self._base(layers)
            names = [str(base), *map(self._shortened, layers)]
            await self._mounter.mount(names, upper, work, merged)
        lower = (str(base), *map(str, below))
        return RootFilesystem(str(merged), str(upper), lower, str(work), layers[0])

    def _shortened(self, layer: str) -> str:
        """The layer's short name in the storage's directory of links, else its full path."""
        # Read each time: a layer that was deleted and came again has another one.
        try:
            return (self._overlay / layer / "link").read_text().strip()
        except OSError:
            return str(self._overlay / layer / "diff")

    async def _base(self, layers: Sequence[str]) -> None:
        """Make the mount points over an image, as a layer of their own, unless they are there.

        So they count neither as a container's changes nor into its size.  They are made in a mount
        of the image, which gives the directories that are there already their owner and mode.
        """
        if not layers:
            raise Failed("cannot make a root filesystem: the image has no layers")
        async with self._lock(layers[0]):
            home = self._bases / layers[0]
            if home.exists():
                return
            making = self._bases / f"{layers[0]}.new"
            merged = making / "merged"
            await self._mounter.unmount(merged)
            _delete(making)
            with writing("cannot make the mount points over an image"):
                for name in ("diff", "work", "merged"):
                    (making / name).mkdir(parents=True)
            try:
                lower = [self._shortened(layer) for layer in layers]
                await self._mounter.mount(lower, making / "diff", making / "work", merged)
                with writing("cannot make the mount points over an image"):
                    await asyncio.to_thread(_make_mount_points, merged)
            finally:
                await self._mounter.unmount(merged)
            making.rename(home)


def _make_home(home: Path, layers: Sequence[str]) -> None:
    """The directories of a container's root; `lower` comes last and says that they are complete."""
    home.mkdir(exist_ok=True)
    home.chmod(0o710)
    for name in ("diff", "work", "merged"):
        _make_directory(home / name)  # the mode of `diff` is what the container sees of its /
    unfinished = home / "lower.new"
    unfinished.write_text(json.dumps(list(layers)))
    unfinished.rename(home / "lower")


def _make_mount_points(root: Path) -> None:
    """Make what a runtime mounts on; whatever an image has in such a place that is no directory goes.

    No link of the image is followed: each part of a path is made sure to be a directory first.
    """
    for path in (*_DIRECTORIES, *_FILES, *_LINKS):
        directories = path if path in _DIRECTORIES else os.path.dirname(path)
        reached = root
        for name in filter(None, directories.split("/")):
            reached = reached / name
            _clear(reached)
            _make_directory(reached)
        if path in _DIRECTORIES:
            continue
        _clear(root / path)
        if path in _LINKS:
            with contextlib.suppress(FileExistsError):  # a directory of the image's: it stays
                os.symlink(_LINKS[path], root / path)
        elif not (root / path).is_dir():
            descriptor = os.open(root / path, os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o755)
            os.fchmod(descriptor, 0o755)
            os.close(descriptor)


def _make_directory(path: Path) -> None:
    """Make a directory with mode 0755, whatever the umask; one that is there keeps its mode."""
    if not path.is_dir():
        path.mkdir()
        path.chmod(0o755)


def _clear(path: Path) -> None:
    """Take away whatever is at the path, unless it is a directory."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)


def _delete_home(home: Path) -> None:
    """Delete a container's root; what is left of it when that is cut short counts as none."""
    (home / "lower").unlink(missing_ok=True)
    _delete(home)


def _delete(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)
