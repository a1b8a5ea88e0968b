"""The user's streams joined with a container's: one loop over both directions, no threads.

Neither side is ever waited for alone: a container that writes while it is written to cannot stall.
"""

import os
import select
from dataclasses import dataclass
from typing import Any

from fairlead.cli.detaching import Detacher
from fairlead.client.hijack import Hijacked
from fairlead.client.streams import STDERR, Frames

_BLOCK = 32768


@dataclass(slots=True)
class Plug:
    """The user's end: descriptors to read from and to write to, None where nothing is attached."""

    stdin: int | None
    stdout: int | None
    stderr: int | None
    detacher: Detacher | None = None


class Joint:
    """A hijacked stream and the user's end of it."""

    def __init__(self, stream: Hijacked, plug: Plug, multiplexed: bool):
        self._stream, self._plug = stream, plug
        self._frames = Frames() if multiplexed else None
        self._unsent = b""
        self._input_open = plug.stdin is not None
        self._stream_open = True
        self.detached = False

    def run(self) -> None:
        """Until the container's side ends, or the user detaches (`detached`)."""
        if not self._input_open:
            self._stream.finish_sending()
        while self._stream_open and not self.detached:
            self._step()

    def _step(self) -> None:
        readers: list[Any] = [self._stream]
        if self._input_open and not self._unsent:
            readers.append(self._plug.stdin)
        writers = [self._stream] if self._unsent or self._stream.sending else []
        patience = 0 if self._stream.waiting else None
        readable, writable, _ = select.select(readers, writers, [], patience)
        if self._stream in readable or self._stream.waiting:
            self._receive()
        if self._plug.stdin in readable:
            self._read_input()
        if writable or self._unsent:
            self._send()

    def _receive(self) -> None:
        data = self._stream.receive()
        if data == b"":
            self._stream_open = False
        elif data and self._frames:
            for number, content in self._frames.feed(data):
                _write(self._plug.stderr if number == STDERR else self._plug.stdout, content)
        elif data:
            _write(self._plug.stdout, data)

    def _read_input(self) -> None:
        assert self._plug.stdin is not None
        try:
            data = os.read(self._plug.stdin, _BLOCK)
        except OSError:
            # A terminal that has gone away.
            data = b""
        if not data:
            self._input_open = False
            self._stream.finish_sending()
            return
        if self._plug.detacher:
            data = self._plug.detacher.feed(data)
            self.detached = self._plug.detacher.detached
        self._unsent += data

    def _send(self) -> None:
        try:
            sent = self._stream.send(self._unsent)
        except BrokenPipeError:
            # The process has closed its input; its output may go on.
            self._input_open, sent = False, len(self._unsent)
        self._unsent = self._unsent[sent:]


def _write(descriptor: int | None, data: bytes) -> None:
    view = memoryview(data)
    while descriptor is not None and view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:
            # Somebody who shares our terminal has made it non-blocking.
            select.select([], [descriptor], [])
