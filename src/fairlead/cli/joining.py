"""Attaching the user's terminal or pipes to a process in a container, until either side ends."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fairlead.cli import terminal
from fairlead.cli.detaching import DEFAULT, Detacher, parse_keys
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.session import Session
from fairlead.cli.streams import Joint, Plug
from fairlead.client import Client
from fairlead.client.errors import ClientError
from fairlead.client.hijack import Hijacked


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams are attached, and whether the process has a terminal."""

    stdin: bool
    stdout: bool
    stderr: bool
    tty: bool
    detach_keys: str = ""


def check_terminal(session: Session, stdin: bool, tty: bool) -> None:
    """A terminal inside needs one outside.  Ending when the input is none."""
    if stdin and tty and not session.interactive(0):
        raise Ending(1, "the input device is not a TTY")


def chosen_keys(session: Session, given: str) -> str:
    """The detach keys: of the command line, else of the configuration, else none of our choice."""
    configured = session.configuration.get("detachKeys")
    return given or (configured if isinstance(configured, str) else "")


def join(session: Session, stream: Hijacked, wanted: Wanted) -> bool:
    """Pass bytes until the container's side ends; whether the user has detached instead."""
    session.output.flush()
    detacher = _detacher(session, wanted.detach_keys) if wanted.tty and wanted.stdin else None
    error = 1 if wanted.tty else 2
    plug = Plug(
        0 if wanted.stdin else None,
        1 if wanted.stdout else None,
        error if wanted.stderr else None,
        detacher,
    )
    joint = Joint(stream, plug, not wanted.tty)
    is_raw = wanted.tty and wanted.stdin
    try:
        with contextlib.ExitStack() as stack:
            if is_raw:
                stack.enter_context(terminal.raw(0))
            joint.run()
    finally:
        stream.close()
    return joint.detached


def _detacher(session: Session, keys: str) -> Detacher:
    try:
        return Detacher(parse_keys(keys or DEFAULT))
    except Invalid as problem:
        session.complain(f"invalid detach escape keys, using default: {problem}")
        return Detacher(parse_keys(DEFAULT))


# Never passed on: those about the client itself, and those that cannot be caught.
_OWN = {
    signal.SIGCHLD,
    signal.SIGKILL,
    signal.SIGPIPE,
    signal.SIGSTOP,
    signal.SIGURG,
    signal.SIGWINCH,
}

_ATTEMPTS = 10


class Watch:
    """The signals of the client while it is attached: passed on, or a new size of its terminal.

    A context; `resize` is told height and width, `kill` the name of a signal.  Each is a request on a
    connection of its own, so it may be made wherever the signal interrupts.
    """

    def __init__(self, resize: Callable[[int, int], None] | None, kill: Callable[[str], None] | None):
        self._resize, self._kill = resize, kill
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "Watch":
        caught = set(signal.valid_signals()) - _OWN if self._kill else set()
        if self._resize:
            caught.add(signal.SIGWINCH)
        for number in caught:
            with contextlib.suppress(OSError, ValueError):
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)

    def fit(self, redraw: bool = False) -> None:
        """Give the container's terminal the size of ours; `redraw` makes it notice in any case.

        A process that has just been started may not have its terminal yet: then it is tried again, aside.
        """
        if redraw:
            self._try(1)
        if not self._try(0):
            threading.Thread(target=self._insist, daemon=True).start()

    def _insist(self) -> None:
        for attempt in range(1, _ATTEMPTS):
            time.sleep(attempt * 0.01)
            if self._try(0):
                return

    def _try(self, larger: int) -> bool:
        height, width = terminal.size(1)
        if not self._resize or not (height and width):
            return True
        try:
            self._resize(height + larger, width + larger)
        except ClientError:
            return False
        return True

    def _handle(self, number: int, _: object) -> None:
        if number == signal.SIGWINCH:
            self.fit()
        elif self._kill:
            # One that has gone meanwhile needs no signal any more.
            with contextlib.suppress(ClientError):
                self._kill(_name(number))


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name.removeprefix("SIG")
    except ValueError:
        return str(number)


def container_watch(client: Client, container: str, tty: bool, proxy: bool) -> Watch:
    """What to do with signals while attached to a container."""

    def resize(height: int, width: int) -> None:
        client.containers.resize(container, height, width)

    def kill(name: str) -> None:
        client.containers.kill(container, name)

    shows = tty and os.isatty(1)
    return Watch(resize if shows else None, kill if proxy else None)
