"""What `--network` means, and the older options that speak of the first network."""

import re
from typing import Any

from fairlead.cli.checks import csv_fields
from fairlead.cli.flags import Values
from fairlead.cli.problems import Invalid

_PREDEFINED = ("default", "bridge", "host", "none")


def is_user_defined(network: str) -> bool:
    """Whether the name is that of a network that somebody created, not a mode."""
    return network not in _PREDEFINED and not network.startswith("container:")


def network(text: str) -> dict[str, Any]:
    """One `--network`: a name, or `name=foo,alias=web,ip=10.0.0.9,driver-opt=a=b`.  Raises Invalid."""
    if "=" not in text:
        return {"name": text}
    found: dict[str, Any] = {"name": ""}
    for word in csv_fields(text):
        key, separator, value = (part.strip() for part in word.partition("="))
        key = key.lower()
        if not separator:
            raise Invalid(f"invalid field {key}")
        _put(found, key, value)
    if not found["name"]:
        raise Invalid("network name/id is not specified")
    return found


def _put(found: dict[str, Any], key: str, value: str) -> None:
    if key in ("name", "ip", "ip6", "mac-address"):
        if key == "mac-address":
            value = mac_address(value, f"invalid mac-address: {value}")
        found[key] = value
    elif key in ("alias", "link-local-ip"):
        found.setdefault(key, []).append(value)
    elif key == "driver-opt":
        option, separator, setting = value.partition("=")
        if not separator:
            raise Invalid("invalid key value pair format in driver options")
        found.setdefault(key, {})[option.strip().lower()] = setting.strip().lower()
    elif key == "gw-priority":
        if not re.fullmatch(r"[+-]?[0-9]+", value):
            raise Invalid(
                f'invalid gw-priority ({value}): strconv.ParseInt: parsing "{value}": invalid syntax'
            )
        found[key] = int(value)
    else:
        raise Invalid(f"invalid field key {key}")


def mac_address(text: str, complaint: str) -> str:
    """A hardware address as it is; Invalid with the complaint when it is none."""
    if not re.fullmatch(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5,19}", text.strip()):
        raise Invalid(complaint)
    return text.strip()


def endpoints(values: Values) -> tuple[str, dict[str, Any]]:
    """The network mode, and the settings of each endpoint.  Invalid when options contradict each other."""
    wanted = values.all("network") or [{"name": "default"}]
    found: dict[str, Any] = {}
    for number, settings in enumerate(wanted):
        name = settings["name"]
        if number == 0:
            settings = _with_old_options(settings, values)
        if not name.strip():
            raise Invalid("no name set for network")
        if not is_user_defined(name):
            if settings.get("alias"):
                raise Invalid("network-scoped aliases are only supported for user-defined networks")
            if settings.get("link"):
                raise Invalid("links are only supported for user-defined networks")
        if name in found:
            raise Invalid(f'network "{name}" is specified multiple times')
        found[name] = _document(settings)
    if len({is_user_defined(name) for name in found}) > 1:
        raise Invalid(
            "conflicting options: cannot attach both user-defined and non-user-defined network-modes"
        )
    return wanted[0]["name"], found


_CONFLICTS = (
    ("network-alias", "alias", "--network-alias and per-network alias"),
    ("ip", "ip", "--ip and per-network IPv4 address"),
    ("ip6", "ip6", "--ip6 and per-network IPv6 address"),
    ("mac-address", "mac-address", "--mac-address and per-network MAC address"),
    ("link-local-ip", "link-local-ip", "--link-local-ip and per-network link-local IP addresses"),
)


def _with_old_options(settings: dict[str, Any], values: Values) -> dict[str, Any]:
    settings = dict(settings)
    for option, key, both in _CONFLICTS:
        value = values.any(option)
        if value and settings.get(key):
            raise Invalid(f"conflicting options: cannot specify both {both}")
        if value:
            settings[key] = value
    if values.all("link") and is_user_defined(settings["name"]):
        settings["link"] = values.all("link")
    return settings


def _document(settings: dict[str, Any]) -> dict[str, Any]:
    addresses = {
        "IPv4Address": settings.get("ip"),
        "IPv6Address": settings.get("ip6"),
        "LinkLocalIPs": settings.get("link-local-ip"),
    }
    chosen = {name: value for name, value in addresses.items() if value}
    return {
        "IPAMConfig": chosen or None,
        "Links": settings.get("link") or None,
        "Aliases": settings.get("alias") or None,
        "MacAddress": settings.get("mac-address", ""),
        "DriverOpts": settings.get("driver-opt") or None,
        "GwPriority": settings.get("gw-priority", 0),
    }
