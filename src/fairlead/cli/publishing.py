"""What `-p` and `--expose` mean: ports of the container, and where on the host they are to be reached."""

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from fairlead.cli.problems import Invalid

_PROTOCOLS = ("tcp", "udp", "sctp")
Bindings = dict[str, list[dict[str, str]]]


def parse_published(texts: Sequence[str]) -> tuple[dict[str, Any], Bindings]:
    """The exposed ports, and the bindings of each, of texts such as `127.0.0.1:8000-8003:80-83/tcp`.

    Raises Invalid in the words of Docker's client.
    """
    exposed: dict[str, Any] = {}
    bindings: Bindings = {}
    for text in texts:
        for port, host_address, host_port in _ports(_standard(text)):
            exposed[port] = {}
            bindings.setdefault(port, []).append({"HostIp": host_address, "HostPort": host_port})
    return exposed, bindings


def _standard(text: str) -> str:
    """`published=80,target=90,protocol=udp` as `80:90/udp`."""
    if "=" not in text:
        return text
    fields = {"protocol": "tcp", "published": "", "target": ""}
    for field in text.split(","):
        name, separator, value = field.partition("=")
        if not separator:
            raise Invalid(f"invalid publish opts format (should be name=value but got '{field}')")
        fields[name] = value
    return f"{fields['published']}:{fields['target']}/{fields['protocol']}"


def _ports(text: str) -> list[tuple[str, str, str]]:
    address, host, container = _split(text)
    port, slash, protocol = container.partition("/")
    protocol = protocol if slash and protocol else "tcp"
    if "%" in address:
        raise Invalid(f"invalid IP address: {address}")
    if address:
        address = _checked_address(address)
    if not port:
        raise Invalid(f"no port specified: {text}<empty>")
    try:
        first, last = parse_range(port)
    except Invalid:
        raise Invalid(f"invalid containerPort: {port}") from None
    try:
        host_first, host_last = parse_range(host) if host else (0, 0)
    except Invalid:
        raise Invalid(f"invalid hostPort: {host}") from None
    count, host_count = last - first, host_last - host_first
    # Several host ports for one container port: the daemon takes the first that is free.
    if host and count != host_count and count != 0:
        raise Invalid(f"invalid ranges specified for container and host Ports: {port} and {host}")
    if protocol.lower() not in _PROTOCOLS:
        raise Invalid(f"invalid proto: {protocol}")
    found = []
    for step in range(count + 1):
        shown = str(host_first + step) if host else ""
        if host and count == 0 and host_count:
            shown = f"{host_first}-{host_last}"
        found.append((f"{first + step}/{protocol.lower()}", address, shown))
    return found


def _split(text: str) -> tuple[str, str, str]:
    parts = text.split(":")
    container = parts.pop()
    host = parts.pop() if parts else ""
    return ":".join(parts), host, container


def _checked_address(address: str) -> str:
    plain = address[1:-1] if address.startswith("[") and address.endswith("]") else address
    try:
        ip_address(plain)
    except ValueError:
        raise Invalid(f"invalid IP address: {address}") from None
    return plain


def parse_range(text: str) -> tuple[int, int]:
    """The first and the last port of `80` or `80-90`.  Raises Invalid."""
    if not text:
        raise Invalid("empty string specified for ports.")
    first, dash, last = text.partition("-")
    low = _port(first)
    high = _port(last) if dash else low
    if high < low:
        raise Invalid(f"invalid range specified for port: {text}")
    return low, high


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise Invalid(f'strconv.ParseUint: parsing "{text}": invalid syntax')
    if int(text) > 65535:
        raise Invalid(f'strconv.ParseUint: parsing "{text}": value out of range')
    return int(text)


def parse_exposed(texts: Sequence[str]) -> dict[str, Any]:
    """The ports of `--expose`: `80`, `80/udp`, `80-90/tcp`."""
    found: dict[str, Any] = {}
    for text in texts:
        if ":" in text:
            raise Invalid(f"invalid port format for --expose: {text}")
        port, _, protocol = text.partition("/")
        try:
            first, last = parse_range(port)
        except Invalid as problem:
            raise Invalid(f"invalid range format for --expose: {text}, error: {problem}") from None
        found.update({f"{number}/{protocol or 'tcp'}": {} for number in range(first, last + 1)})
    return found
