"""How TCP sockets are guarded: mutual TLS, or nothing where that was said in so many words."""

import ssl
from collections.abc import Sequence

from fairlead.api.server import Security
from fairlead.daemon.config import Tls
from fairlead.model.errors import InvalidParameter


def security(tls: Tls, hosts: Sequence[str]) -> Security:
    """The guard of the TCP listeners among `hosts`.

    Whoever reaches the API is root on this machine.  So a TCP socket without certificates of both
    sides is refused with InvalidParameter, unless `--tls=false` was given.
    """
    remote = [host for host in hosts if host.startswith("tcp://")]
    if tls.verify or tls.enabled:
        return Security(_context(tls), mutual=tls.verify)
    if remote and tls.enabled is None:
        raise InvalidParameter(
            f"cannot listen on {remote[0]} without mutual TLS: give --tlsverify with --tlscacert, --tlscert "
            "and --tlskey, or --tls=false to let in whoever reaches it"
        )
    return Security()


def _context(tls: Tls) -> ssl.SSLContext:
    named = {"--tlscert": tls.certificate, "--tlskey": tls.key, "--tlscacert": tls.ca if tls.verify else "-"}
    missing = [flag for flag, path in named.items() if not path]
    if missing:
        raise InvalidParameter(f"cannot use TLS: {' and '.join(missing)} must be given")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.verify:
            context.load_verify_locations(tls.ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ssl.SSLError) as error:
        raise InvalidParameter(f"cannot use TLS: {error}") from error
    return context
