"""Frames as somebody who does not keep to any rule sends them, and a look at what arrives elsewhere."""

import contextlib
import ctypes
import os
import socket
import time
from collections.abc import Iterable, Iterator

from fairlead.lab.host import Host

CLONE_NEWNET = 0x40000000
ETH_P_ALL = 3
SO_RCVBUFFORCE = 33
ROOM = 16 << 20  # bytes of waiting frames
_libc = ctypes.CDLL(None, use_errno=True)


def namespace(host: Host, container: str = "") -> str:
    """The network namespace of a host, or of a container on it."""
    return f"/proc/{host.pid}/root/run/netns/{container}" if container else f"/proc/{host.pid}/ns/net"


@contextlib.contextmanager
def entered(path: str) -> Iterator[None]:
    """The calling thread in another network namespace; sockets made there stay there."""
    home, there = os.open("/proc/thread-self/ns/net", os.O_RDONLY), os.open(path, os.O_RDONLY)
    try:
        _enter(there)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)
        os.close(there)


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


class Wire:
    """One end of a link: sends any frame, and hears every frame that comes in."""

    def __init__(self, path: str, link: str) -> None:
        with entered(path):
            self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM)
            self._socket.bind((link, ETH_P_ALL))
        self._socket.setblocking(False)
        self.mac = ":".join(f"{byte:02x}" for byte in self._socket.getsockname()[4])

    def send(self, frames: Iterable[bytes]) -> None:
        """Send the frames one after the other."""
        for frame in frames:
            while True:
                try:
                    self._socket.send(frame)
                    break
                except BlockingIOError:
                    time.sleep(0.001)

    def heard(self) -> list[bytes]:
        """What has come in since the last call, without what was sent from here."""
        frames = []
        with contextlib.suppress(BlockingIOError):
            while True:
                frame, sender = self._socket.recvfrom(65536)
                if sender[2] != socket.PACKET_OUTGOING:
                    frames.append(frame)
        return frames

    def close(self) -> None:
        """Let the socket go."""
        self._socket.close()
