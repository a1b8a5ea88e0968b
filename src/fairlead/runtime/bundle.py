"""Where a container's things lie: one directory each, named in one place."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fairlead.runtime.processes import in_cgroup_of, read_number, runs_with


@dataclass(frozen=True, slots=True)
class Bundle:
    """The directory of one container under --exec-root; gone when nothing is left of it."""

    container_id: str
    path: str

    @property
    def config(self) -> str:
        """The OCI document."""
        return f"{self.path}/config.json"

    @property
    def pid_file(self) -> str:
        """Holds the number of the container's first process, written by conmon."""
        return f"{self.path}/pid"

    @property
    def monitor_pid_file(self) -> str:
        """Holds conmon's own number."""
        return f"{self.path}/conmon.pid"

    @property
    def exit_directory(self) -> str:
        """Where conmon leaves the exit code, in a file named after the container."""
        return f"{self.path}/exit"

    @property
    def exit_file(self) -> str:
        """That file."""
        return f"{self.exit_directory}/{self.container_id}"

    @property
    def shared_memory(self) -> str:
        """The host's side of /dev/shm, where other containers may share it."""
        return f"{self.path}/shm"

    @property
    def execs(self) -> str:
        """Holds a directory for each exec."""
        return f"{self.path}/execs"

    def exists(self) -> bool:
        """Whether there is anything of the container."""
        return os.path.isdir(self.path)

    def make(self) -> None:
        """Make the directory, only for root."""
        os.makedirs(self.exit_directory, mode=0o700)

    def write(self, document: dict[str, Any]) -> None:
        """Write the OCI document."""
        with open(self.config, "w", encoding="utf-8") as file:
            json.dump(document, file, separators=(",", ":"))

    def read(self) -> dict[str, Any]:
        """The OCI document, {} when it is not there or not whole."""
        try:
            with open(self.config, encoding="utf-8") as file:
                document = json.load(file)
        except (OSError, ValueError):
            return {}
        return document if isinstance(document, dict) else {}

    def pid(self) -> int:
        """The first process while it lives, else 0."""
        pid = read_number(self.pid_file)
        return pid if in_cgroup_of(pid, self.container_id) else 0

    def monitor(self) -> int:
        """The living conmon, else 0."""
        pid = read_number(self.monitor_pid_file)
        return pid if runs_with(pid, self.path) else 0


class Bundles:
    """All of them."""

    def __init__(self, directory: str):
        self.directory = directory

    def of(self, container_id: str) -> Bundle:
        """The bundle of a container, whether it is there or not."""
        return Bundle(container_id, f"{self.directory}/{container_id}")

    def all(self) -> Iterator[Bundle]:
        """Every bundle that is there."""
        try:
            names = sorted(os.listdir(self.directory))
        except FileNotFoundError:
            return
        for name in names:
            yield self.of(name)
