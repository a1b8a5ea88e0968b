"""Questions begin one after the other, one in each round of the event loop.

A change waits dozens of times for the kernel or a program, and goes on each time only after all else
that is ready.  Where sixty clients ask at once, each of these waits would be sixty answers long.
"""

import asyncio
from collections import deque


class Pace:
    """Gives turns in the order in which they are asked for."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def turn(self) -> None:
        """Wait until no other question begins in this round."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[None] = loop.create_future()
        self._waiting.append(mine)
        if len(self._waiting) == 1:
            loop.call_soon(self._next)
        await mine

    def _next(self) -> None:
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()  # its client has gone
        if self._waiting:
            self._waiting.popleft().set_result(None)
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
