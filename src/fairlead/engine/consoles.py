"""Attaching to containers that may not have started yet: clients attach first and start then."""

import asyncio
from collections import defaultdict
from dataclasses import dataclass, field

from fairlead.boundary import Runtime, Stream
from fairlead.model.errors import FairleadError


class WaitingStream:
    """A boundary.Stream that becomes the container's console when it starts, or ends when it does not."""

    def __init__(self) -> None:
        self._real: asyncio.Future[Stream | None] = asyncio.get_running_loop().create_future()

    def connect(self, stream: Stream | None) -> None:
        """From now on be this stream; None: there will be none."""
        if not self._real.done():
            self._real.set_result(stream)

    async def read(self) -> tuple[int, bytes] | None:
        """The next output, None at its end."""
        stream = await asyncio.shield(self._real)
        return None if stream is None else await stream.read()

    async def write(self, content: bytes) -> None:
        """Send input as soon as there is somebody to read it."""
        stream = await asyncio.shield(self._real)
        if stream is not None:
            await stream.write(content)

    async def close_input(self) -> None:
        """End of input."""
        stream = await asyncio.shield(self._real)
        if stream is not None:
            await stream.close_input()

    async def close(self) -> None:
        """Let go, also of a console that has not come yet."""
        if self._real.done():
            stream = self._real.result()
            if stream is not None:
                await stream.close()
        else:
            self._real.set_result(None)


@dataclass(slots=True)
class Consoles:
    """The streams that wait for a container's start."""

    runtime: Runtime
    _waiting: defaultdict[str, list[WaitingStream]] = field(default_factory=lambda: defaultdict(list))

    def wait_for(self, container_id: str) -> Stream:
        """A stream for a container that is about to start."""
        stream = WaitingStream()
        self._waiting[container_id].append(stream)
        return stream

    async def connect(self, container_id: str) -> None:
        """The container's process is made: give everybody who waits its console."""
        for waiting in self._waiting.pop(container_id, ()):
            try:
                waiting.connect(await self.runtime.attach(container_id))
            except FairleadError:
                waiting.connect(None)

    def give_up(self, container_id: str) -> None:
        """The start failed, or the container is gone: nobody waits any longer."""
        for waiting in self._waiting.pop(container_id, ()):
            waiting.connect(None)


def ended() -> WaitingStream:
    """The console of a container whose process has gone: nothing comes."""
    stream = WaitingStream()
    stream.connect(None)
    return stream
