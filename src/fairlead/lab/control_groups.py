"""Every process of a lab lives below one control group, so that nothing of a lab can be lost.

The control groups are the lab's true record: whoever was killed in the middle of what, the
processes of a lab are those in `/fairlead-lab/LAB/...` of some hierarchy.  Both the hierarchies
of version 1, one for each controller, and the single one of version 2 are used as they are found.
"""

import contextlib
import os
import shlex
from collections.abc import Iterator
from pathlib import Path

TOP = "fairlead-lab"
LEAF = "own"  # version 2 allows processes only in groups that pass no controllers on


def hierarchies() -> list[Path]:
    """Where the machine's hierarchies are mounted, as this process sees them."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, kind = line.partition(" - ")
        path = Path(fields.split()[4])
        if kind.split()[0] in ("cgroup", "cgroup2") and path.is_relative_to("/sys/fs/cgroup"):
            found.append(path)
    return found


def make(name: str) -> None:
    """Make the group `name` ("LAB/HOST") in every hierarchy."""
    for hierarchy in hierarchies():
        directory = hierarchy
        for part in (TOP, *name.split("/")):
            _pass_controllers_on(directory)
            parent, directory = directory, directory / part
            directory.mkdir(exist_ok=True)
            for file in ("cpuset.mems", "cpuset.cpus"):  # empty in a new group of version 1
                if (directory / "cgroup.clone_children").exists() and (directory / file).exists():
                    (directory / file).write_text((parent / file).read_text())
        if _is_unified(hierarchy):
            (directory / LEAF).mkdir(exist_ok=True)


def joined(name: str, argv: list[str], leaf: bool = True) -> list[str]:
    """The command that enters the group `name` everywhere and then becomes `argv`.

    `leaf=False`: stay at the top of the group, to start a control group namespace there.
    """
    files = [
        directory / LEAF / "cgroup.procs"
        if leaf and (directory / LEAF).is_dir()
        else directory / "cgroup.procs"
        for directory in _directories(name)
    ]
    script = "".join(f"echo $$ > {shlex.quote(str(file))}\n" for file in files)
    return ["sh", "-ec", script + 'exec "$@"', "sh", *argv]


def settle(name: str) -> None:
    """Move what stayed at the top of the group to its leaf, where version 2 wants it."""
    for directory in _directories(name):
        if (directory / LEAF).is_dir():
            for pid in (directory / "cgroup.procs").read_text().split():
                with contextlib.suppress(OSError):
                    (directory / LEAF / "cgroup.procs").write_text(pid)


def processes(name: str) -> set[int]:
    """The processes in the group and in all groups below it."""
    found: set[int] = set()
    for directory in _directories(name):
        # os.walk passes over groups that go while they are looked at.
        for below, _, _ in os.walk(directory):
            with contextlib.suppress(OSError):
                found.update(map(int, (Path(below) / "cgroup.procs").read_text().split()))
    return found - {0}


def children(name: str = "") -> set[str]:
    """The names of the groups right below: of "" the labs, of a lab its hosts."""
    return {child.name for directory in _directories(name) for child in directory.iterdir() if child.is_dir()}


def groups(name: str) -> set[Path]:
    """Every directory of the group and below it, in every hierarchy."""
    return {directory for top in _directories(name) for directory in _tree(top)}


def remove(name: str) -> None:
    """Remove the group and all below it.  OSError if a process is still in one."""
    for top in _directories(name):
        for directory in _tree(top):
            with contextlib.suppress(FileNotFoundError):
                directory.rmdir()
    for hierarchy in hierarchies():
        with contextlib.suppress(OSError):  # other labs are in it
            (hierarchy / TOP).rmdir()


def _directories(name: str) -> list[Path]:
    candidates = (hierarchy / TOP / name for hierarchy in hierarchies())
    return [directory for directory in candidates if directory.is_dir()]


def _tree(top: Path) -> Iterator[Path]:
    for child in top.iterdir():
        if child.is_dir():
            yield from _tree(child)
    yield top


def _is_unified(hierarchy: Path) -> bool:
    return (hierarchy / "cgroup.controllers").exists()


def _pass_controllers_on(directory: Path) -> None:
    if not _is_unified(directory):
        return
    for controller in (directory / "cgroup.controllers").read_text().split():
        with contextlib.suppress(OSError):  # a machine may keep some to itself
            (directory / "cgroup.subtree_control").write_text(f"+{controller}")
