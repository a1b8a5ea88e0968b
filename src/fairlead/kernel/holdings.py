"""What an engine has on its host beside the network: directories, mounts, control groups, processes.

Found by looking at the places where it keeps them, whoever made what is there.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fairlead.model.audit import Holding

IDENTITY = re.compile(r"[0-9a-f]{64}")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
SOCKET = ".sock"  # what the sockets of the processes beside the daemon end in


class HostHoldings:
    """boundary.Holdings below the directories of one daemon."""

    def __init__(self, directories: Mapping[str, str], exec_root: str):
        """`directories` hold one directory for each owner; their keys are kinds of holdings."""
        self._directories = {kind: os.path.realpath(path) for kind, path in directories.items()}
        self._exec_root = os.path.realpath(exec_root)

    async def look(self) -> Sequence[Holding]:
        """Everything, in no order."""
        return await asyncio.to_thread(lambda: list(self._all()))

    def _all(self) -> Iterator[Holding]:
        for kind, directory in self._directories.items():
            with contextlib.suppress(FileNotFoundError):
                for name in os.listdir(directory):
                    if kind == "volume" or IDENTITY.fullmatch(name):
                        yield Holding(kind, os.path.join(directory, name), name)
        yield from self._mounts()
        yield from _control_groups()
        yield from self._processes()

    def _mounts(self) -> Iterator[Holding]:
        """Roots that are mounted."""
        roots = self._directories["root"] + os.sep
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            place = line.split()[4]
            owner = place.removeprefix(roots).partition(os.sep)[0]
            if place.startswith(roots) and IDENTITY.fullmatch(owner):
                yield Holding("mount", place, owner)

    def _processes(self) -> Iterator[Holding]:
        """Monitors of containers and the processes beside the daemon, by what they were started with."""
        bundles = self._directories["bundle"] + os.sep
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
                for word in words:
                    owner = self._owner(word, bundles)
                    if owner:
                        yield Holding("process", f"{os.path.basename(words[0])} {pid}", owner)
                        break

    def _owner(self, word: str, bundles: str) -> str:
        if word.startswith(bundles):
            return word.removeprefix(bundles).partition(os.sep)[0]
        directory, name = os.path.split(word)
        return name.removesuffix(SOCKET) if directory == self._exec_root and name.endswith(SOCKET) else ""


def _control_groups() -> Iterator[Holding]:
    found: dict[str, str] = {}
    for pattern in ("docker/*", "*/docker/*"):
        for path in CONTROL_GROUPS.glob(pattern):
            if IDENTITY.fullmatch(path.name):
                found.setdefault(path.name, str(path))
    for owner, place in found.items():
        yield Holding("control group", place, owner)
