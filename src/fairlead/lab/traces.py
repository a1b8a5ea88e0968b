"""What a host carries: everything an engine can leave behind, so that before and after compare.

Each kind is a set of lines.  What differs from look to look without meaning anything (packet
counters, the looking itself) is left out; nothing else is.
"""

import os
import re
from dataclasses import dataclass, fields
from pathlib import Path

from fairlead import process
from fairlead.lab import control_groups
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab, start_time

_BORDER = "=====traces====="
_LOOK = f"""
ip -o link show | sed 's/^[0-9]*: //'; echo {_BORDER}
ls /run/netns 2>/dev/null; echo {_BORDER}
cut -d' ' -f4,5,9- /proc/self/mountinfo; echo {_BORDER}
ps -e -o args= --no-headers; echo {_BORDER}
find /sys/fs/cgroup -mindepth 1 -type d; echo {_BORDER}
(iptables-save; ip6tables-save; nft list ruleset) 2>/dev/null
"""
_LOOKING = ("ps -e -o args=", "sh -c \nip -o link show")


@dataclass(frozen=True, slots=True)
class Traces:
    """What a host carries at one moment; a field for each kind of thing."""

    links: frozenset[str]
    namespaces: frozenset[str]
    mounts: frozenset[str]
    processes: frozenset[str]
    control_groups: frozenset[str]
    rules: frozenset[str]

    def since(self, before: "Traces") -> dict[str, list[str]]:
        """What is there and was not before, by kind; empty when nothing is."""
        added = {
            field.name: sorted(getattr(self, field.name) - getattr(before, field.name))
            for field in fields(self)
        }
        return {kind: lines for kind, lines in added.items() if lines}

    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {field.name: len(getattr(self, field.name)) for field in fields(self)}


def look(host: Host) -> Traces:
    """What the host carries now."""
    parts = host.run(_LOOK, check=True).stdout.split(f"{_BORDER}\n")
    links, namespaces, mounts, processes, groups, rules = (part.splitlines() for part in parts)
    return Traces(
        frozenset(re.sub(r" (state|master|link-netns\w*) .*| qdisc .*", "", line) for line in links),
        frozenset(namespaces),
        frozenset(mounts),
        frozenset(line for line in processes if not line.startswith(_LOOKING) and line != "\\"),
        frozenset(groups),
        frozenset(
            re.sub(r"\[\d+:\d+\]|packets \d+ bytes \d+", "", line) for line in rules if line[:1] != "#"
        ),
    )


def machine_network() -> frozenset[str]:
    """The links and firewall rules in the machine's own network namespace, which no lab may touch."""
    script = "ip -o link show | cut -d' ' -f2; (iptables-save; ip6tables-save; nft list ruleset) 2>/dev/null"
    lines = process.call(["sh", "-c", script]).stdout.decode(errors="replace").splitlines()
    return frozenset(
        re.sub(r"\[\d+:\d+\]|packets \d+ bytes \d+", "", line) for line in lines if line[:1] != "#"
    )


@dataclass(frozen=True, slots=True)
class Held:
    """What a lab holds on its machine, by names that nothing else ever gets again."""

    state: Path
    processes: frozenset[tuple[int, str]]  # process id and start time
    namespaces: frozenset[str]  # kind:[inode]
    control_groups: frozenset[Path]

    def counts(self) -> dict[str, int]:
        """How many of each kind."""
        return {
            "processes": len(self.processes),
            "namespaces": len(self.namespaces),
            "control groups": len(self.control_groups),
        }

    def remaining(self) -> list[str]:
        """What of it the machine still has; empty after the lab is down."""
        now = {(pid, start_time(pid)) for pid in _all_processes()}
        left = [f"process {pid}" for pid, _ in sorted(self.processes & now)]
        left += [f"namespace {name}" for name in sorted(self.namespaces & _namespaces(_all_processes()))]
        left += [f"control group {path}" for path in sorted(self.control_groups) if path.exists()]
        mounts = Path("/proc/self/mountinfo").read_text().splitlines()
        left += [f"mount {line.split()[4]}" for line in mounts if str(self.state) in line]
        return left + ([f"files in {self.state}"] if self.state.exists() else [])


def held_by(lab: Lab) -> Held:
    """What the lab holds now."""
    running = control_groups.processes(lab.name)
    own = _namespaces(running) - _namespaces({os.getpid()})
    started = frozenset((pid, start_time(pid)) for pid in running)
    return Held(lab.state, started, frozenset(own), frozenset(control_groups.groups(lab.name)))


def _all_processes() -> set[int]:
    return {int(path.name) for path in Path("/proc").glob("[0-9]*")}


def _namespaces(pids: set[int]) -> set[str]:
    found = set()
    for pid in pids:
        for kind in ("net", "mnt", "pid", "uts", "ipc", "cgroup"):
            try:
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
            except OSError:
                continue
    return found
