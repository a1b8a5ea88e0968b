"""The clock, chance and fault points of a real daemon."""

import asyncio
import os
import signal
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


def fault_point(name: str) -> None:
    """Kill this process where FAIRLEAD_FAULT names the point: for tests of what a crash leaves.

    SIGKILL, since nothing that a process does at its end may be needed for the next to be well.
    """
    if os.environ.get("FAIRLEAD_FAULT") == name:
        os.kill(os.getpid(), signal.SIGKILL)
