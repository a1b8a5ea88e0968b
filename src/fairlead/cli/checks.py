"""Values of `run` and `create` that are looked at before anything is sent; messages are Docker's."""

import re
from ipaddress import ip_address
from typing import Any

from fairlead.cli.problems import Invalid
from fairlead.cli.units import parse_bytes

_ULIMITS = (
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack"
).split()
_SYSCTLS = (
    "kernel.msgmax kernel.msgmnb kernel.msgmni kernel.sem kernel.shmall kernel.shmmax kernel.shmmni"
).split()
_SYSCTL_PREFIXES = ("net.", "fs.mqueue.", "kernel.domainname", "kernel.shm_rmid_forced")


def stream(text: str) -> str:
    """A stream to attach to."""
    if text.lower() not in ("stdin", "stdout", "stderr"):
        raise Invalid("valid streams are STDIN, STDOUT and STDERR")
    return text.lower()


def variable(text: str) -> str:
    """An environment variable, with or without a value."""
    if not text.partition("=")[0]:
        raise Invalid(f"invalid environment variable: {text}")
    return text


def label(text: str) -> str:
    """A label, with or without a value."""
    name = text.partition("=")[0]
    if not name.strip():
        raise Invalid(f"invalid label '{text}': empty name")
    return text


def name_server(text: str) -> str:
    """An IP address, written as short as can be."""
    return _address(text, f"IP address is not correctly formatted: {text}")


def search_domain(text: str) -> str:
    """A domain to search in; `.` means none."""
    stripped = text.strip()
    if stripped == ".":
        return stripped
    label = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
    found = re.fullmatch(rf"({label}(?:\.{label})*)\.?", stripped, re.ASCII)
    if not found or len(found.group(1)) >= 255 or not re.search("[a-zA-Z]", stripped):
        raise Invalid(f"{text} is not a valid domain")
    return found.group(1)


def extra_host(text: str) -> str:
    """`host:ip` or `host=ip` as `host:ip`; the address may be `host-gateway`."""
    separator = "=" if "=" in text else ":"
    host, found, address = text.partition(separator)
    if not found or not host:
        raise Invalid(f'bad format for add-host: "{text}"')
    if address.startswith("[") and address.endswith("]"):
        address = address[1:-1]
    if address != "host-gateway":
        address = _address(address, f'invalid IP address in add-host: "{address}"')
    return f"{host}:{address}"


def _address(text: str, complaint: str) -> str:
    try:
        return str(ip_address(text.strip()))
    except ValueError:
        raise Invalid(complaint) from None


def link(text: str) -> str:
    """`container` or `container:alias`."""
    if not text:
        raise Invalid("empty string specified for links")
    if text.count(":") > 1:
        raise Invalid(f"bad format for links: {text}")
    return text


def sysctl(text: str) -> tuple[str, str]:
    """A kernel parameter that a container may have of its own, and its value."""
    name, _, value = text.partition("=")
    if "=" not in text or not (name in _SYSCTLS or name.startswith(_SYSCTL_PREFIXES)):
        raise Invalid(f"sysctl '{text}' is not allowed")
    return name, value


def ulimit(text: str) -> dict[str, Any]:
    """`nofile=1024:2048`: soft and hard limit, or one for both; -1 is unlimited."""
    name, separator, value = text.partition("=")
    if not separator:
        raise Invalid(f"invalid ulimit argument: {text}")
    if name not in _ULIMITS:
        raise Invalid(f"invalid ulimit type: {name}")
    limits = value.split(":")
    if len(limits) > 2:
        raise Invalid(f"too many limit value arguments - {value}, can only have up to two, `soft[:hard]`")
    numbers = []
    for limit in limits:
        if not re.fullmatch(r"[+-]?[0-9]+", limit, re.ASCII):
            raise Invalid(f'strconv.ParseInt: parsing "{limit}": invalid syntax')
        numbers.append(int(limit))
    soft, hard = numbers[0], numbers[-1]
    if hard != -1 and (soft == -1 or soft > hard):
        shown = "ulimit soft limit must be less than or equal to hard limit"
        if soft == -1:
            raise Invalid(f"{shown}: soft: -1 (unlimited), hard: {hard}")
        raise Invalid(f"{shown}: {soft} > {hard}")
    return {"Name": name, "Hard": hard, "Soft": soft}


def device_rule(text: str) -> str:
    """A line for the devices cgroup: `c 1:3 rwm`."""
    if not re.fullmatch(r"[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}", text, re.ASCII):
        raise Invalid(f"invalid device cgroup format '{text}'")
    return text


def device_weight(text: str) -> dict[str, Any]:
    """`/dev/sda:500`: a share of the disk's time."""
    path, number = _device_and(text)
    if not number.isdigit() or not (int(number) == 0 or 10 <= int(number) <= 1000):
        raise Invalid(f"invalid weight for device: {text}")
    return {"Path": path, "Weight": int(number)}


def device_bytes(text: str) -> dict[str, Any]:
    """`/dev/sda:1mb`: bytes a second."""
    path, number = _device_and(text)
    complaint = f"invalid rate for device: {text}. The correct format is <device-path>:<number>[<unit>]."
    try:
        return {"Path": path, "Rate": parse_bytes(number)}
    except Invalid:
        raise Invalid(
            f"{complaint} Number must be a positive integer. Unit is optional and can be kb, mb, or gb"
        ) from None


def device_operations(text: str) -> dict[str, Any]:
    """`/dev/sda:1000`: operations a second."""
    path, number = _device_and(text)
    if not (number.isascii() and number.isdigit()):
        shape = "The correct format is <device-path>:<number>. Number must be a positive integer"
        raise Invalid(f"invalid rate for device: {text}. {shape}")
    return {"Path": path, "Rate": int(number)}


def _device_and(text: str) -> tuple[str, str]:
    path, separator, number = text.partition(":")
    if not separator or not path:
        raise Invalid(f"bad format: {text}")
    if not path.startswith("/dev/"):
        raise Invalid(f"bad format for device path: {text}")
    return path, number


def csv_fields(text: str) -> list[str]:
    """Fields between commas; one in double quotes may hold commas."""
    import csv

    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error as problem:
        raise Invalid(f"parse error on line 1: {problem}") from None
    return rows[0] if rows else []


def gpus(text: str) -> dict[str, Any]:
    """A request for devices: `all`, a number, or `device=0,driver=nvidia,"capabilities=a,b"`."""
    request: dict[str, Any] = {
        "Driver": "",
        "Count": 0,
        "DeviceIDs": None,
        "Capabilities": [["gpu"]],
        "Options": {},
    }
    seen = set()
    for position, word in enumerate(csv_fields(text)):
        name, separator, value = word.partition("=")
        if not separator:
            if position:
                raise Invalid(f"unexpected key '{name}' in '{word}'")
            name, value = "count", word
        if name in seen:
            raise Invalid(f"gpu request key '{name}' can be specified only once")
        seen.add(name)
        _gpu_field(request, name, value, word)
    if "count" not in seen and request["DeviceIDs"] is None:
        request["Count"] = 1
    return request


def _gpu_field(request: dict[str, Any], name: str, value: str, word: str) -> None:
    if name == "driver":
        request["Driver"] = value
    elif name == "count":
        if value != "all" and not re.fullmatch(r"[0-9]+", value, re.ASCII):
            raise Invalid(f'invalid count ({value}): value must be either "all" or an integer')
        request["Count"] = -1 if value == "all" else int(value)
    elif name == "device":
        request["DeviceIDs"] = value.split(",")
    elif name == "capabilities":
        request["Capabilities"] = [[*value.split(","), "gpu"]]
    elif name == "options":
        pairs = (pair.partition("=") for pair in csv_fields(value))
        request["Options"] = {option: setting for option, _, setting in pairs}
    else:
        raise Invalid(f"unexpected key '{name}' in '{word}'")
