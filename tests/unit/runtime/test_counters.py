"""Control groups and their counters, from files as both versions write them; ps and interfaces."""

import os
from pathlib import Path

import pytest

from fairlead.model.errors import InvalidParameter
from fairlead.runtime import stats, top
from fairlead.runtime.cgroups import Cgroups
from fairlead.runtime.traits import Traits

INTERFACES = """Inter-| Receive |  Transmit
 face |bytes packets errs drop fifo frame compressed multicast|bytes packets errs drop ...
    lo:     100       1    0    0    0     0   0   0      100       1    0    0    0     0   0   0
  eth0:     946      11    1    2    0     0   0   0      500       7    3    4    0     0   0   0
"""
PS = """UID        PID  PPID  C STIME TTY          TIME CMD
root         1     0  0 04:00 ?        00:00:00 /sbin/init splash
root       958   939  0 04:19 ?        00:00:00 sleep 1000 and more
root         -     -  0 04:19 ?        00:00:00 -
root      1958   939  0 04:19 ?        00:00:00 other
"""


def files(directory: Path, **contents: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (directory / name.replace("__", ".")).write_text(content)


def split(tmp_path: Path) -> Cgroups:
    mounts = {name: str(tmp_path / name) for name in ("cpuacct", "memory", "pids", "blkio", "freezer")}
    return Cgroups.at("/docker/x", Traits(cgroup_mounts=mounts))


def unified(tmp_path: Path) -> Cgroups:
    return Cgroups.at("/docker/x", Traits(cgroup_mounts={"": str(tmp_path)}))


def test_version_1(tmp_path: Path) -> None:
    files(
        tmp_path / "cpuacct/docker/x",
        cpuacct__usage="123\n",
        cpuacct__usage_percpu="100 23 \n",
        cpuacct__stat="user 9\nsystem 2\n",
    )
    files(
        tmp_path / "memory/docker/x",
        memory__usage_in_bytes="770048\n",
        memory__limit_in_bytes="4096\n",
        memory__max_usage_in_bytes="999\n",
        memory__stat="cache 5\nrss 7\n",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
    )
    files(tmp_path / "pids/docker/x", pids__current="3\n", pids__max="max\n")
    recursive = "8:0 Read 10\n8:0 Write 20\n8:16 Read 1\n8:16 Total 99\nTotal 31\n"
    files(tmp_path / "blkio/docker/x", blkio__throttle__io_service_bytes_recursive=recursive)
    own = split(tmp_path)
    usage = stats.usage(own, os.getpid())
    tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    assert (usage.cpu_total, usage.cpu_user, usage.cpu_kernel) == (123, 9 * tick, 2 * tick)
    assert usage.per_cpu == (100, 23)
    assert (usage.memory, usage.memory_limit, usage.memory_max) == (770048, 4096, 999)
    assert usage.memory_stats == {"cache": 5, "rss": 7}
    assert (usage.pids, usage.pids_limit, usage.block_read, usage.block_write) == (3, 0, 11, 20)
    assert usage.system_cpu > 0 and usage.networks == {}, "the host's own interfaces are not the container's"
    assert own.oom_killed()


def test_version_2(tmp_path: Path) -> None:
    files(
        tmp_path / "docker/x",
        cpu__stat="usage_usec 1000\nuser_usec 600\nsystem_usec 400\n",
        memory__current="50\n",
        memory__max="max\n",
        memory__peak="60\n",
        memory__stat="anon 1\nfile 2\n",
        memory__events="low 0\noom 0\noom_kill 0\n",
        pids__current="2\n",
        pids__max="20\n",
        io__stat="8:0 rbytes=10 wbytes=20 rios=1\n8:16 rbytes=1 wbytes=2\n",
    )
    own = unified(tmp_path)
    usage = stats.usage(own, os.getpid())
    assert (usage.cpu_total, usage.cpu_user, usage.cpu_kernel) == (1_000_000, 600_000, 400_000)
    assert (usage.memory, usage.memory_max, usage.pids, usage.pids_limit) == (50, 60, 2, 20)
    assert usage.memory_limit == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert (usage.block_read, usage.block_write) == (11, 22)
    assert not own.oom_killed()


def test_nothing_there_counts_as_nothing(tmp_path: Path) -> None:
    for own in (split(tmp_path), unified(tmp_path)):
        usage = stats.usage(own, 0)
        assert (usage.memory, usage.pids, usage.cpu_total) == (0, 0, 0)
        assert own.pids() == [] and not own.oom_killed()
        own.remove()


def test_processes_are_counted_over_all_levels(tmp_path: Path) -> None:
    files(tmp_path / "pids/docker/x", cgroup__procs="7\n8\n")
    files(tmp_path / "pids/docker/x/inner", cgroup__procs="9\n0\n")
    files(tmp_path / "memory/docker/x", cgroup__procs="7\n")
    assert split(tmp_path).pids() == [7, 8, 9]


def test_removal_takes_inner_groups_too(tmp_path: Path) -> None:
    (tmp_path / "pids/docker/x/inner/most").mkdir(parents=True)
    (tmp_path / "memory/docker/x").mkdir(parents=True)
    split(tmp_path).remove()
    assert not (tmp_path / "pids/docker/x").exists() and not (tmp_path / "memory/docker/x").exists()


def test_interfaces() -> None:
    assert stats.parse_interfaces(INTERFACES) == {
        "eth0": {
            "rx_bytes": 946,
            "rx_packets": 11,
            "rx_errors": 1,
            "rx_dropped": 2,
            "tx_bytes": 500,
            "tx_packets": 7,
            "tx_errors": 3,
            "tx_dropped": 4,
        }
    }


def test_rows_of_ps() -> None:
    titles, rows = top.rows(PS, [958])
    assert titles == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    assert [row[1] for row in rows] == ["958", "-"] and rows[0][-1] == "sleep 1000 and more"
    with pytest.raises(InvalidParameter, match="Couldn't find PID field in ps output"):
        top.rows("CMD\nsleep\n", [958])
