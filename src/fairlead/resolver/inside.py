"""The way into a sandbox's network namespace: to open sockets there, and back.

A thread enters, not a process; no thread may be started meanwhile, since it would be born inside.
"""

import contextlib
import ctypes
import logging
import os
from collections.abc import Iterator

from fairlead.model.errors import NotFound

log = logging.getLogger(__name__)

PINS = "/run/netns"
CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

Identity = tuple[int, int]  # device and inode: which namespace it is, whatever it is called


class Namespaces:
    """The namespaces below `pins`, as seen from the one that the process was started in."""

    def __init__(self, pins: str = PINS):
        self._pins = pins
        self._home = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._device = os.fstat(self._home).st_dev

    def identity(self, name: str) -> Identity | None:
        """Which namespace is pinned under a name, None if none is."""
        try:
            found = os.stat(os.path.join(self._pins, name))
        except OSError:
            return None
        # A pin that was made and not yet, or no longer, mounted is an ordinary file.
        return (found.st_dev, found.st_ino) if found.st_dev == self._device else None

    @contextlib.contextmanager
    def inside(self, name: str) -> Iterator[None]:
        """The calling thread in the namespace.  Raises NotFound where none is pinned, OSError."""
        if self.identity(name) is None:
            raise NotFound(f"there is no network namespace {name}")
        pin = os.open(os.path.join(self._pins, name), os.O_RDONLY | os.O_CLOEXEC)
        try:
            _enter(pin)
        finally:
            os.close(pin)
        try:
            yield
        finally:
            try:
                _enter(self._home)
            except OSError as error:
                # In a container's namespace it would answer the wrong ones: better none at all.
                log.critical("cannot come back from network namespace %s: %s", name, error)
                os._exit(1)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
