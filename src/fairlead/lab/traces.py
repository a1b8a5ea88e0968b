"""What a host carries: everything an engine can leave behind, so that before and after compare.

Each kind is a set of lines.  What differs from look to look without meaning anything (packet
counters, the looking itself) is left out; nothing else is.
"""

import re
from dataclasses import dataclass, fields

from fairlead.lab.host import Host

_BORDER = "=====traces====="
_LOOK = f"""
ip -o link show | sed 's/^[0-9]*: //'; echo {_BORDER}
ls /run/netns 2>/dev/null; echo {_BORDER}
cut -d' ' -f4,5,9- /proc/self/mountinfo; echo {_BORDER}
ps -e -o args= --no-headers; echo {_BORDER}
find /sys/fs/cgroup -mindepth 2 -type d; echo {_BORDER}
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
