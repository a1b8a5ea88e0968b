"""Copies of the sockets of a process beside the daemon: when it is killed, none of them closes.

The next process is started with them and goes on; what has arrived meanwhile waits in them.  Since
they are open here too, a socket is let go here first, and only then there.
"""

import contextlib
import resource
import socket
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairlead.model.host import HeldPortKey, Key, ResolverKey
from fairlead.resolver.asking import close

BY_UDP_AND_TCP = 2
SHARE = 4  # of the files that the daemon may open, one in so many is for copies


@dataclass(slots=True)
class Kept:
    """An entry as the process tells of it: its value and its origin, both as documents, and its sockets."""

    value: Any
    origin: Any = None
    sockets: list[socket.socket] = field(default_factory=list)


class Keeper:
    """What one process held when it was last looked at."""

    def __init__(self) -> None:
        self._kept: dict[Key, Kept] = {}
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[0] // SHARE
        self._count = 0
        self._changing = 0
        self._changes = 0

    def everything(self) -> list[tuple[Key, Kept]]:
        """All that is kept."""
        return list(self._kept.items())

    def lacking(self, keys: Sequence[Key]) -> list[int]:
        """The places of those keys whose sockets are not here and should be, as far as there is room."""
        places, count = [], self._count
        for place, key in enumerate([] if self._changing else keys):
            sockets = _count(key)
            if sockets and key not in self._kept and count + sockets <= self._most:
                places.append(place)
                count += sockets
        return places

    @contextlib.contextmanager
    def changing(self, keys: Collection[Key]) -> Iterator[None]:
        """The process changes these entries meanwhile: their copies are let go before."""
        self._forget(keys)
        self._changing += 1
        try:
            yield
        finally:
            self._changing -= 1
            self._changes += 1

    @property
    def now(self) -> int:
        """Which state of the process it is that is being asked for."""
        return -1 if self._changing else self._changes

    def note(self, now: int, found: dict[Key, Kept]) -> None:
        """Keep what was found, with sockets where those were asked for; an entry without a value is gone.

        `now` is from before the question: what has been changed since then may not be as it was found.
        """
        if now != self.now or now < 0:
            for each in found.values():
                close(each.sockets)
            return
        self._forget([key for key, each in found.items() if each.value is None])
        for key, each in found.items():
            before = self._kept.get(key)
            if before is None and each.value is not None and len(each.sockets) == _count(key):
                self._kept[key] = each
                self._count += len(each.sockets)
                continue
            close(each.sockets)
            if before is not None:
                before.value = each.value

    def close(self) -> None:
        """Let everything go."""
        self._forget(list(self._kept))

    def _forget(self, keys: Collection[Key]) -> None:
        for key in keys:
            kept = self._kept.pop(key, None)
            if kept is not None:
                self._count -= len(kept.sockets)
                close(kept.sockets)


def _count(key: Key) -> int:
    """How many sockets an entry has."""
    match key:
        case HeldPortKey():
            return key.count
        case ResolverKey():
            return BY_UDP_AND_TCP
    return 0


def dealt(sockets: list[socket.socket], counts: Sequence[int]) -> list[list[socket.socket]]:
    """The sockets that came with an answer, by what they are for; none where some are missing."""
    if len(sockets) != sum(counts):
        close(sockets)
        return [[] for _ in counts]
    left = iter(sockets)
    return [[next(left) for _ in range(count)] for count in counts]
