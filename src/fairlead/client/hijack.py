"""A connection taken over: bytes in both directions, each direction ended by itself."""

import contextlib
import http.client
import socket

from fairlead.client.tls import TlsSocket

_BLOCK = 65536
_RAW = "application/vnd.docker.raw-stream"
_MULTIPLEXED = "application/vnd.docker.multiplexed-stream"


class Hijacked:
    """The raw stream of an attach or an exec; nothing here ever blocks."""

    def __init__(self, connection: socket.socket | TlsSocket, answer: http.client.HTTPResponse):
        self._socket = connection
        self._socket.setblocking(False)
        kind = answer.headers.get_content_type()
        # Only from API 1.42 on does the daemon say which it is.
        self.multiplexed: bool | None = {_RAW: None, _MULTIPLEXED: True}.get(kind)
        # What followed the head in the same packet sits in the buffer of the HTTP library.
        self._early = b""
        with contextlib.suppress(OSError):
            self._early = bytes(answer.fp.peek()) if answer.fp else b""

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    @property
    def waiting(self) -> bool:
        """Whether there is something to receive that `select` cannot see."""
        if self._early:
            return True
        pending = getattr(self._socket, "pending", None)
        return bool(pending and pending())

    @property
    def sending(self) -> bool:
        """Whether some of what was taken is still to be sent: `send` it with nothing more."""
        return bool(getattr(self._socket, "sending", False))

    def receive(self) -> bytes | None:
        """What has come; None when there is nothing now, b"" when the daemon has ended its direction."""
        if self._early:
            early, self._early = self._early, b""
            return early
        try:
            return self._socket.recv(_BLOCK)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            return b""

    def send(self, data: bytes) -> int:
        """Pass on as much as fits; how many bytes that was.  Raises BrokenPipeError when nobody listens."""
        try:
            return self._socket.send(data)
        except BlockingIOError:
            return 0
        except ConnectionResetError:
            raise BrokenPipeError from None

    def finish_sending(self) -> None:
        """End our direction: the process at the other end sees the end of its input."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """End both directions."""
        self._socket.close()
