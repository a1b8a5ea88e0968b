"""What this machine allows the daemon to hand on: capabilities, limits, control group files."""

import contextlib
import os
import platform
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from fairlead.runtime.capabilities import CAPABILITIES, from_mask

CGROUP_ROOT = "/sys/fs/cgroup"
_MOUNT_WORDS = frozenset(("rw", "ro", "xattr", "noprefix", "clone_children"))


@dataclass(frozen=True, slots=True)
class Traits:
    """The machine as the runtime finds it.

    `hard_limits` by ulimit name; -1 stands for unlimited.  `cgroup_mounts` leads from a
    controller ("memory") to the directory where its hierarchy is mounted; with control groups
    version 2 the one key is "".
    """

    capabilities: frozenset[str] = frozenset(CAPABILITIES)
    hard_limits: Mapping[str, int] = field(default_factory=dict)
    oom_score: int = 0
    architecture: str = "amd64"
    cgroup_mounts: Mapping[str, str] = field(default_factory=dict)
    files: frozenset[str] = frozenset()  # of all version 1 controllers together

    @property
    def unified(self) -> bool:
        """Whether control groups are version 2."""
        return tuple(self.cgroup_mounts) == ("",)

    def limits(self, file: str) -> bool:
        """Whether the control groups have a limit of that (version 1) name; version 2 is taken to."""
        return self.unified or file in self.files

    def controls(self, controller: str) -> bool:
        """Whether there is such a controller; version 2 is taken to have it."""
        return self.unified or controller in self.cgroup_mounts

    @property
    def raises_limits(self) -> bool:
        """Whether limits above the daemon's own can be given away."""
        return "CAP_SYS_RESOURCE" in self.capabilities


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "i686": "x86", "armv7l": "arm"}


def observe() -> Traits:
    """Look at the machine and at the daemon's own process."""
    mounts = dict(_cgroup_mounts())
    machine = platform.machine()
    return Traits(
        capabilities=_bounding_set(),
        hard_limits=dict(_hard_limits()),
        oom_score=_own_oom_score(),
        architecture=_ARCHITECTURES.get(machine, machine),
        cgroup_mounts=mounts,
        files=frozenset(_limit_files(mounts)),
    )


def _bounding_set() -> frozenset[str]:
    with open("/proc/self/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("CapBnd:"):
                return from_mask(int(line.split()[1], 16))
    return frozenset()


def _own_oom_score() -> int:
    with open("/proc/self/oom_score_adj", encoding="ascii") as file:
        return int(file.read())


def _hard_limits() -> Iterator[tuple[str, int]]:
    for attribute in dir(resource):
        if attribute.startswith("RLIMIT_"):
            name = attribute.removeprefix("RLIMIT_").lower()
            yield name, resource.getrlimit(getattr(resource, attribute))[1]


def _cgroup_mounts() -> Iterator[tuple[str, str]]:
    """(controller, directory) of every hierarchy under /sys/fs/cgroup; "" for version 2."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        for line in file:
            left, _, right = line.partition(" - ")
            directory, (kind, _, options) = left.split()[4], right.split()[:3]
            if not directory.startswith(CGROUP_ROOT):
                continue
            if kind == "cgroup2":
                yield "", directory
            elif kind == "cgroup":
                for word in options.split(","):
                    if word not in _MOUNT_WORDS and not word.startswith("release_agent="):
                        yield word.removeprefix("name="), directory


def _limit_files(mounts: Mapping[str, str]) -> Iterator[str]:
    for controller, directory in mounts.items():
        if controller:
            with contextlib.suppress(OSError):
                yield from os.listdir(directory)
