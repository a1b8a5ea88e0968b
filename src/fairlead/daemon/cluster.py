"""The flags of a cluster: where its store is, who this host is in it, and whether the way there is safe."""

import fcntl
import ipaddress
import socket
import struct
from collections.abc import Callable, Mapping, Sequence

from fairlead.model.addresses import Address
from fairlead.model.config import Cluster
from fairlead.model.errors import InvalidParameter

SCHEME, PORT = "etcd://", 2379
DEFAULT_TTL = 10  # seconds
SIOCGIFADDR = 0x8915  # netdevice(7)
STORE_OPTIONS = frozenset(
    "kv.cacertfile kv.certfile kv.keyfile kv.path kv.insecure discovery.heartbeat discovery.ttl".split()
)


def interface_address(name: str) -> Address:
    """The first IPv4 address of an interface.  OSError when there is none."""
    request = struct.pack("256s", name.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        answer = fcntl.ioctl(asking, SIOCGIFADDR, request)
    return ipaddress.IPv4Address(answer[20:24])


def cluster(
    store: str,
    advertise: str,
    given: Sequence[str] | Mapping[str, str],
    insecure: bool = False,
    address_of: Callable[[str], Address] = interface_address,
) -> Cluster | None:
    """The cluster that the flags name, None when they name none.

    `given` are the store's options, as KEY=VALUE texts or as a mapping; `insecure`: the daemon was told
    that TLS is demanded nowhere.  InvalidParameter, in dockerd's words where it has some.
    """
    options = _options(given)
    if not store:
        if advertise:
            raise InvalidParameter(
                "invalid cluster configuration. --cluster-advertise must be accompanied by --cluster-store "
                "configuration"
            )
        if options:
            raise InvalidParameter("cannot set cluster-store-opt: there is no --cluster-store")
        return None
    if not advertise:
        raise InvalidParameter(
            "invalid cluster configuration. --cluster-store must be accompanied by --cluster-advertise "
            "configuration"
        )
    endpoints, path = _endpoints(store)
    vtep, port = _advertised(advertise, address_of)
    heartbeat, ttl = _times(options)
    names = ("kv.cacertfile", "kv.certfile", "kv.keyfile")
    ca, certificate, key = (options.get(name, "") for name in names)
    if bool(certificate) != bool(key) or (certificate and not ca):
        raise InvalidParameter(
            "cannot use TLS with the cluster store: kv.cacertfile must be given, and kv.certfile and "
            "kv.keyfile together"
        )
    if not ca and not insecure and options.get("kv.insecure") != "true":
        _require_loopback(endpoints)
    parts = [part for text in (path, options.get("kv.path", "")) for part in text.split("/") if part]
    return Cluster(
        store=store,
        endpoints=endpoints,
        advertise=joined(str(vtep), port),
        vtep=vtep,
        prefix="".join(f"/{part}" for part in parts),
        ca=ca,
        certificate=certificate,
        key=key,
        heartbeat=heartbeat,
        ttl=ttl,
    )


def _options(given: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    if isinstance(given, Mapping):
        options = dict(given)
    else:
        options = dict(text.partition("=")[::2] for text in given)
    if unknown := [name for name in options if name not in STORE_OPTIONS]:
        raise InvalidParameter(
            f"cannot set cluster-store-opt: there is no option {unknown[0]}; known are "
            f"{', '.join(sorted(STORE_OPTIONS))}"
        )
    return options


def _endpoints(store: str) -> tuple[tuple[str, ...], str]:
    """The members' HOST:PORT, and the path behind them."""
    if not store.startswith(SCHEME):
        raise InvalidParameter(
            f"discovery initialization failed (discovery service not supported): {store} is not "
            f"{SCHEME}HOST:PORT[,HOST:PORT...]"
        )
    hosts, _, path = store.removeprefix(SCHEME).partition("/")
    endpoints = []
    for text in hosts.split(","):
        try:
            host, port = split(text, PORT)
        except ValueError as error:
            raise InvalidParameter(f"cannot set cluster-store: {text!r} in {store}: {error}") from error
        endpoints.append(joined(host, port))
    return tuple(dict.fromkeys(endpoints)), path


def split(text: str, default: int = 0) -> tuple[str, int]:
    """HOST:PORT or [ADDRESS]:PORT as host and port.  ValueError says what is wrong."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("missing ']' in address")
        number = rest[1:]
    else:
        host, _, number = text.rpartition(":") if ":" in text else (text, "", "")
        if ":" in host:
            raise ValueError("too many colons in address")
    if not host:
        raise ValueError("missing host in address")
    if not number and default:
        return host, default
    if not number:
        raise ValueError("missing port in address")
    if not number.isascii() or not number.isdigit() or not 0 < int(number) < 65536:
        raise ValueError(f"{number} is no port")
    return host, int(number)


def joined(host: str, port: int) -> str:
    """Host and port as one text."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _advertised(advertise: str, address_of: Callable[[str], Address]) -> tuple[Address, int]:
    start = "discovery advertise parsing failed: "
    try:
        host, port = split(advertise)
    except ValueError as error:
        raise InvalidParameter(
            f"{start}invalid --cluster-advertise configuration: {advertise}: address {advertise}: {error}"
        ) from error
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = address_of(host)
        except OSError as error:
            raise InvalidParameter(
                f"{start}invalid cluster advertise IP address or interface name ({advertise}) : "
                f"{error.strerror}"
            ) from error
    if address.is_unspecified or address.is_multicast:
        raise InvalidParameter(f"{start}{address} is not the address of a host")
    return address, port


def _times(options: Mapping[str, str]) -> tuple[int, int]:
    """Seconds between two signs of life, and seconds without one that end a host's lease."""
    heartbeat = _seconds(options, "discovery.heartbeat")
    ttl = _seconds(options, "discovery.ttl") or 3 * heartbeat or DEFAULT_TTL
    heartbeat = heartbeat or max(1, ttl // 3)
    if ttl <= heartbeat:
        raise InvalidParameter(
            "discovery initialization failed (discovery.ttl timer must be greater than discovery.heartbeat)"
        )
    return heartbeat, ttl


def _seconds(options: Mapping[str, str], name: str) -> int:
    """0 where it is not given."""
    text = options.get(name)
    if text is None:
        return 0
    try:
        seconds = int(text)
    except ValueError as error:
        raise InvalidParameter(
            f"discovery initialization failed ({name} must be a number of seconds, not {text!r})"
        ) from error
    if seconds <= 0:
        raise InvalidParameter(f"discovery initialization failed ({name} must be positive)")
    return seconds


def _require_loopback(endpoints: Sequence[str]) -> None:
    """Whoever can write into the store decides where the containers of all hosts send to."""
    for endpoint in endpoints:
        host, _ = split(endpoint)
        try:
            near = ipaddress.ip_address(host).is_loopback
        except ValueError:
            near = host == "localhost"
        if not near:
            raise InvalidParameter(
                f"cannot use the cluster store at {endpoint} without TLS: give --cluster-store-opt "
                "kv.cacertfile=PATH, kv.certfile=PATH and kv.keyfile=PATH, or kv.insecure=true to trust "
                "everybody who reaches it"
            )
