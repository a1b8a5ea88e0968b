"""The two framings inside the API's streams, decoded piece by piece, wherever the pieces are cut.

Progress, events and stats are JSON documents one after the other; the output of a container without
a terminal is frames of eight bytes of header (stream, three zeros, length) and content.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from fairlead.client.errors import ConnectionLost

STDIN, STDOUT, STDERR, SYSTEM = 0, 1, 2, 3
_HEADER = 8


def documents(pieces: Iterable[bytes]) -> Iterator[dict[str, Any]]:
    """Yield every JSON object as soon as its last byte is there.

    Raises ConnectionLost when the stream ends inside one, or holds something else.
    """
    decoder = json.JSONDecoder()
    pending = b""
    for piece in pieces:
        pending += piece
        # A document never ends before its last closing brace: no brace, nothing new to try.
        if b"}" not in piece:
            continue
        text = pending.decode(errors="surrogateescape")
        position = 0
        while position < len(text):
            if text[position].isspace():
                position += 1
                continue
            try:
                document, position = decoder.raw_decode(text, position)
            except ValueError:
                break
            yield document
        pending = text[position:].encode(errors="surrogateescape")
    if pending.strip():
        raise ConnectionLost(f"cannot read the answer of the daemon: {pending[:80]!r} is not JSON")


class Frames:
    """Takes multiplexed bytes, gives what belongs to which stream."""

    def __init__(self) -> None:
        self._header = b""
        self._stream = STDOUT
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield (stream, content) for all of `data`; content may be a part of a frame."""
        position = 0
        while position < len(data):
            if self._left:
                content = data[position : position + self._left]
                self._left -= len(content)
                position += len(content)
                yield self._stream, content
                continue
            wanted = _HEADER - len(self._header)
            self._header += data[position : position + wanted]
            position += wanted
            if len(self._header) == _HEADER:
                self._open(self._header)
                self._header = b""

    def _open(self, header: bytes) -> None:
        if header[0] > SYSTEM:
            raise ConnectionLost(f"Unrecognized input header: {header[0]}")
        self._stream = header[0]
        self._left = int.from_bytes(header[4:], "big")
