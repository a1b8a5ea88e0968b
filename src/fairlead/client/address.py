"""Where a daemon listens: `unix:///run/fairlead.sock` or `tcp://host:port`."""

from dataclasses import dataclass

from fairlead.client.errors import InvalidAddress

DEFAULT = "unix:///run/fairlead.sock"
TCP_PORT = 2375
TLS_PORT = 2376


@dataclass(frozen=True, slots=True)
class Address:
    """A socket path, or a host and a port; `text` is what the user wrote, completed."""

    text: str
    path: str = ""
    host: str = ""
    port: int = 0


def parse_address(text: str, tls: bool = False) -> Address:
    """Read an address as `-H` has it; a missing TCP port is 2375, with TLS 2376.

    Raises InvalidAddress in Docker's words.
    """
    scheme, separator, rest = text.strip().partition("://")
    if not separator:
        raise InvalidAddress(f"unable to parse docker host `{text}`")
    if scheme == "unix" and rest:
        return Address(text.strip(), path=rest)
    if scheme in ("tcp", "http", "https"):
        return _parse_tcp(rest.rstrip("/"), tls)
    raise InvalidAddress(f"invalid bind address format: {text}")


def _parse_tcp(rest: str, tls: bool) -> Address:
    host, bracket, port = rest.rpartition(":")
    if not bracket or rest.endswith("]"):
        host, port = rest, ""
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise InvalidAddress(f"invalid bind address format: tcp://{rest}")
    number = int(port) if port else TLS_PORT if tls else TCP_PORT
    shown = f"[{host}]" if ":" in host else host
    return Address(f"tcp://{shown}:{number}", host=host, port=number)
