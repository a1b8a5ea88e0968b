"""The user's terminal: raw while a container's terminal is shown on it, and how large it is."""

import contextlib
import os
import signal
import termios
import tty
from collections.abc import Iterator


def size(descriptor: int = 1) -> tuple[int, int]:
    """Height and width in characters; (0, 0) when it is no terminal."""
    try:
        found = os.get_terminal_size(descriptor)
    except OSError:
        return 0, 0
    return found.lines, found.columns


_ENDING = (signal.SIGTERM, signal.SIGHUP)


def _leave(number: int, _: object) -> None:
    """End as the signal would, but by way of every clean-up."""
    raise SystemExit(128 + number)


@contextlib.contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Every key goes through as it is; at the end the terminal is what it was (no terminal: nothing is)."""
    try:
        before = termios.tcgetattr(descriptor)
    except (termios.error, OSError):
        yield
        return
    # Unless they are the container's: then they are passed on.
    plain = [number for number in _ENDING if signal.getsignal(number) == signal.SIG_DFL]
    for number in plain:
        signal.signal(number, _leave)
    try:
        tty.setraw(descriptor, termios.TCSANOW)
        yield
    finally:
        for number in plain:
            signal.signal(number, signal.SIG_DFL)
        with contextlib.suppress(termios.error, OSError):
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
