"""What can be refused of a container's configuration by looking at it alone, in Docker's words.

What needs the host, the image or other containers is the engine's to refuse.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_address

from fairlead.dockerapi.options import check_restart_policy, parse_signal, parse_size
from fairlead.model.container import Config, HostConfig, LogConfig
from fairlead.model.errors import InvalidParameter

# Linux capabilities, without their prefix.
CAPABILITIES = frozenset(
    "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE "
    "DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE "
    "MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP SETGID SETPCAP SETUID "
    "SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE "
    "SYS_TIME SYS_TTY_CONFIG SYSLOG WAKE_ALARM".split()
)
ULIMITS = frozenset(
    "as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending "
    "stack".split()
)
_LOG_OPTIONS: Mapping[str, frozenset[str]] = {
    "json-file": frozenset(
        "max-size max-file compress labels labels-regex env env-regex tag mode max-buffer-size".split()
    ),
    "local": frozenset("max-size max-file compress".split()),
    "none": frozenset(),
}
RUNTIMES = ("runc", "crun", "io.containerd.runc.v2", "io.containerd.runtime.v1.linux")
_SECURITY_WORDS = ("no-new-privileges", "disable")
SMALLEST_MEMORY = 6 * 1024 * 1024
_MILLISECOND = 1_000_000


def check_config(config: Config) -> None:
    """InvalidParameter if something in Config can never work."""
    for text in config.env:
        if not text or text.startswith("="):
            raise InvalidParameter(f"invalid environment variable: {text}")
    if config.stop_signal:
        parse_signal(config.stop_signal)
    if config.mac_address:
        check_mac(config.mac_address)
    for path in config.volumes or ():
        if not path.startswith("/"):
            raise InvalidParameter(f"invalid mount path: '{path}' mount path must be absolute")
    _check_health(config)


def check_mac(text: str) -> str:
    """A hardware address in lower case with colons; InvalidParameter otherwise."""
    digits = text.replace("-", ":").lower()
    if re.fullmatch(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", digits) is None:
        raise InvalidParameter(f"{text} is not a valid mac address")
    return digits


def _check_health(config: Config) -> None:
    check = config.health_check
    if check is None:
        return
    if check.test and check.test[0] not in ("NONE", "CMD", "CMD-SHELL"):
        raise InvalidParameter(f"Unknown type '{check.test[0]}' in Healthcheck (try 'CMD')")
    times = (
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    )
    for name, time in times:
        if time and time < _MILLISECOND:
            raise InvalidParameter(f"{name} in Healthcheck cannot be less than 1ms")
    if check.retries < 0:
        raise InvalidParameter("Retries in Healthcheck cannot be negative")


def check_host_config(host_config: HostConfig) -> None:
    """InvalidParameter if something in HostConfig can never work."""
    for check in _CHECKS:
        check(host_config)


def _check_restarts(host_config: HostConfig) -> None:
    check_restart_policy(host_config.restart_policy)


def _check_ports(host_config: HostConfig) -> None:
    for request in host_config.port_bindings:
        if request.host_address:
            _require_address(request.host_address, "invalid IP address")


def _require_address(text: str, complaint: str, quoted: bool = False) -> None:
    try:
        ip_address(text)
    except ValueError as error:
        shown = f'"{text}"' if quoted else text
        raise InvalidParameter(f"{complaint}: {shown}") from error


def _check_names(host_config: HostConfig) -> None:
    for text in host_config.extra_hosts or ():
        name, _, address = text.partition(":")
        if not name or not address:
            raise InvalidParameter(f'bad format for add-host: "{text}"')
        if address != "host-gateway":
            _require_address(address.strip("[]"), "invalid IP address in add-host", quoted=True)
    for text in host_config.dns:
        _require_address(text, "bad nameserver address")


def _check_capabilities(host_config: HostConfig) -> None:
    for title, names in (("CapAdd", host_config.cap_add), ("CapDrop", host_config.cap_drop)):
        for name in names or ():
            bare = name.upper().removeprefix("CAP_")
            if bare != "ALL" and bare not in CAPABILITIES:
                raise InvalidParameter(f'invalid {title}: unknown capability: "CAP_{bare}"')


def _check_log(host_config: HostConfig) -> None:
    check_log_config(host_config.log_config)


def check_log_config(log_config: LogConfig) -> None:
    """InvalidParameter if the driver is not there or an option is not one of its."""
    allowed = _LOG_OPTIONS.get(log_config.driver)
    if allowed is None:
        driver = log_config.driver
        raise InvalidParameter(f'error looking up logging plugin {driver}: plugin "{driver}" not found')
    for name in log_config.options:
        if name not in allowed:
            raise InvalidParameter(f"unknown log opt '{name}' for {log_config.driver} log driver")
    if "max-size" in log_config.options:
        parse_size(log_config.options["max-size"])
    files = log_config.options.get("max-file", "1")
    if re.fullmatch(r"[0-9]{1,9}", files) is None or int(files) < 1:
        raise InvalidParameter("max-file cannot be less than 1")


def _check_modes(host_config: HostConfig) -> None:
    modes = (
        ("cgroup namespace mode", host_config.cgroupns_mode, ("", "host", "private"), False),
        ("IPC mode", host_config.ipc_mode, ("", "none", "private", "shareable", "host"), True),
        ("PID mode", host_config.pid_mode, ("", "host"), True),
        ("UTS mode", host_config.uts_mode, ("", "host"), False),
        ("user namespace mode", host_config.userns_mode, ("", "host"), False),
    )
    for name, mode, words, joins in modes:
        if mode not in words and not (joins and re.fullmatch(r"container:.+", mode)):
            raise InvalidParameter(f"invalid {name}: {mode}")


def _check_memory(host_config: HostConfig) -> None:
    if host_config.memory and host_config.memory < SMALLEST_MEMORY:
        raise InvalidParameter("Minimum memory limit allowed is 6MB")
    for what, size in (
        ("memory reservation", host_config.memory_reservation),
        ("kernel memory limit", host_config.kernel_memory),
    ):
        if 0 < size < SMALLEST_MEMORY:
            raise InvalidParameter(f"Minimum {what} allowed is 6MB")
    swappiness = host_config.memory_swappiness
    if swappiness is not None and not -1 <= swappiness <= 100:
        raise InvalidParameter(f"Invalid value: {swappiness}, valid memory swappiness range is 0-100")
    reservation = host_config.memory_reservation
    if reservation and host_config.memory and host_config.memory < reservation:
        raise InvalidParameter(
            "Minimum memory limit can not be less than memory reservation limit, see usage"
        )
    if host_config.shm_size < 0:
        raise InvalidParameter("SHM size can not be less than 0")
    if not -1000 <= host_config.oom_score_adj <= 1000:
        raise InvalidParameter(
            f"Invalid value {host_config.oom_score_adj}, range for oom score adj is [-1000, 1000]"
        )


def _check_processor(host_config: HostConfig) -> None:
    if host_config.nano_cpus < 0:
        raise InvalidParameter("invalid CPUs: it must not be negative")
    if host_config.nano_cpus and host_config.cpu_period:
        raise InvalidParameter("Conflicting options: Nano CPUs and CPU Period cannot both be set")
    if host_config.nano_cpus and host_config.cpu_quota:
        raise InvalidParameter("Conflicting options: Nano CPUs and CPU Quota cannot both be set")
    if host_config.cpu_period and not 1000 <= host_config.cpu_period <= 1_000_000:
        raise InvalidParameter(
            "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)"
        )
    if 0 < host_config.cpu_quota < 1000:
        raise InvalidParameter("CPU cfs quota can not be less than 1ms (i.e. 1000)")
    for title, text in (("cpus", host_config.cpuset_cpus), ("mems", host_config.cpuset_mems)):
        if text and re.fullmatch(r"\d+(-\d+)?(,\d+(-\d+)?)*", text) is None:
            raise InvalidParameter(f"Invalid value {text} for cpuset {title}: invalid format: {text}")


def _check_block_devices(host_config: HostConfig) -> None:
    if host_config.blkio_weight and not 10 <= host_config.blkio_weight <= 1000:
        raise InvalidParameter("Range of blkio weight is from 10 to 1000")
    for device in host_config.blkio_weight_device or ():
        if not 10 <= device.rate <= 1000:
            raise InvalidParameter("Range of blkio weight is from 10 to 1000")


def _check_limits(host_config: HostConfig) -> None:
    for limit in host_config.ulimits or ():
        if limit.name not in ULIMITS:
            raise InvalidParameter(f"invalid ulimit type: {limit.name}")
        if limit.hard != -1 and (limit.soft > limit.hard or limit.soft == -1):
            raise InvalidParameter(
                f"ulimit soft limit must be less than or equal to hard limit: {limit.soft} > {limit.hard}"
            )
    for device in host_config.devices:
        if not re.fullmatch(r"[rwm]{1,3}", device.permissions):
            raise InvalidParameter(f"bad mode specified: {device.permissions}")


def _check_paths(host_config: HostConfig) -> None:
    for path in host_config.tmpfs or ():
        if not path.startswith("/"):
            raise InvalidParameter(f"invalid mount path: '{path}' mount path must be absolute")
        if not path.strip("/"):
            raise InvalidParameter("invalid specification: destination can't be '/'")


def _check_kind(host_config: HostConfig) -> None:
    if host_config.isolation not in ("", "default"):
        raise InvalidParameter(
            f"Invalid isolation: \"{host_config.isolation}\" - linux only supports 'default'"
        )
    if host_config.runtime not in ("", *RUNTIMES):
        raise InvalidParameter(f"Unknown runtime specified {host_config.runtime}")
    if host_config.storage_opt:
        raise InvalidParameter(
            "--storage-opt is supported only for overlay over xfs with 'pquota' mount option"
        )
    for option in host_config.security_opt or ():
        if option not in _SECURITY_WORDS and not re.match(r"[a-z-]+[=:].", option):
            raise InvalidParameter(f'invalid --security-opt 1: "{option}"')


_CHECKS: tuple[Callable[[HostConfig], None], ...] = (
    _check_restarts,
    _check_ports,
    _check_names,
    _check_capabilities,
    _check_log,
    _check_modes,
    _check_memory,
    _check_processor,
    _check_block_devices,
    _check_limits,
    _check_paths,
    _check_kind,
)
