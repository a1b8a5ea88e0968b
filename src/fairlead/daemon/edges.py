"""The clock and chance of a real daemon."""

import asyncio
import os
import time


class SystemClock:
    """boundary.Clock on the machine's own clock and random numbers."""

    def now(self) -> int:
        """Nanoseconds since the epoch."""
        return time.time_ns()

    def chance(self, count: int) -> bytes:
        """That many random bytes."""
        return os.urandom(count)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)
