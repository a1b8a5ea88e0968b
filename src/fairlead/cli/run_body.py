"""From the options of `run` and `create` to the document that `POST /containers/create` takes."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from fairlead.cli.endpoints import endpoints, mac_address
from fairlead.cli.flags import Values
from fairlead.cli.labels import label_map, read_pairs
from fairlead.cli.mounting import binds_and_volumes, devices
from fairlead.cli.problems import Invalid
from fairlead.cli.publishing import parse_exposed, parse_published

Document = dict[str, Any]


def create_body(
    values: Values, image: str, arguments: Sequence[str], environment: Mapping[str, str]
) -> Document:
    """The whole document.  Raises Invalid in the words of Docker's client."""
    if values.text("mac-address"):
        mac_address(values.text("mac-address"), f"{values.text('mac-address')} is not a valid mac address")
    binds, volumes = binds_and_volumes(values.all("volume"))
    exposed, bindings = parse_published(values.all("publish"))
    exposed.update({port: {} for port in parse_exposed(values.all("expose")) if port not in exposed})
    mode, networks = endpoints(values)
    host = _host(values, binds, bindings, mode)
    body = _config(values, image, arguments, environment, volumes, exposed)
    return {**body, "HostConfig": host, "NetworkingConfig": {"EndpointsConfig": networks}}


def _config(
    values: Values,
    image: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    volumes: Document,
    exposed: Document,
) -> Document:
    streams = values.all("attach")
    interactive = values.yes("interactive")
    attach_stdin = interactive or "stdin" in streams
    entrypoint = [values.text("entrypoint")] if values.given("entrypoint") else None
    config: Document = {
        "Hostname": values.text("hostname"),
        "Domainname": values.text("domainname"),
        "User": values.text("user"),
        "AttachStdin": attach_stdin,
        "AttachStdout": not streams or "stdout" in streams,
        "AttachStderr": not streams or "stderr" in streams,
        "Tty": values.yes("tty"),
        "OpenStdin": interactive,
        "StdinOnce": interactive and attach_stdin,
        "Env": read_pairs(values.all("env-file"), values.all("env"), environment) or None,
        "Cmd": list(arguments) or None,
        "Image": image,
        "Volumes": volumes,
        "WorkingDir": values.text("workdir"),
        "Entrypoint": entrypoint,
        "Labels": label_map(read_pairs(values.all("label-file"), values.all("label"), None)),
        "Healthcheck": _health(values),
    }
    if exposed:
        config["ExposedPorts"] = exposed
    if values.given("stop-signal"):
        config["StopSignal"] = values.text("stop-signal")
    if values.given("stop-timeout"):
        config["StopTimeout"] = values.number("stop-timeout")
    return {name: value for name, value in config.items() if name != "Healthcheck" or value}


_HEALTH = {
    "health-interval": "Interval",
    "health-timeout": "Timeout",
    "health-start-period": "StartPeriod",
    "health-start-interval": "StartInterval",
    "health-retries": "Retries",
}


def _health(values: Values) -> Document | None:
    command = values.text("health-cmd")
    numbers = {option: values.number(option) for option in _HEALTH if values.number(option)}
    if values.yes("no-healthcheck"):
        if command or numbers:
            raise Invalid("--no-healthcheck conflicts with --health-* options")
        return {"Test": ["NONE"]}
    for option, number in numbers.items():
        if number < 0:
            raise Invalid(f"--{option} cannot be negative")
    if not command and not numbers:
        return None
    test = {"Test": ["CMD-SHELL", command]} if command else {}
    return {**test, **{_HEALTH[option]: number for option, number in numbers.items()}}


def _host(values: Values, binds: list[str], bindings: Document, mode: str) -> Document:
    policy = restart_policy(values.text("restart"))
    if values.yes("rm") and policy["Name"] not in ("", "no"):
        raise Invalid("conflicting options: cannot specify both --restart and --rm")
    security, unconfined = _security(values.all("security-opt"))
    host: Document = {
        "Binds": binds or None,
        "ContainerIDFile": values.text("cidfile"),
        "LogConfig": {"Type": values.text("log-driver"), "Config": _log_options(values)},
        "NetworkMode": mode,
        "PortBindings": bindings,
        "RestartPolicy": policy,
        "AutoRemove": values.yes("rm"),
        "VolumeDriver": values.text("volume-driver"),
        "VolumesFrom": values.all("volumes-from") or None,
        "ConsoleSize": [0, 0],
        "CapAdd": capabilities(values.all("cap-add")),
        "CapDrop": capabilities(values.all("cap-drop")),
        "Dns": values.all("dns"),
        "DnsOptions": values.all("dns-option"),
        "DnsSearch": values.all("dns-search"),
        "ExtraHosts": values.all("add-host") or None,
        "GroupAdd": values.all("group-add") or None,
        "Links": values.all("link") or None,
        "OomScoreAdj": values.number("oom-score-adj"),
        "Privileged": values.yes("privileged"),
        "PublishAllPorts": values.yes("publish-all"),
        "ReadonlyRootfs": values.yes("read-only"),
        "SecurityOpt": security or None,
        "ShmSize": values.number("shm-size"),
        "Isolation": values.text("isolation"),
        "MaskedPaths": [] if unconfined else None,
        "ReadonlyPaths": [] if unconfined else None,
        **_namespaces(values),
        **_resources(values),
    }
    return {**host, **_optional(values)}


def _optional(values: Values) -> Document:
    """What is not there at all when nobody asked for it."""
    wanted: Document = {
        "Annotations": values.pairs("annotation"),
        "Mounts": values.all("mount"),
        "Runtime": values.text("runtime"),
        "StorageOpt": _storage(values.all("storage-opt")),
        "Sysctls": values.pairs("sysctl"),
        "Tmpfs": {path: rest for path, _, rest in (text.partition(":") for text in values.all("tmpfs"))},
    }
    found = {name: value for name, value in wanted.items() if value}
    if values.given("init"):
        found["Init"] = values.yes("init")
    return found


def _namespaces(values: Values) -> Document:
    pid, uts, user = values.text("pid"), values.text("uts"), values.text("userns")
    cgroup = values.text("cgroupns")
    if pid not in ("", "host") and not re.fullmatch(r"container:.+", pid):
        raise Invalid("--pid: invalid PID mode")
    if uts not in ("", "host"):
        raise Invalid("--uts: invalid UTS mode")
    if user not in ("", "host"):
        raise Invalid("--userns: invalid USER mode")
    if cgroup not in ("", "host", "private"):
        raise Invalid("--cgroupns: invalid CGROUP mode")
    return {
        "CgroupnsMode": cgroup,
        "IpcMode": values.text("ipc"),
        "PidMode": pid,
        "UTSMode": uts,
        "UsernsMode": user,
    }


def _resources(values: Values) -> Document:
    swappiness = values.number("memory-swappiness")
    if not -1 <= swappiness <= 100:
        raise Invalid(f"invalid value: {swappiness}. Valid memory swappiness range is 0-100")
    return {
        "CpuShares": values.number("cpu-shares"),
        "Memory": values.number("memory"),
        "NanoCpus": values.number("cpus"),
        "CgroupParent": values.text("cgroup-parent"),
        "BlkioWeight": values.number("blkio-weight"),
        "BlkioWeightDevice": values.all("blkio-weight-device"),
        "BlkioDeviceReadBps": values.all("device-read-bps"),
        "BlkioDeviceWriteBps": values.all("device-write-bps"),
        "BlkioDeviceReadIOps": values.all("device-read-iops"),
        "BlkioDeviceWriteIOps": values.all("device-write-iops"),
        "CpuPeriod": values.number("cpu-period"),
        "CpuQuota": values.number("cpu-quota"),
        "CpuRealtimePeriod": values.number("cpu-rt-period"),
        "CpuRealtimeRuntime": values.number("cpu-rt-runtime"),
        "CpusetCpus": values.text("cpuset-cpus"),
        "CpusetMems": values.text("cpuset-mems"),
        "Devices": [mapping for text in values.all("device") for mapping in devices(text)],
        "DeviceCgroupRules": values.all("device-cgroup-rule") or None,
        "DeviceRequests": values.all("gpus") or None,
        "MemoryReservation": values.number("memory-reservation"),
        "MemorySwap": values.number("memory-swap"),
        "MemorySwappiness": swappiness,
        "OomKillDisable": values.yes("oom-kill-disable"),
        "PidsLimit": values.number("pids-limit"),
        "Ulimits": sorted(values.all("ulimit"), key=lambda limit: str(limit["Name"])),
    }


def restart_policy(text: str) -> Document:
    """`on-failure:3` as a document; which names there are is the daemon's to know."""
    name, separator, count = text.partition(":")
    if separator and not re.fullmatch(r"[+-]?[0-9]+", count, re.ASCII):
        raise Invalid("invalid restart policy format: maximum retry count must be an integer")
    if separator and not name:
        raise Invalid("invalid restart policy format: no policy provided before colon")
    return {"Name": name, "MaximumRetryCount": int(count) if separator else 0}


def capabilities(names: Sequence[str]) -> list[str] | None:
    """Names as the kernel has them, each once, sorted; ALL stays."""
    found = set()
    for name in names:
        upper = name.strip().upper()
        found.add(upper if upper == "ALL" or upper.startswith("CAP_") else f"CAP_{upper}")
    return ["ALL"] if "ALL" in found else sorted(found) or None


def _log_options(values: Values) -> dict[str, str]:
    options = label_map(values.all("log-opt"))
    if values.text("log-driver") == "none" and options:
        raise Invalid("invalid logging opts for driver none")
    return options


def _storage(options: Sequence[str]) -> dict[str, str]:
    if any("=" not in option for option in options):
        raise Invalid("invalid storage option")
    return label_map(options)


def _security(options: Sequence[str]) -> tuple[list[str], bool]:
    """The options for the daemon, a seccomp profile read into its own; and whether no path is masked."""
    found, unconfined = [], False
    for option in options:
        if option == "systempaths=unconfined":
            unconfined = True
            continue
        name, separator, value = option.partition("=")
        if not separator and name != "no-new-privileges":
            name, separator, value = option.partition(":")
            if not separator:
                raise Invalid(f'Invalid --security-opt: "{option}"')
        if name == "seccomp" and value not in ("unconfined", "builtin"):
            option = f"seccomp={_profile(value)}"
        found.append(option)
    return found, unconfined


def _profile(path: str) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as problem:
        reason = f"open {path}: {(problem.strerror or str(problem)).lower()}"
        raise Invalid(f"opening seccomp profile ({path}) failed: {reason}") from None
    try:
        return json.dumps(json.loads(content), separators=(",", ":"))
    except ValueError as problem:
        raise Invalid(f"compacting json for seccomp profile ({path}) failed: {problem}") from None
