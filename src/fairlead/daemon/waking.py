"""Many hints that something may have changed become one look at it, soon and never two at once."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

log = logging.getLogger(__name__)
PAUSE = 0.25  # seconds in which further hints are gathered


@dataclass(slots=True)
class Waking:
    """Calls `look` after hints; `hint` may be called as often as one likes, in the event loop."""

    look: Callable[[], Coroutine[Any, Any, None]]
    _hinted: bool = False
    _task: "asyncio.Task[None] | None" = field(default=None)

    def hint(self) -> None:
        """Something may have changed."""
        self._hinted = True
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def finish(self) -> None:
        """No more looks; one that is under way is given up."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while self._hinted:
            await asyncio.sleep(PAUSE)
            self._hinted = False
            try:
                await self.look()
            except Exception:
                log.exception("cannot follow a change of the host")
