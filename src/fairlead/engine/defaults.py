"""A container's configuration at create: the image's part and the daemon's defaults merged in."""

import posixpath
from dataclasses import replace

from fairlead.model.config import Settings
from fairlead.model.container import Config, HostConfig, LogConfig
from fairlead.model.errors import InvalidParameter
from fairlead.model.image import ImageConfig

SHARED_MEMORY = 64 * 1024 * 1024
# Source: Docker's default OCI spec (`oci/defaults.go`).
MASKED_PATHS = (
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
SMALLEST_MEMORY = 6 * 1024 * 1024


def merge_image(config: Config, image: ImageConfig) -> Config:
    """The container's configuration with everything that the image says and the user does not.

    Source: Docker's `merge`: environment and labels by key, ports and volumes as unions, the
    command only where no entrypoint was given.
    """
    given = {text.partition("=")[0] for text in config.env}
    env = (*config.env, *(text for text in image.env if text.partition("=")[0] not in given))
    cmd, entrypoint = config.cmd, config.entrypoint
    if not entrypoint:
        if not cmd:
            cmd = image.cmd
        # An empty list means: none, not the image's; so does one empty word, below.
        entrypoint = image.entrypoint if entrypoint is None else entrypoint
    elif entrypoint == ("",):
        entrypoint = None
    volumes = tuple(dict.fromkeys((*(config.volumes or ()), *image.volumes)))
    return replace(
        config,
        user=config.user or image.user,
        env=env,
        cmd=cmd,
        entrypoint=entrypoint,
        working_dir=_cleaned(config.working_dir or image.working_dir),
        exposed_ports=tuple(dict.fromkeys((*config.exposed_ports, *image.exposed_ports))),
        volumes=volumes or None,
        labels={**image.labels, **config.labels},
        stop_signal=config.stop_signal or image.stop_signal,
        health_check=config.health_check or image.health_check,
        shell=config.shell or image.shell,
    )


def _cleaned(path: str) -> str:
    """The path without `.`, `..` and doubled slashes, as the runtime wants it."""
    return posixpath.normpath(path.replace("//", "/")) if path.startswith("/") else path


def command_line(config: Config) -> tuple[str, tuple[str, ...]]:
    """The program and its arguments.  InvalidParameter when there is none."""
    words = (*(config.entrypoint or ()), *(config.cmd or ()))
    if not words:
        raise InvalidParameter("No command specified")
    return words[0], words[1:]


def complete(host_config: HostConfig, settings: Settings) -> HostConfig:
    """The host configuration with the daemon's defaults, as inspect shows it."""
    memory, swap = host_config.memory, host_config.memory_swap
    if memory and memory < SMALLEST_MEMORY:
        raise InvalidParameter("Minimum memory limit allowed is 6MB")
    if memory and swap > 0 and swap < memory:
        raise InvalidParameter("Minimum memoryswap limit should be larger than memory limit, see usage")
    if swap > 0 and not memory:
        raise InvalidParameter(
            "You should always set the Memory limit when using Memoryswap limit, see usage"
        )
    paths = host_config.privileged
    return replace(
        host_config,
        network_mode=host_config.network_mode or "default",
        log_config=_log_config(host_config.log_config, settings.log_config),
        shm_size=host_config.shm_size or SHARED_MEMORY,
        ipc_mode=host_config.ipc_mode or "private",
        cgroupns_mode=host_config.cgroupns_mode or "host",
        runtime=host_config.runtime or settings.default_runtime,
        memory_swap=swap or (memory * 2),
        masked_paths=host_config.masked_paths
        if host_config.masked_paths is not None
        else (None if paths else MASKED_PATHS),
        readonly_paths=host_config.readonly_paths
        if host_config.readonly_paths is not None
        else (None if paths else READONLY_PATHS),
    )


def _log_config(own: LogConfig, default: LogConfig) -> LogConfig:
    """The default's options go with its driver alone.  Source: Docker's `mergeAndVerifyLogConfig`."""
    driver = own.driver or default.driver
    inherited = default.options if driver == default.driver else {}
    return LogConfig(driver, {**inherited, **own.options})
