"""Flags and daemon.json become settings; whatever is wrong is refused with its name."""

import ipaddress
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fairlead.daemon.cluster import cluster
from fairlead.daemon.options import BY_KEY, BY_NAME, IGNORED_KEYS, Kind, Option
from fairlead.dockerapi.validate import check_log_config
from fairlead.model.config import AddressPool, Settings
from fairlead.model.container import LogConfig, Ulimit
from fairlead.model.errors import InvalidParameter
from fairlead.model.guards import Guard, parse_guards

LEVELS = ("debug", "info", "warn", "error", "fatal")
DEFAULT_HOST = "unix:///run/fairlead.sock"
DEFAULTS = Settings()


@dataclass(frozen=True, slots=True)
class Tls:
    """Certificates for TCP sockets; `enabled` None where nobody has said anything."""

    enabled: bool | None = None
    verify: bool = False
    ca: str = ""
    certificate: str = ""
    key: str = ""


@dataclass(frozen=True, slots=True)
class DaemonOptions:
    """Everything a daemon is started with."""

    hosts: tuple[str, ...] = (DEFAULT_HOST,)
    pidfile: str = ""
    log_level: str = "info"
    group: str = ""
    metrics_address: str = ""
    tls: Tls = field(default_factory=Tls)
    settings: Settings = field(default_factory=Settings)


def read_file(text: str, path: str) -> dict[str, Any]:
    """The values of a daemon.json by option name.

    Raises InvalidParameter for bad JSON, an unknown key or a value of the wrong type, naming the key.
    """
    start = f"cannot use the configuration file {path}: "
    try:
        document = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise InvalidParameter(f"{start}it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise InvalidParameter(f"{start}it must hold one JSON object")
    unknown = [key for key in document if key not in BY_KEY and key not in IGNORED_KEYS]
    if unknown:
        raise InvalidParameter(
            f"{start}the following directives don't match any configuration option: {', '.join(unknown)}"
        )
    values = {}
    for key, value in document.items():
        if key in BY_KEY:
            option = BY_KEY[key]
            _require_kind(option, value, start)
            values[option.name] = value
    return values


def _require_kind(option: Option, value: object, start: str) -> None:
    def strings(each: object) -> bool:
        return isinstance(each, list) and all(isinstance(item, str) for item in each)

    fits = {
        Kind.TEXT: isinstance(value, str),
        Kind.NUMBER: isinstance(value, int) and not isinstance(value, bool),
        Kind.SWITCH: isinstance(value, bool),
        Kind.TEXTS: strings(value),
        Kind.MAP: isinstance(value, dict) and all(isinstance(each, str) for each in value.values()),
        Kind.POOLS: isinstance(value, list) and all(isinstance(item, dict) for item in value),
        Kind.MAPS: isinstance(value, dict)
        and all(
            isinstance(each, dict) and all(isinstance(item, str) for item in each.values())
            for each in value.values()
        ),
        Kind.ULIMITS: isinstance(value, dict) and all(isinstance(item, dict) for item in value.values()),
    }
    if not fits[option.kind]:
        raise InvalidParameter(f"{start}{option.key} must be a {option.kind.value}, not {json.dumps(value)}")


def combine(flags: Mapping[str, Any], file: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Flags and file together.  InvalidParameter for what both say (dockerd's rule), naming it."""
    both = [BY_NAME[name].key for name in file if name in flags]
    if both:
        details = ", ".join(
            f"{key}: (from flag: {flags[BY_KEY[key].name]}, from file: {file[BY_KEY[key].name]})"
            for key in both
        )
        raise InvalidParameter(
            f"cannot use the configuration file {path}: the following directives are specified both as a "
            f"flag and in the configuration file: {details}"
        )
    return {**file, **flags}


def options(values: Mapping[str, Any]) -> DaemonOptions:
    """Parse values by option name.  InvalidParameter names what is wrong and why."""
    level = values.get("log-level", "info")
    if level not in LEVELS:
        raise InvalidParameter(f'cannot set log-level: "{level}" is none of {", ".join(LEVELS)}')
    defaults = DaemonOptions()
    return DaemonOptions(
        hosts=tuple(values.get("host", ())) or defaults.hosts,
        pidfile=values.get("pidfile", ""),
        log_level="debug" if values.get("debug") else level,
        group=values.get("group", ""),
        metrics_address=values.get("metrics-addr", ""),
        tls=_tls(values),
        settings=_settings(values),
    )


def _tls(values: Mapping[str, Any]) -> Tls:
    return Tls(
        enabled=values.get("tls"),
        verify=values.get("tlsverify", False),
        ca=values.get("tlscacert", ""),
        certificate=values.get("tlscert", ""),
        key=values.get("tlskey", ""),
    )


def _settings(values: Mapping[str, Any]) -> Settings:
    parsed: dict[str, Any] = {}
    plain = (
        "data-root exec-root bridge mtu iptables ip6tables ip-forward ip-masq ipv6 icc userland-proxy "
        "live-restore repair default-runtime init init-path shutdown-timeout debug overlay-port"
    )
    for name in plain.split():
        if name in values:
            parsed[name.replace("-", "_")] = values[name]
    for name in ("data_root", "exec_root"):
        if name in parsed:
            parsed[name] = os.path.abspath(parsed[name])
    for name, parse in PARSERS.items():
        if name in values:
            parsed[FIELDS.get(name, name.replace("-", "_"))] = parse(values[name])
    if values.get("allow-direct-routing"):
        parsed["allow"] = parsed.get("allow", frozenset()) | {Guard.DIRECT_ROUTING}
    settings = Settings(
        **parsed,
        log_config=_log_config(values.get("log-driver", ""), values.get("log-opt", ())),
        cluster=cluster(
            values.get("cluster-store", ""),
            values.get("cluster-advertise", ""),
            values.get("cluster-store-opt", ()),
            insecure=values.get("tls") is False,
        ),
    )
    _require_consistent(settings)
    return settings


def _log_config(driver: str, given: Any) -> LogConfig:
    """A driver and its options, as `NAME=VALUE` texts (flags) or as an object (daemon.json)."""
    pairs = given if isinstance(given, dict) else dict(text.partition("=")[::2] for text in given)
    chosen = LogConfig(driver or LogConfig().driver, pairs)
    try:
        check_log_config(chosen)
    except InvalidParameter as error:
        raise InvalidParameter(f"cannot set log-driver: {error.message}") from error
    return chosen


def _address_on(name: str) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return ipaddress.ip_address(text)
        except ValueError as error:
            raise InvalidParameter(f"cannot set {name}: {text} is no IP address") from error

    return parse


def _bip(text: str) -> ipaddress.IPv4Interface:
    try:
        interface = ipaddress.IPv4Interface(text)
    except ValueError as error:
        raise InvalidParameter(f"cannot set bip: invalid CIDR address: {text}") from error
    if "/" not in text or interface.ip in (
        interface.network.network_address,
        interface.network.broadcast_address,
    ):
        raise InvalidParameter(f"cannot set bip: {text} is not the address of a host in its subnet")
    return interface


def _fixed_cidr(text: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text, strict=False)
    except ValueError as error:
        raise InvalidParameter(f"cannot set fixed-cidr: invalid CIDR address: {text}") from error


def _fixed_cidr_v6(text: str) -> ipaddress.IPv6Network:
    try:
        return ipaddress.IPv6Network(text, strict=False)
    except ValueError as error:
        raise InvalidParameter(f"cannot set fixed-cidr-v6: invalid CIDR address: {text}") from error


def _pools(given: Sequence[Any]) -> tuple[AddressPool, ...]:
    """Pools as `base=...,size=...` texts (flags) or as objects (daemon.json)."""
    pools = []
    for each in given:
        pairs = each if isinstance(each, dict) else dict(part.partition("=")[::2] for part in each.split(","))
        try:
            base = ipaddress.ip_network(pairs["base"])
            pool = AddressPool(base, int(pairs["size"]))
        except (KeyError, ValueError) as error:
            raise InvalidParameter(
                f"cannot set default-address-pool: {each} is not base=ADDRESS/PREFIX,size=PREFIX"
            ) from error
        if not base.prefixlen <= pool.size <= base.max_prefixlen:
            raise InvalidParameter(
                f"cannot set default-address-pool: size {pool.size} does not fit into {base}"
            )
        pools.append(pool)
    return tuple(pools)


def _network_options(given: Any) -> Mapping[str, Mapping[str, str]]:
    """Options by driver, as `DRIVER=OPTION=VALUE` texts (flags) or as objects (daemon.json)."""
    if isinstance(given, dict):
        return given
    found: dict[str, dict[str, str]] = {}
    for text in given:
        driver, first, rest = text.partition("=")
        option, second, value = rest.partition("=")
        if not (driver and first and option and second):
            raise InvalidParameter(f"cannot set default-network-opt: {text} is not DRIVER=OPTION=VALUE")
        found.setdefault(driver, {})[option] = value
    return found


def _ulimits(given: Any) -> tuple[Ulimit, ...]:
    """Limits as `name=soft[:hard]` texts (flags) or as objects by name (daemon.json)."""
    try:
        if isinstance(given, dict):
            return tuple(Ulimit(name, int(each["Soft"]), int(each["Hard"])) for name, each in given.items())
        limits = []
        for text in given:
            name, _, rest = text.partition("=")
            soft, _, hard = rest.partition(":")
            limits.append(Ulimit(name, int(soft), int(hard or soft)))
        return tuple(limits)
    except (KeyError, ValueError, TypeError) as error:
        raise InvalidParameter(f"cannot set default-ulimit: {given} is not name=soft[:hard]") from error


PARSERS: dict[str, Callable[[Any], Any]] = {
    "allow": parse_guards,
    "bip": _bip,
    "fixed-cidr": _fixed_cidr,
    "fixed-cidr-v6": _fixed_cidr_v6,
    "default-gateway": _address_on("default-gateway"),
    "default-gateway-v6": _address_on("default-gateway-v6"),
    "default-network-opt": _network_options,
    "host-gateway-ip": _address_on("host-gateway-ip"),
    "ip": _address_on("ip"),
    "dns": lambda given: tuple(str(_address_on("dns")(each)) for each in given),
    "dns-search": tuple,
    "dns-opt": tuple,
    "default-address-pool": _pools,
    "insecure-registry": tuple,
    "registry-mirror": tuple,
    "label": tuple,
    "default-ulimit": _ulimits,
}
FIELDS = {
    "default-address-pool": "default_address_pools",
    "default-network-opt": "default_network_options",
    "insecure-registry": "insecure_registries",
    "registry-mirror": "registry_mirrors",
    "label": "labels",
    "default-ulimit": "default_ulimits",
}


def _require_consistent(settings: Settings) -> None:
    """Refuse settings that cannot be true together."""
    if settings.bip and settings.bridge != DEFAULTS.bridge:
        raise InvalidParameter(
            "You specified -b & --bip, mutually exclusive options. Please specify only one"
        )
    if not settings.iptables and not settings.icc:
        raise InvalidParameter(
            "You specified --iptables=false with --icc=false. ICC=false uses iptables to function. "
            "Please set --icc or --iptables to true"
        )
    if settings.mtu and not 68 <= settings.mtu <= 65535:
        raise InvalidParameter(f"cannot set mtu: {settings.mtu} is not between 68 and 65535")
    if not 0 < settings.overlay_port < 65536:
        raise InvalidParameter(f"cannot set overlay-port: {settings.overlay_port} is no port")
