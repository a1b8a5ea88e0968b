"""TLS over TCP, whose two directions end separately, as the streams of attach and exec need it.

The library's own TLS sockets cannot say that we have finished and still receive; here the records are
moved by hand between the socket and the TLS state, so that the end of our direction is only that.
`ssl` is imported when there is a certificate to use.
"""

import contextlib
import io
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

_BLOCK = 65536


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of the authority, our certificate and its key.

    `verify` demands that the daemon proves its name.
    """

    authority: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True

    def wrap(self, plain: socket.socket, host: str) -> "TlsSocket":
        """Speak TLS on a connected socket.  Raises OSError (ssl.SSLError is one)."""
        import ssl

        context = ssl.create_default_context(cafile=self.authority or None)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key or None)
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        return TlsSocket(
            plain, context.wrap_bio(incoming, outgoing, server_hostname=host), incoming, outgoing
        )


class TlsSocket:
    """As much of a socket as HTTP and a hijacked stream need."""

    def __init__(
        self,
        plain: socket.socket,
        state: "ssl.SSLObject",
        incoming: "ssl.MemoryBIO",
        outgoing: "ssl.MemoryBIO",
    ):
        import ssl

        self._plain, self._state, self._incoming, self._outgoing = plain, state, incoming, outgoing
        self._want_read, self._ended = ssl.SSLWantReadError, (ssl.SSLZeroReturnError, ssl.SSLEOFError)
        self._users, self._blocking = 1, True
        self._early = self._unsent = b""
        while True:
            try:
                self._state.do_handshake()
                break
            except self._want_read:
                self._flush()
                self._fill()
            except OSError:
                # The alert says to the daemon what we do not like about it.
                self._flush()
                raise
        self._flush()

    def _flush(self) -> None:
        """Send what TLS has made: all of it, or without waiting what fits."""
        self._unsent += self._outgoing.read()
        self._plain.setblocking(self._blocking)
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                self._unsent = self._unsent[self._plain.send(self._unsent) :]

    def _fill(self) -> bool:
        data = self._plain.recv(_BLOCK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return bool(data)

    def fileno(self) -> int:
        """For `select`."""
        return self._plain.fileno()

    def pending(self) -> int:
        """How many bytes have arrived that `select` cannot see."""
        return len(self._early) + self._state.pending() + self._incoming.pending

    @property
    def sending(self) -> bool:
        """Whether something is still to be sent that was taken."""
        return bool(self._unsent)

    def setblocking(self, flag: bool) -> None:
        """Whether to wait in `recv` and `send`."""
        self._blocking = flag

    def recv(self, size: int) -> bytes:
        """What has come, at most `size` bytes; b"" at the end.  BlockingIOError when nothing has."""
        if self._early:
            early, self._early = self._early[:size], self._early[size:]
            return early
        while True:
            try:
                return self._state.read(size)
            except self._want_read:
                self._plain.setblocking(self._blocking)
                self._fill()
            except self._ended:
                return b""

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        view = memoryview(data)
        while view:
            view = view[self._state.write(view[:_BLOCK]) :]
            self._flush()

    def send(self, data: bytes) -> int:
        """Take some of it, and send what fits; how many bytes were taken."""
        self._flush()
        if self._unsent or not data:
            return 0
        taken = self._state.write(data[:_BLOCK])
        self._flush()
        return taken

    def shutdown(self, _: int) -> None:
        """End our direction."""
        # The library looks for the answer to our farewell at once, and would lose data that is before it.
        with contextlib.suppress(self._want_read, *self._ended):
            while data := self._state.read(_BLOCK):
                self._early += data
        with contextlib.suppress(self._want_read):
            self._state.unwrap()
        self._flush()

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        """A file to read from, which keeps the connection open until it is closed."""
        self._users += 1
        return io.BufferedReader(_Reader(self))

    def close(self) -> None:
        """Close, once every file is closed too."""
        self._users -= 1
        if self._users <= 0:
            self._plain.close()


class _Reader(io.RawIOBase):
    def __init__(self, connection: TlsSocket):
        super().__init__()
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        try:
            data = self._connection.recv(len(buffer))
        except BlockingIOError:
            return None
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._connection.close()
