"""Starts logs afresh when they have reached their size: a look at each once a second."""

import asyncio
import contextlib
import os
from dataclasses import dataclass

from fairlead.runtime import control, logs
from fairlead.runtime.bundle import Bundle
from fairlead.runtime.logs import Rotation
from fairlead.runtime.preparation import LOG_FILES, LOG_SIZE

_EVERY = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class _Log:
    directory: str
    path: str
    rotation: Rotation


class Rotator:
    """The logs that are kept in several files; one file alone is conmon's own business."""

    def __init__(self) -> None:
        self._logs: dict[str, _Log] = {}
        self._task: asyncio.Task[None] | None = None

    def adopt(self, bundle: Bundle, path: str) -> None:
        """Look after the log of a container of an earlier daemon, as its document says."""
        notes = bundle.read().get("annotations", {})
        self.add(bundle, path, Rotation(int(notes.get(LOG_SIZE, 0)), int(notes.get(LOG_FILES, 1))))

    def add(self, bundle: Bundle, path: str, rotation: Rotation) -> None:
        """Look after the log at `path` while the container lives."""
        if rotation.size and rotation.files > 1:
            self._logs[bundle.container_id] = _Log(bundle.path, path, rotation)
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._look())

    def forget(self, container_id: str) -> None:
        """Its log does not grow any longer."""
        self._logs.pop(container_id, None)

    async def _look(self) -> None:
        while self._logs:
            for log in list(self._logs.values()):
                with contextlib.suppress(OSError):
                    if os.path.getsize(log.path) >= log.rotation.size:
                        await asyncio.to_thread(logs.rotate, log.path, log.rotation.files)
                        control.reopen_log(log.directory)
            await asyncio.sleep(_EVERY)
        self._task = None

    def close(self) -> None:
        """Look no longer."""
        if self._task is not None:
            self._task.cancel()
