"""How a demonstration is told: chapters, commands with what they say, and claims that are checked."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from fairlead.lab.host import Host, Result

BOLD, FAINT, GREEN, RED, PLAIN = (
    ("\033[1m", "\033[2m", "\033[32m", "\033[31m", "\033[0m") if sys.stdout.isatty() else ("",) * 5
)
PROGRAMS = Path(sys.executable).parent
LINES = 70  # of one output


class Untrue(Exception):
    """The story does not go as told."""


class Story:
    """Prints what is done and what is seen, and insists on what should be."""

    def __init__(self) -> None:
        self._chapters = 0
        self.checks = 0

    def chapter(self, title: str, *sentences: str) -> None:
        """Begin a chapter."""
        self._chapters += 1
        print(f"\n{BOLD}{self._chapters}. {title}{PLAIN}")
        for sentence in sentences:
            print(f"   {sentence}")

    def do(self, host: Host, command: str, deadline: float = 60.0) -> Result:
        """Run a command, which must succeed, and show what it says."""
        print(f"\n   {FAINT}{host.name}${PLAIN} {BOLD}{command}{PLAIN}", flush=True)
        began = time.monotonic()
        # This checkout's own programs come first, as for a user who installed them.
        result = host.run(f"PATH={PROGRAMS}:$PATH; {command}", deadline=deadline)
        lines = (result.stdout + result.stderr).rstrip().splitlines()
        for line in lines[:LINES]:
            print(f"   {line}")
        if len(lines) > LINES:
            print(f"   {FAINT}... {len(lines) - LINES} more lines{PLAIN}")
        print(f"   {FAINT}({(time.monotonic() - began) * 1000:.0f} ms){PLAIN}")
        if not result.ok:
            raise Untrue(f"`{command}` on {host.name} ended with exit code {result.code}")
        return result

    def see(self, sentence: str, true: bool) -> None:
        """Claim something, and stop if it is not so."""
        if not true:
            raise Untrue(f"not so: {sentence}")
        self.checks += 1
        print(f"   {GREEN}✓{PLAIN} {sentence}")


def settled(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether the condition becomes true within this time."""
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            return False
        time.sleep(0.1)
    return True
