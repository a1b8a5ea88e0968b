"""What `GET /containers/{id}/stats` says: what a container uses now, and what it used a moment before."""

from dataclasses import dataclass

from fairlead.dockerapi.times import rfc3339
from fairlead.model.container import Container
from fairlead.model.views import Usage

_BLOCK_TABLES = (
    "io_service_bytes_recursive",
    "io_serviced_recursive",
    "io_queue_recursive",
    "io_service_time_recursive",
    "io_wait_time_recursive",
    "io_merged_recursive",
    "io_time_recursive",
    "sectors_recursive",
)


@dataclass(frozen=True, slots=True)
class Sample:
    """What was used at a time, in nanoseconds since the epoch; time 0 and nothing: no sample."""

    time: int = 0
    usage: Usage | None = None


def render_stats(container: Container, now: Sample, before: Sample) -> dict[str, object]:
    """One reading; without a sample all counters are zero, as for a container that does not run."""
    usage = now.usage
    document: dict[str, object] = {
        "read": rfc3339(now.time),
        "preread": rfc3339(before.time),
        "pids_stats": _pids(usage) if usage else {},
        "blkio_stats": _block(usage),
        "num_procs": 0,
        "storage_stats": {},
        "cpu_stats": _processor(usage),
        "precpu_stats": _processor(before.usage),
        "memory_stats": _memory(usage) if usage else {},
        "name": f"/{container.name}",
        "id": container.id,
    }
    if usage and usage.networks:
        document["networks"] = {name: dict(counters) for name, counters in usage.networks.items()}
    return document


def _pids(usage: Usage) -> dict[str, object]:
    document: dict[str, object] = {"current": usage.pids}
    if usage.pids_limit > 0:
        document["limit"] = usage.pids_limit
    return document


def _block(usage: Usage | None) -> dict[str, object]:
    tables: dict[str, object] = dict.fromkeys(_BLOCK_TABLES, None if usage is None else [])
    if usage and (usage.block_read or usage.block_write):
        # The counters are totals over all devices: device 0:0 stands for them.
        tables["io_service_bytes_recursive"] = [
            {"major": 0, "minor": 0, "op": operation, "value": value}
            for operation, value in (("read", usage.block_read), ("write", usage.block_write))
        ]
    return tables


def _processor(usage: Usage | None) -> dict[str, object]:
    throttling = {"periods": 0, "throttled_periods": 0, "throttled_time": 0}
    if usage is None:
        empty = {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0}
        return {"cpu_usage": empty, "throttling_data": throttling}
    counters: dict[str, object] = {"total_usage": usage.cpu_total}
    if usage.per_cpu:
        counters["percpu_usage"] = list(usage.per_cpu)
    counters |= {"usage_in_kernelmode": usage.cpu_kernel, "usage_in_usermode": usage.cpu_user}
    return {
        "cpu_usage": counters,
        "system_cpu_usage": usage.system_cpu,
        "online_cpus": usage.online_cpus,
        "throttling_data": throttling,
    }


def _memory(usage: Usage) -> dict[str, object]:
    document: dict[str, object] = {"usage": usage.memory}
    if usage.memory_max:
        document["max_usage"] = usage.memory_max
    return document | {"stats": dict(usage.memory_stats), "limit": usage.memory_limit}
