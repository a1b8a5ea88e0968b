"""Docker's multiplexed stream: eight bytes of header before each piece of output tell where it comes from.

Source: Engine API, `POST /containers/{id}/attach`: stream, three zero bytes, length in big endian.
"""

import struct

STDIN, STDOUT, STDERR, SYSTEM_ERROR = 0, 1, 2, 3
RAW_STREAM = "application/vnd.docker.raw-stream"
MULTIPLEXED_STREAM = "application/vnd.docker.multiplexed-stream"
_HEADER = struct.Struct(">BxxxI")


def frame(stream: int, content: bytes) -> bytes:
    """One frame."""
    return _HEADER.pack(stream, len(content)) + content
