"""A container's control groups, versions 1 and 2: freezing, counting, emptying, taking away."""

import contextlib
import errno
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from fairlead.model.audit import MARK
from fairlead.model.errors import Failed, NotFound
from fairlead.runtime import processes
from fairlead.runtime.traits import Traits

_FREEZING = 10.0  # seconds that freezing or emptying may take
_PAUSE = 0.002


@dataclass(frozen=True, slots=True)
class Cgroups:
    """The directories of one container; `path` counts from the root of each hierarchy."""

    path: str
    mounts: Mapping[str, str]
    unified: bool

    @classmethod
    def at(cls, path: str, traits: Traits) -> "Cgroups":
        """The control groups with that path."""
        return cls(path, traits.cgroup_mounts, traits.unified)

    def directory(self, controller: str) -> str:
        """Where the controller's files are; with version 2 the same for all, "" if there is none."""
        mount = self.mounts.get("" if self.unified else controller)
        return f"{mount}{self.path}" if mount else ""

    def directories(self) -> list[str]:
        """Every directory, in each hierarchy once."""
        return [f"{mount}{self.path}" for mount in dict.fromkeys(self.mounts.values())]

    def read(self, controller: str, name: str) -> str:
        """The text of a file, "" if there is none."""
        try:
            with open(f"{self.directory(controller)}/{name}", encoding="ascii") as file:
                return file.read()
        except OSError:
            return ""

    def counters(self, controller: str, name: str) -> dict[str, int]:
        """A file of lines `key number`."""
        pairs = (line.split() for line in self.read(controller, name).splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}

    def freeze(self, frozen: bool) -> None:
        """Stop all processes where they are, or let them go on; returns when that is so."""
        if self.unified:
            name, wanted, done = "cgroup.freeze", str(int(frozen)), f"frozen {int(frozen)}"
            self.set("", name, wanted)
            self._until(lambda: done in self._state("", "cgroup.events").splitlines())
        else:
            wanted = "FROZEN" if frozen else "THAWED"
            self.set("freezer", "freezer.state", wanted)
            self._until(lambda: self._state("freezer", "freezer.state").strip() == wanted)

    def set(self, controller: str, name: str, text: str) -> None:
        """Write a file.  Failed when the kernel does not take it; NotFound when the group has gone."""
        try:
            with open(f"{self.directory(controller)}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        except OSError as error:
            # What is open while the directory goes answers ENODEV.
            kind = NotFound if error.errno in (errno.ENOENT, errno.ENODEV) else Failed
            raise kind(f"cannot set {name} to {text} in {self.path}: {error.strerror}") from error

    def _state(self, controller: str, name: str) -> str:
        """The text of a file that is never empty.  NotFound when the group has gone."""
        if text := self.read(controller, name):
            return text
        raise NotFound(f"cannot freeze {self.path}: its processes have gone")

    def _until(self, done: Callable[[], bool]) -> None:
        end = time.monotonic() + _FREEZING
        while not done():
            if time.monotonic() > end:
                raise Failed(f"cannot change the state of {self.path}: its processes do not follow")
            time.sleep(_PAUSE)

    def pids(self) -> list[int]:
        """Every process in it and below."""
        return sorted(set(self._pids()))

    def _pids(self) -> Iterator[int]:
        for directory in self.directories():
            for inner, _, _ in os.walk(directory):
                with contextlib.suppress(OSError), open(f"{inner}/cgroup.procs", encoding="ascii") as file:
                    yield from (int(word) for word in file.read().split() if word != "0")
            if self.unified:
                return

    def mark(self, owner: str) -> None:
        """Note whose they are, for a leak audit."""
        for directory in self.directories():
            with contextlib.suppress(OSError):
                os.setxattr(directory, MARK, os.fsencode(owner))

    def oom_killed(self) -> bool:
        """Whether the kernel has killed one of its processes for want of memory."""
        name = "memory.events" if self.unified else "memory.oom_control"
        return self.counters("memory", name).get("oom_kill", 0) > 0

    def remove(self) -> None:
        """Kill what is left in it and take it away, everywhere.  Failed if that does not work in time."""
        end = time.monotonic() + _FREEZING
        while left := [directory for directory in self.directories() if not self._removed(directory)]:
            pids = self.pids()
            if pids:
                self.thaw()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
                processes.reap(pid)
            if time.monotonic() > end:
                raise Failed(f"cannot remove the control group {left[0]}: it is still in use")
            time.sleep(_PAUSE)

    def thaw(self) -> None:
        """Let frozen processes go on, without waiting for it; they would not die otherwise."""
        with contextlib.suppress(Failed, NotFound):
            if self.unified:
                self.set("", "cgroup.freeze", "0")
            else:
                self.set("freezer", "freezer.state", "THAWED")

    @staticmethod
    def _removed(directory: str) -> bool:
        """Whether it is gone, with everything below, now."""
        try:
            os.rmdir(directory)
        except FileNotFoundError:
            return True
        except OSError:
            for inner, _, _ in os.walk(directory, topdown=False):
                with contextlib.suppress(OSError):
                    os.rmdir(inner)
            return not os.path.exists(directory)
        return True
