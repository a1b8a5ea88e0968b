"""What an engine has on its host beside the network: directories, mounts, control groups, processes.

Found by looking at the places where it keeps them, whoever made what is there.
"""

import asyncio
import contextlib
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from fairlead.kernel.layout import strangers
from fairlead.model.audit import MARK, Holding

IDENTITY = re.compile(r"[0-9a-f]{64}")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
SOCKET = ".sock"  # what the sockets of the processes beside the daemon end in


class HostHoldings:
    """boundary.Holdings below the directories of one daemon."""

    def __init__(
        self, directories: Mapping[str, str], data_root: str, exec_root: str, known: Collection[str] = ()
    ):
        """`directories` hold one directory for each owner; their keys are kinds of holdings.

        `known` are paths that were chosen for the daemon and may lie below its roots: sockets, a pidfile.
        """
        self._directories = {kind: os.path.realpath(path) for kind, path in directories.items()}
        self._data_root, self._exec_root = os.path.realpath(data_root), os.path.realpath(exec_root)
        self._known = frozenset(map(os.path.realpath, known))
        self._mark = os.fsencode(exec_root)

    async def look(self) -> Sequence[Holding]:
        """Everything, in no order."""
        return await asyncio.to_thread(lambda: list(self._all()))

    def _all(self) -> Iterator[Holding]:
        for kind, directory in self._directories.items():
            with contextlib.suppress(FileNotFoundError):
                for name in os.listdir(directory):
                    path = os.path.join(directory, name)
                    if kind == "volume" or IDENTITY.fullmatch(name):
                        yield Holding(kind, path, name)
                    elif path not in self._known and (kind, name) != ("root", "base"):
                        yield Holding("file", path, "")
        for path in strangers(self._data_root, self._exec_root):
            if path not in self._known:
                yield Holding("file", path, "")
        yield from self._mounts()
        yield from self._control_groups()
        yield from self._processes()

    def _mounts(self) -> Iterator[Holding]:
        """Roots that are mounted."""
        roots = self._directories["root"] + os.sep
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            place = line.split()[4]
            owner = place.removeprefix(roots).partition(os.sep)[0]
            if place.startswith(roots) and IDENTITY.fullmatch(owner):
                yield Holding("mount", place, owner)

    def _control_groups(self) -> Iterator[Holding]:
        """Those of containers, one of each; ours are those that the runtime has marked."""
        found: dict[str, list[Path]] = {}
        for pattern in ("docker/*", "*/docker/*"):
            for path in CONTROL_GROUPS.glob(pattern):
                if IDENTITY.fullmatch(path.name):
                    found.setdefault(path.name, []).append(path)
        for owner, places in found.items():
            marked = [place for place in places if _mark_of(place) == self._mark]
            yield Holding("control group", str((marked or places)[0]), owner, ours=bool(marked))

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


def _mark_of(control_group: Path) -> bytes:
    try:
        return os.getxattr(control_group, MARK)
    except OSError:
        return b""
