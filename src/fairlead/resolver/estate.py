"""What a process beside the daemon hands to its successor: its sockets stay open, so that nobody notices.

The predecessor stops reading, sends a document and its sockets, and waits until it hears that they
were taken.  Then it only finishes what it had begun.  If it hears nothing it reads on, as if
nothing had been: the sockets are the same ones.  For one that was killed the daemon sends what it
has kept, and waits for no word.
"""

import contextlib
import json
import os
import select
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fairlead.model.errors import Failed, Unavailable
from fairlead.resolver import descriptors
from fairlead.resolver.descriptors import HasNumber

PATIENCE = 10.0  # seconds for each word of the conversation
SIZE = struct.Struct("!QI")  # bytes of the document, number of sockets
TAKEN = b"taken"


@dataclass(frozen=True, slots=True)
class Estate:
    """A document of what is held, and what it is held by, in an order that both sides know."""

    document: Any
    sockets: Sequence[HasNumber]


@dataclass(frozen=True, slots=True)
class Inheritance:
    """The same as it arrives."""

    document: Any
    sockets: list[socket.socket]


def hand_over(estate: Estate, address: str) -> None:
    """Send an estate to the successor that listens there, and wait until it has taken it.  Raises Failed."""
    with socket.socket(socket.AF_UNIX) as deed:
        deed.settimeout(PATIENCE)
        try:
            deed.connect(address)
            send(estate, deed)
            if deed.recv(len(TAKEN), socket.MSG_WAITALL) != TAKEN:
                raise Failed("cannot hand over: the successor ended before it had taken everything")
        except OSError as error:
            raise Failed(f"cannot hand over: {error.strerror or error}") from error


def send(estate: Estate, connection: socket.socket) -> None:
    """Send it, without waiting for an answer.  OSError."""
    content = json.dumps(estate.document).encode()
    connection.sendall(SIZE.pack(len(content), len(estate.sockets)) + content)
    descriptors.send(connection, estate.sockets)


def receive(connection: socket.socket) -> Inheritance:
    """What `send` sent.  Failed where it does not arrive as a whole."""
    sockets: list[socket.socket] = []
    connection.settimeout(PATIENCE)
    try:
        length, count = SIZE.unpack(_exactly(connection, SIZE.size))
        content = _exactly(connection, length)
        while len(sockets) < count:
            piece, found, whole = descriptors.receive(connection, len(descriptors.CARRIER))
            sockets += found
            if not piece or not found or not whole:
                raise ValueError("not all of its sockets arrived")
        return Inheritance(json.loads(content), sockets)
    except (OSError, ValueError) as error:
        for each in sockets:
            each.close()
        raise Failed(f"cannot take over: {error}") from error


class Deed:
    """The successor's end: the estate, and the word that it was taken."""

    def __init__(self, control_path: str):
        """Ask who answers the control socket for what it holds; it reads nothing until `taken` or `close`.

        Raises Unavailable when nobody answers, Failed when it does not hand over.
        """
        address = f"{control_path}.{os.getpid()}"
        with contextlib.ExitStack() as undo:
            listener = undo.enter_context(socket.socket(socket.AF_UNIX))
            with contextlib.suppress(FileNotFoundError):
                os.unlink(address)  # of one that was killed, and had our number
            before = os.umask(0o177)  # for its owner only, from the beginning
            try:
                listener.bind(address)
            finally:
                os.umask(before)
            undo.callback(os.unlink, address)
            listener.listen(1)
            self._asking = socket.socket(socket.AF_UNIX)
            with contextlib.ExitStack() as failed:
                failed.callback(self._asking.close)
                self._asking.settimeout(PATIENCE)
                self._connection = _answered(self._asking, listener, control_path, address)
                failed.callback(self._connection.close)
                self.inheritance = receive(self._connection)
                failed.pop_all()

    def taken(self) -> None:
        """From now on it is all ours."""
        with contextlib.suppress(OSError):  # it has ended meanwhile: so much the more
            self._connection.sendall(TAKEN)
        self.close()

    def close(self) -> None:
        """End the conversation; without `taken` before, it all stays with the predecessor."""
        self._connection.close()
        self._asking.close()


def _answered(
    asking: socket.socket, listener: socket.socket, control_path: str, address: str
) -> socket.socket:
    try:
        asking.connect(control_path)
        asking.sendall(json.dumps({"do": "hand over", "to": address}).encode() + b"\n")
    except OSError as error:
        raise Unavailable(f"cannot ask {control_path}: {error}") from error
    ready, _, _ = select.select([asking, listener], [], [], PATIENCE)
    if listener not in ready:
        said = asking.recv(1000).decode(errors="replace") if ready else "nothing"
        raise Failed(f"cannot take over what {control_path} holds: it says {said.strip()}")
    connection, _ = listener.accept()
    return connection


def _exactly(connection: socket.socket, length: int) -> bytes:
    received = bytearray()
    while len(received) < length:
        piece = connection.recv(min(length - len(received), 1 << 20))
        if not piece:
            raise ValueError("the predecessor ended before it had said everything")
        received += piece
    return bytes(received)
