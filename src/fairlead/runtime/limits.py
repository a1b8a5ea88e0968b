"""Resource limits in the OCI runtime's form: pure.

What this machine's control groups do not know is left out, as Docker leaves it out with a warning.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from fairlead.model.container import HostConfig
from fairlead.model.errors import InvalidParameter
from fairlead.runtime.devices import DeviceNode, DeviceNumbers
from fairlead.runtime.traits import Traits

Rule = dict[str, Any]
_DEFAULT_PERIOD = 100_000  # microseconds
_RULE = re.compile(r"([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})")
# Source: Docker's `oci.DefaultLinuxSpec`: any node may be made; null, zero and their kin be used.
_USABLE = ((1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 1), (5, 2), (136, None))


def _allow(kind: str, major: int | None, minor: int | None, access: str) -> Rule:
    numbers = {"major": major, "minor": minor}
    return {
        "allow": True,
        "type": kind,
        **{name: number for name, number in numbers.items() if number is not None},
        "access": access,
    }


def parse_rule(text: str) -> Rule:
    """A --device-cgroup-rule.  InvalidParameter if it is not one."""
    match = _RULE.fullmatch(text)
    if match is None:
        raise InvalidParameter(f"invalid device cgroup rule format: '{text}'")
    kind, major, minor, access = match.groups()
    return _allow(kind, None if major == "*" else int(major), None if minor == "*" else int(minor), access)


def device_rules(host_config: HostConfig, nodes: Iterable[DeviceNode]) -> list[Rule]:
    """Which devices may be used: everything when privileged, else the usual ones and those asked for."""
    if host_config.privileged:
        return [{"allow": True, "access": "rwm"}]
    rules: list[Rule] = [{"allow": False, "access": "rwm"}]
    rules += [_allow(kind, None, None, "m") for kind in ("c", "b")]
    rules += [_allow("c", major, minor, "rwm") for major, minor in _USABLE]
    rules += [_allow(node.kind, node.major, node.minor, node.access) for node in nodes]
    rules += [parse_rule(text) for text in host_config.device_cgroup_rules or ()]
    return rules


def _known(values: Mapping[str, tuple[Any, str]], traits: Traits) -> dict[str, Any]:
    """Those of {key: (value, control group file)} that are set and that the machine knows."""
    return {key: value for key, (value, file) in values.items() if value and traits.limits(file)}


def _memory(host_config: HostConfig, traits: Traits) -> dict[str, Any]:
    memory = _known(
        {
            "limit": (host_config.memory, "memory.limit_in_bytes"),
            "reservation": (host_config.memory_reservation, "memory.soft_limit_in_bytes"),
            "swap": (host_config.memory_swap, "memory.memsw.limit_in_bytes"),
            "kernelTCP": (host_config.kernel_memory_tcp, "memory.kmem.tcp.limit_in_bytes"),
            "disableOOMKiller": (host_config.oom_kill_disable, "memory.oom_control"),
        },
        traits,
    )
    swappiness = host_config.memory_swappiness
    if swappiness is not None and swappiness >= 0 and not traits.unified:
        memory["swappiness"] = swappiness
    return memory


def _cpu(host_config: HostConfig, traits: Traits) -> dict[str, Any]:
    period, quota = host_config.cpu_period, host_config.cpu_quota
    if host_config.nano_cpus:
        period = _DEFAULT_PERIOD
        quota = host_config.nano_cpus * _DEFAULT_PERIOD // 1_000_000_000
    return _known(
        {
            "shares": (host_config.cpu_shares, "cpu.shares"),
            "period": (period, "cpu.cfs_period_us"),
            "quota": (quota, "cpu.cfs_quota_us"),
            "realtimePeriod": (host_config.cpu_realtime_period, "cpu.rt_period_us"),
            "realtimeRuntime": (host_config.cpu_realtime_runtime, "cpu.rt_runtime_us"),
            "cpus": (host_config.cpuset_cpus, "cpuset.cpus"),
            "mems": (host_config.cpuset_mems, "cpuset.mems"),
        },
        traits,
    )


def _block_io(host_config: HostConfig, numbers: DeviceNumbers, traits: Traits) -> dict[str, Any]:
    block_io: dict[str, Any] = {}
    if host_config.blkio_weight and traits.limits("blkio.weight"):
        block_io["weight"] = host_config.blkio_weight
    throttles = (
        ("weightDevice", host_config.blkio_weight_device, "weight", "blkio.weight_device"),
        ("throttleReadBpsDevice", host_config.blkio_device_read_bps, "rate", ""),
        ("throttleWriteBpsDevice", host_config.blkio_device_write_bps, "rate", ""),
        ("throttleReadIOPSDevice", host_config.blkio_device_read_iops, "rate", ""),
        ("throttleWriteIOPSDevice", host_config.blkio_device_write_iops, "rate", ""),
    )
    for key, devices, value, file in throttles:
        entries = [
            {"major": numbers[device.path][0], "minor": numbers[device.path][1], value: device.rate}
            for device in devices or ()
        ]
        if entries and (not file or traits.limits(file)):
            block_io[key] = entries
    return block_io


def resources(host_config: HostConfig, numbers: DeviceNumbers, traits: Traits) -> dict[str, Any]:
    """Memory, processor, process and block device limits; device rules are not among them.

    `numbers` holds (major, minor) of every block device that a limit names.
    """
    groups: dict[str, Any] = {
        "memory": _memory(host_config, traits),
        "cpu": _cpu(host_config, traits),
        "blockIO": _block_io(host_config, numbers, traits),
    }
    if host_config.pids_limit is not None and host_config.pids_limit > 0 and traits.controls("pids"):
        groups["pids"] = {"limit": host_config.pids_limit}
    return {name: group for name, group in groups.items() if group}


def ulimits(
    host_config: HostConfig, defaults: Iterable[tuple[str, int, int]], traits: Traits
) -> list[dict[str, Any]]:
    """The container's own over the daemon's defaults, none above what the daemon can give away."""
    chosen = {name: (soft, hard) for name, soft, hard in defaults}
    chosen.update({each.name: (each.soft, each.hard) for each in host_config.ulimits or ()})
    return [
        {
            "type": f"RLIMIT_{name.upper()}",
            "soft": _unsigned(_clamped(soft, traits, name)),
            "hard": _unsigned(_clamped(hard, traits, name)),
        }
        for name, (soft, hard) in chosen.items()
    ]


def _clamped(value: int, traits: Traits, name: str) -> int:
    ceiling = traits.hard_limits.get(name, -1)
    if traits.raises_limits or ceiling == -1:
        return value
    return ceiling if value == -1 else min(value, ceiling)


def _unsigned(value: int) -> int:
    return value if value >= 0 else (1 << 64) - 1
