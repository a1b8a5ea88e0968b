"""The certificates of a connection over TCP; `ssl` is imported only when there are any."""

import socket
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Paths of the authority, our certificate and its key.

    `verify` demands that the daemon proves its name.
    """

    authority: str = ""
    certificate: str = ""
    key: str = ""
    verify: bool = True

    def wrap(self, plain: socket.socket, host: str) -> socket.socket:
        """Speak TLS on a connected socket.  Raises OSError (ssl.SSLError is one)."""
        import ssl

        context = ssl.create_default_context(cafile=self.authority or None)
        if not self.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key or None)
        return context.wrap_socket(plain, server_hostname=host)
