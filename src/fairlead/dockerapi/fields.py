"""The table between Docker's JSON names and the model's attributes, of Config and HostConfig, for both ways.

The law: what is rendered from a value and parsed again is that value.
"""

from collections.abc import Mapping
from typing import Any

from fairlead.dockerapi.kinds import (
    BOOLEAN,
    INTEGER,
    KEYS,
    TEXT,
    TEXT_MAP,
    TEXTS,
    WORDS,
    Field,
    Kind,
    array_schema,
    as_object,
    list_of,
    map_schema,
    mistyped,
    nullable,
    object_schema,
    optional,
    or_null,
    parse_fields,
    render_fields,
    structure,
    unset_fields,
)
from fairlead.dockerapi.mounts import MOUNTS
from fairlead.dockerapi.options import check_host_port, parse_container_port, parse_exposed_port
from fairlead.dockerapi.version import Version
from fairlead.model.container import (
    Config,
    Device,
    HealthCheck,
    HostConfig,
    LogConfig,
    PortRequest,
    RestartPolicy,
    ThrottleDevice,
    Ulimit,
)
from fairlead.model.errors import InvalidParameter, Unsupported

_KERNEL_MEMORY_GONE = Version(1, 42)


def _parse_exposed(value: object, where: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(parse_exposed_port(text) for text in as_object(value, where)))


def _parse_bindings(value: object, where: str) -> tuple[PortRequest, ...]:
    """{"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}; a port without bindings asks for nothing."""
    requests = []
    for text, bindings in as_object(value, where).items():
        port, protocol = parse_container_port(text)
        if bindings is not None and not isinstance(bindings, list):
            raise mistyped(f"{where}.{text}", "an array", bindings)
        for index, binding in enumerate(bindings or ()):
            given = parse_fields(_BINDING, binding, f"{where}.{text}[{index}]")
            requests.append(
                PortRequest(port, protocol, given["host_address"], check_host_port(given["host_port"]))
            )
    return tuple(requests)


def _render_bindings(requests: tuple[PortRequest, ...]) -> object:
    document: dict[str, list[object]] = {}
    for request in requests:
        document.setdefault(f"{request.container_port}/{request.protocol}", []).append(
            {"HostIp": request.host_address, "HostPort": request.host_port}
        )
    return document


def _parse_size_pair(value: object, where: str) -> tuple[int, int]:
    pair = list_of(INTEGER).parse(value, where)
    if len(pair) != 2 or min(pair) < 0:
        raise InvalidParameter(f"invalid JSON: {where} must be two sizes, height and width")
    return pair[0], pair[1]


def _parse_log_config(value: object, where: str) -> LogConfig:
    given = parse_fields(_LOG_CONFIG, value, where)
    return LogConfig(given["driver"] or LogConfig().driver, given["options"])


def _refuse_devices(value: object, where: str) -> None:
    if value:
        raise Unsupported(
            f"could not select a device driver for {where}: this engine hands out no GPUs or CDI devices"
        )


_BINDING = (Field("HostIp", "host_address", TEXT), Field("HostPort", "host_port", TEXT))
_LOG_CONFIG = (Field("Type", "driver", TEXT), Field("Config", "options", TEXT_MAP))
_RESTART_POLICY = (
    Field("Name", "name", TEXT),
    Field("MaximumRetryCount", "maximum_retry_count", INTEGER),
)
_HEALTH_CHECK = (
    optional("Test", "test", TEXTS),
    optional("Interval", "interval", INTEGER),
    optional("Timeout", "timeout", INTEGER),
    optional("StartPeriod", "start_period", INTEGER),
    optional("StartInterval", "start_interval", INTEGER),
    optional("Retries", "retries", INTEGER),
)
_DEVICE = (
    Field("PathOnHost", "path_on_host", TEXT),
    Field("PathInContainer", "path_in_container", TEXT),
    Field("CgroupPermissions", "permissions", Kind(TEXT.parse, TEXT.render, "rwm", TEXT.schema)),
)
_WEIGHT = (Field("Path", "path", TEXT), Field("Weight", "rate", INTEGER))
_THROTTLE = (Field("Path", "path", TEXT), Field("Rate", "rate", INTEGER))
_ULIMIT = (
    Field("Name", "name", TEXT),
    Field("Hard", "hard", INTEGER),
    Field("Soft", "soft", INTEGER),
)

EXPOSED_PORTS: Kind[tuple[str, ...]] = Kind(_parse_exposed, KEYS.render, (), KEYS.schema)
PORT_BINDINGS: Kind[tuple[PortRequest, ...]] = Kind(
    _parse_bindings, _render_bindings, (), map_schema(or_null(array_schema(object_schema(_BINDING))))
)
SIZE: Kind[tuple[int, int]] = Kind(
    _parse_size_pair, list, (0, 0), {**array_schema(INTEGER.schema), "minItems": 2, "maxItems": 2}
)
LOG_CONFIG: Kind[LogConfig] = Kind(
    _parse_log_config,
    lambda value: {"Type": value.driver, "Config": dict(value.options)},
    LogConfig(),
    object_schema(_LOG_CONFIG),
)
RESTART_POLICY = structure(RestartPolicy, _RESTART_POLICY, RestartPolicy(""))
HEALTH_CHECK = structure(HealthCheck, _HEALTH_CHECK, HealthCheck())
DEVICES = list_of(structure(Device, _DEVICE, Device("", "")))
WEIGHTS = nullable(list_of(structure(ThrottleDevice, _WEIGHT, ThrottleDevice("", 0))))
THROTTLES = nullable(list_of(structure(ThrottleDevice, _THROTTLE, ThrottleDevice("", 0))))
ULIMITS = nullable(list_of(structure(Ulimit, _ULIMIT, Ulimit("", 0, 0))))

CONFIG = (
    Field("Hostname", "hostname", TEXT),
    Field("Domainname", "domainname", TEXT),
    Field("User", "user", TEXT),
    Field("AttachStdin", "attach_stdin", BOOLEAN),
    Field("AttachStdout", "attach_stdout", BOOLEAN),
    Field("AttachStderr", "attach_stderr", BOOLEAN),
    optional("ExposedPorts", "exposed_ports", EXPOSED_PORTS),
    Field("Tty", "tty", BOOLEAN),
    Field("OpenStdin", "open_stdin", BOOLEAN),
    Field("StdinOnce", "stdin_once", BOOLEAN),
    Field("Env", "env", TEXTS),
    Field("Cmd", "cmd", nullable(WORDS)),
    optional("Healthcheck", "health_check", nullable(HEALTH_CHECK)),
    optional("ArgsEscaped", "args_escaped", BOOLEAN),
    Field("Image", "image", TEXT),
    Field("Volumes", "volumes", nullable(KEYS)),
    Field("WorkingDir", "working_dir", TEXT),
    Field("Entrypoint", "entrypoint", nullable(WORDS)),
    optional("NetworkDisabled", "network_disabled", BOOLEAN),
    optional("MacAddress", "mac_address", TEXT),
    Field("OnBuild", "on_build", nullable(TEXTS)),
    Field("Labels", "labels", TEXT_MAP),
    optional("StopSignal", "stop_signal", TEXT),
    optional("StopTimeout", "stop_timeout", nullable(INTEGER)),
    optional("Shell", "shell", nullable(WORDS)),
)

HOST_CONFIG = (
    Field("Binds", "binds", nullable(TEXTS)),
    Field("ContainerIDFile", "container_id_file", TEXT),
    Field("LogConfig", "log_config", LOG_CONFIG),
    Field("NetworkMode", "network_mode", TEXT),
    Field("PortBindings", "port_bindings", PORT_BINDINGS, null_when_unset=True),
    Field("RestartPolicy", "restart_policy", RESTART_POLICY),
    Field("AutoRemove", "auto_remove", BOOLEAN),
    Field("VolumeDriver", "volume_driver", TEXT),
    Field("VolumesFrom", "volumes_from", nullable(TEXTS)),
    optional("Mounts", "mounts", nullable(MOUNTS)),
    optional("Annotations", "annotations", nullable(TEXT_MAP)),
    Field("CapAdd", "cap_add", nullable(WORDS)),
    Field("CapDrop", "cap_drop", nullable(WORDS)),
    Field("CgroupnsMode", "cgroupns_mode", TEXT),
    Field("Dns", "dns", TEXTS, null_when_unset=True),
    Field("DnsOptions", "dns_options", TEXTS, null_when_unset=True),
    Field("DnsSearch", "dns_search", TEXTS, null_when_unset=True),
    Field("ExtraHosts", "extra_hosts", nullable(TEXTS)),
    Field("GroupAdd", "group_add", nullable(TEXTS)),
    Field("IpcMode", "ipc_mode", TEXT),
    Field("Cgroup", "cgroup", TEXT),
    Field("Links", "links", nullable(TEXTS)),
    Field("OomScoreAdj", "oom_score_adj", INTEGER),
    Field("PidMode", "pid_mode", TEXT),
    Field("Privileged", "privileged", BOOLEAN),
    Field("PublishAllPorts", "publish_all_ports", BOOLEAN),
    Field("ReadonlyRootfs", "readonly_rootfs", BOOLEAN),
    Field("SecurityOpt", "security_opt", nullable(TEXTS)),
    optional("StorageOpt", "storage_opt", nullable(TEXT_MAP)),
    optional("Tmpfs", "tmpfs", nullable(TEXT_MAP)),
    Field("UTSMode", "uts_mode", TEXT),
    Field("UsernsMode", "userns_mode", TEXT),
    Field("ShmSize", "shm_size", INTEGER),
    optional("Sysctls", "sysctls", nullable(TEXT_MAP)),
    optional("Runtime", "runtime", TEXT),
    Field("ConsoleSize", "console_size", SIZE),
    Field("Isolation", "isolation", TEXT),
    Field("CpuShares", "cpu_shares", INTEGER),
    Field("Memory", "memory", INTEGER),
    Field("NanoCpus", "nano_cpus", INTEGER),
    Field("CgroupParent", "cgroup_parent", TEXT),
    Field("BlkioWeight", "blkio_weight", INTEGER),
    Field("BlkioWeightDevice", "blkio_weight_device", WEIGHTS),
    Field("BlkioDeviceReadBps", "blkio_device_read_bps", THROTTLES),
    Field("BlkioDeviceWriteBps", "blkio_device_write_bps", THROTTLES),
    Field("BlkioDeviceReadIOps", "blkio_device_read_iops", THROTTLES),
    Field("BlkioDeviceWriteIOps", "blkio_device_write_iops", THROTTLES),
    Field("CpuPeriod", "cpu_period", INTEGER),
    Field("CpuQuota", "cpu_quota", INTEGER),
    Field("CpuRealtimePeriod", "cpu_realtime_period", INTEGER),
    Field("CpuRealtimeRuntime", "cpu_realtime_runtime", INTEGER),
    Field("CpusetCpus", "cpuset_cpus", TEXT),
    Field("CpusetMems", "cpuset_mems", TEXT),
    Field("Devices", "devices", DEVICES, null_when_unset=True),
    Field("DeviceCgroupRules", "device_cgroup_rules", nullable(TEXTS)),
    Field("KernelMemory", "kernel_memory", INTEGER, omitted_since=_KERNEL_MEMORY_GONE),
    Field("KernelMemoryTCP", "kernel_memory_tcp", INTEGER, omitted_since=_KERNEL_MEMORY_GONE),
    Field("MemoryReservation", "memory_reservation", INTEGER),
    Field("MemorySwap", "memory_swap", INTEGER),
    Field("MemorySwappiness", "memory_swappiness", nullable(INTEGER)),
    Field("OomKillDisable", "oom_kill_disable", BOOLEAN),
    Field("PidsLimit", "pids_limit", nullable(INTEGER)),
    Field("Ulimits", "ulimits", ULIMITS),
    Field("MaskedPaths", "masked_paths", nullable(TEXTS)),
    Field("ReadonlyPaths", "readonly_paths", nullable(TEXTS)),
    optional("Init", "init", nullable(BOOLEAN)),
)

# Members that Docker always shows and that say nothing here.
_CONSTANTS: Mapping[str, object] = {
    "DeviceRequests": None,
    "CpuCount": 0,
    "CpuPercent": 0,
    "IOMaximumIOps": 0,
    "IOMaximumBandwidth": 0,
}

CONFIG_SCHEMA = object_schema(CONFIG)
# Requests for GPUs are read to be refused.
HOST_CONFIG_SCHEMA = object_schema(HOST_CONFIG, {"DeviceRequests": array_schema({"type": "object"})})


def parse_config(document: object, where: str = "") -> Config:
    """Docker's Config, as in the body of `POST /containers/create`."""
    return Config(**parse_fields(CONFIG, document, where))


def render_config(config: Config, version: Version) -> dict[str, object]:
    """Docker's Config, as in the answer of inspect."""
    return render_fields(CONFIG, config, version)


def parse_host_config(document: object, where: str = "HostConfig") -> HostConfig:
    """Docker's HostConfig.  Unsupported for GPUs."""
    values: dict[str, Any] = parse_fields(HOST_CONFIG, document, where)
    _refuse_devices(as_object(document, where).get("DeviceRequests"), f"{where}.DeviceRequests")
    values["network_mode"] = values["network_mode"] or "default"
    return HostConfig(**values, unset=unset_fields(HOST_CONFIG, document))


def render_host_config(host_config: HostConfig, version: Version) -> dict[str, object]:
    """Docker's HostConfig, as in the answer of inspect."""
    return {**render_fields(HOST_CONFIG, host_config, version, host_config.unset), **_CONSTANTS}
