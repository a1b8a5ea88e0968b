"""What a container uses: its control groups' counters and its interfaces', in Docker's units."""

import os
from collections.abc import Mapping
from dataclasses import replace

from fairlead.boundary import Usage
from fairlead.runtime.cgroups import Cgroups

_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")  # nanoseconds
_COLUMNS = ("bytes", "packets", "errors", "dropped")  # the first four of eight, for each direction


def usage(cgroups: Cgroups, pid: int) -> Usage:
    """What it uses now.  `pid`: its first process, whose interfaces are counted."""
    own = _unified(cgroups) if cgroups.unified else _split(cgroups)
    total = _machine_memory()
    return replace(
        own,
        memory_limit=min(own.memory_limit, total) if own.memory_limit else total,
        system_cpu=_system_cpu(),
        online_cpus=len(os.sched_getaffinity(0)),
        networks=_networks(pid),
    )


def _number(text: str) -> int:
    """A file's number; 0 for "max" and for no file."""
    text = text.strip()
    return int(text) if text.isdigit() else 0


def _split(cgroups: Cgroups) -> Usage:
    """Version 1."""
    ticks = cgroups.counters("cpuacct", "cpuacct.stat")
    memory = cgroups.counters("memory", "memory.stat")
    reads, writes = _block_v1(cgroups.read("blkio", "blkio.throttle.io_service_bytes_recursive"))
    return Usage(
        cpu_total=_number(cgroups.read("cpuacct", "cpuacct.usage")),
        cpu_user=ticks.get("user", 0) * _TICK,
        cpu_kernel=ticks.get("system", 0) * _TICK,
        per_cpu=tuple(int(word) for word in cgroups.read("cpuacct", "cpuacct.usage_percpu").split()),
        memory=_number(cgroups.read("memory", "memory.usage_in_bytes")),
        memory_limit=_number(cgroups.read("memory", "memory.limit_in_bytes")),
        memory_max=_number(cgroups.read("memory", "memory.max_usage_in_bytes")),
        memory_stats=memory,
        pids=_number(cgroups.read("pids", "pids.current")),
        pids_limit=_number(cgroups.read("pids", "pids.max")),
        block_read=reads,
        block_write=writes,
    )


def _unified(cgroups: Cgroups) -> Usage:
    """Version 2."""
    cpu = cgroups.counters("", "cpu.stat")
    reads, writes = _block_v2(cgroups.read("", "io.stat"))
    return Usage(
        cpu_total=cpu.get("usage_usec", 0) * 1000,
        cpu_user=cpu.get("user_usec", 0) * 1000,
        cpu_kernel=cpu.get("system_usec", 0) * 1000,
        memory=_number(cgroups.read("", "memory.current")),
        memory_limit=_number(cgroups.read("", "memory.max")),
        memory_max=_number(cgroups.read("", "memory.peak")),
        memory_stats=cgroups.counters("", "memory.stat"),
        pids=_number(cgroups.read("", "pids.current")),
        pids_limit=_number(cgroups.read("", "pids.max")),
        block_read=reads,
        block_write=writes,
    )


def _block_v1(text: str) -> tuple[int, int]:
    sums = {"Read": 0, "Write": 0}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] in sums:
            sums[fields[1]] += int(fields[2])
    return sums["Read"], sums["Write"]


def _block_v2(text: str) -> tuple[int, int]:
    sums = {"rbytes": 0, "wbytes": 0}
    for line in text.splitlines():
        for field in line.split()[1:]:
            name, _, value = field.partition("=")
            if name in sums:
                sums[name] += int(value)
    return sums["rbytes"], sums["wbytes"]


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _system_cpu() -> int:
    """Time that the processors have spent since boot, waiting included, guests counted once."""
    with open("/proc/stat", encoding="ascii") as file:
        return sum(int(word) for word in file.readline().split()[1:8]) * _TICK


def _networks(pid: int) -> Mapping[str, Mapping[str, int]]:
    """Counters by interface, lo left out; none when it shares the host's interfaces."""
    try:
        if os.stat(f"/proc/{pid}/ns/net").st_ino == os.stat("/proc/self/ns/net").st_ino:
            return {}
        with open(f"/proc/{pid}/net/dev", encoding="ascii") as file:
            return parse_interfaces(file.read())
    except OSError:
        return {}


def parse_interfaces(text: str) -> dict[str, dict[str, int]]:
    """/proc/PID/net/dev as rx_bytes, rx_packets, ... by interface, lo left out."""
    interfaces = {}
    for line in text.splitlines()[2:]:
        name, _, columns = line.partition(":")
        numbers = [int(word) for word in columns.split()]
        if name.strip() != "lo" and len(numbers) >= 12:
            received = {f"rx_{key}": numbers[index] for index, key in enumerate(_COLUMNS)}
            sent = {f"tx_{key}": numbers[8 + index] for index, key in enumerate(_COLUMNS)}
            interfaces[name.strip()] = {**received, **sent}
    return interfaces
