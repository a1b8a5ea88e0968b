"""How containers end: told once each, whoever watched or did not.

conmon writes the exit code before it ends itself, so its end (a pidfd) is all there is to watch.
Nothing is taken away here: until the bundle is deleted, another daemon finds the same end.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable

from fairlead.boundary import Exit
from fairlead.runtime import processes
from fairlead.runtime.bundle import Bundle, Bundles
from fairlead.runtime.cgroups import Cgroups

LOST = 255  # the exit code of a process whose end nobody saw
CgroupsOf = Callable[[Bundle], Cgroups | None]


class ExitWatch:
    """Watches the containers of one daemon."""

    def __init__(self, bundles: Bundles, cgroups_of: CgroupsOf):
        self._bundles = bundles
        self._cgroups_of = cgroups_of
        self._ends: dict[str, Exit] = {}  # not told yet
        self._order: asyncio.Queue[str] = asyncio.Queue()
        self._cancels: dict[str, Callable[[], None]] = {}
        self._ended: dict[str, asyncio.Event] = {}

    async def iterate(self) -> AsyncIterator[Exit]:
        """Every end from now on, and first those that are found."""
        while True:
            exit = self._ends.pop(await self._order.get(), None)
            if exit is not None:
                yield exit

    def watch_all(self) -> None:
        """Watch whatever is there."""
        for bundle in self._bundles.all():
            self.watch(bundle)

    def watch(self, bundle: Bundle) -> None:
        """From now on the container's end is told.  One that has never been a process does not end."""
        self.forget(bundle.container_id)
        monitor, pid = bundle.monitor(), bundle.pid()
        if monitor or pid or os.path.exists(bundle.exit_file):
            self._ended[bundle.container_id] = asyncio.Event()
            self._follow(bundle, monitor or pid, is_monitor=bool(monitor))

    def _follow(self, bundle: Bundle, pid: int, *, is_monitor: bool) -> None:
        def ended() -> None:
            self._step(bundle, pid, is_monitor=is_monitor)

        self._cancels[bundle.container_id] = processes.on_end(pid, ended)

    def _step(self, bundle: Bundle, pid: int, *, is_monitor: bool) -> None:
        code = processes.reap(pid)
        survivor = bundle.pid()
        if is_monitor and survivor:
            # Somebody killed conmon; the container itself goes on, and may be our own child now.
            self._follow(bundle, survivor, is_monitor=False)
            return
        container_id = bundle.container_id
        seen = LOST if code is None or is_monitor else code
        self._cancels.pop(container_id, None)
        self._ended[container_id].set()
        self._ends[container_id] = self.last(bundle) or Exit(container_id, seen, 0)
        self._order.put_nowait(container_id)

    def last(self, bundle: Bundle) -> Exit | None:
        """How the container ended, as conmon noted it; None if it did not."""
        try:
            with open(bundle.exit_file, encoding="ascii") as file:
                code, noted = int(file.read()), os.fstat(file.fileno()).st_mtime_ns
        except (OSError, ValueError):
            return None
        return Exit(bundle.container_id, code, noted, self._oom_killed(bundle))

    def _oom_killed(self, bundle: Bundle) -> bool:
        if os.path.exists(f"{bundle.path}/oom"):
            return True
        cgroups = self._cgroups_of(bundle)
        return cgroups is not None and cgroups.oom_killed()

    def forget(self, container_id: str) -> None:
        """Its end is of no interest any longer, also if it has come."""
        self._ends.pop(container_id, None)
        cancel = self._cancels.pop(container_id, None)
        if cancel is not None:
            cancel()
        ended = self._ended.pop(container_id, None)
        if ended is not None:
            ended.set()

    def over(self, container_id: str) -> asyncio.Event:
        """Set as soon as the container has ended; set already if it is not watched."""
        event = self._ended.get(container_id)
        if event is None:
            event = asyncio.Event()
            event.set()
        return event

    def close(self) -> None:
        """Watch nothing any longer."""
        for container_id in list(self._cancels):
            self.forget(container_id)
