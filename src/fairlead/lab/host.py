"""A virtual host: a place to run commands in, and to run one engine in.

Everything about it can be read off its state directory and its control group, so that any
process can take hold of a host that another one made.
"""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fairlead import process
from fairlead.lab import control_groups
from fairlead.lab.engine import Engine, command_of
from fairlead.model.errors import Failed

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
READY = 20.0  # seconds a virtual host may take to come up


@dataclass(frozen=True, slots=True)
class Result:
    """What a command in a host left."""

    code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether it succeeded."""
        return self.code == 0


class Host:
    """One virtual host, or the outside, which is a host without an engine."""

    def __init__(self, lab: str, name: str, address: str, state: Path):
        self.name, self.address, self.state = name, address, state
        self.group = f"{lab}/{name}"
        self.engine = Engine(self)
        self._started: list[subprocess.Popen[bytes]] = []

    @property
    def socket(self) -> Path:
        """Where its engine listens; the path is the same inside and outside the host."""
        return self.state / "docker.sock"

    @property
    def docker_host(self) -> str:
        """DOCKER_HOST for its engine."""
        return f"unix://{self.socket}"

    @property
    def pid(self) -> int:
        """Its first process as the machine counts; 0 when the host is down."""
        try:
            pid = int((self.state / "first-process").read_text())
        except (OSError, ValueError):
            return 0
        return pid if pid in control_groups.processes(self.group) else 0

    def environment(self) -> dict[str, str]:
        """The environment of its commands: DOCKER_HOST and no more than a shell needs."""
        passed_on = {name: value for name, value in os.environ.items() if name.startswith("FAIRLEAD_")}
        return passed_on | {
            "PATH": PATH,
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "TERM": os.environ.get("TERM", "dumb"),
            "DOCKER_HOST": self.docker_host,
            "ETCDCTL_API": "3",
            "DOCKER_CONFIG": str(self.state / "docker-cli"),
        }

    def argv(self, command: str | Sequence[str], pid: int = 0) -> list[str]:
        """The command as it is started on the machine; a str goes to a shell.

        `pid` is the first process, for a caller who knows it.
        """
        words = ["sh", "-c", command] if isinstance(command, str) else list(command)
        pid = pid or self.pid
        if not pid:
            raise Failed(f"cannot run {words[0]} in {self.name}: the host is not up")
        return ["nsenter", "--target", str(pid), *NAMESPACES, "--wd=/", *words]

    def run(
        self,
        command: str | Sequence[str],
        *,
        input: str | bytes | None = None,
        deadline: float = 60.0,
        environment: Mapping[str, str] | None = None,
        check: bool = False,
    ) -> Result:
        """Run a command to its end.

        `deadline` in seconds, Failed when it passes; `environment` is added to the host's own.
        With `check` an exit code other than 0 raises Failed with all the command said.
        """
        finished = process.call(
            self.argv(command),
            input=input.encode() if isinstance(input, str) else input,
            deadline=deadline,
            environment=self.environment() | dict(environment or {}),
        )
        result = Result(
            finished.code,
            finished.stdout.decode(errors="replace"),
            finished.stderr.decode(errors="replace"),
        )
        if check and not result.ok:
            said = (result.stderr + result.stdout).strip()
            text = command if isinstance(command, str) else " ".join(command)
            raise Failed(f"cannot run `{text}` in {self.name}: exit code {result.code}: {said}")
        return result

    def start(
        self,
        command: str | Sequence[str],
        *,
        output: int | IO[bytes] = subprocess.DEVNULL,
        errors: int | IO[bytes] = subprocess.DEVNULL,
        input: int | IO[bytes] = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
    ) -> "subprocess.Popen[bytes]":
        """Start a command that the caller lets run, in the host's control group."""
        started = process.spawn(
            control_groups.joined(self.group, self.argv(command)),
            stdin=input,
            stdout=output,
            stderr=errors,
            environment=self.environment() | dict(environment or {}),
        )
        self._started.append(started)
        return started

    def start_engine(self, *flags: str, kind: str = "fairlead", command: str = "") -> None:
        """Start an engine and wait until it answers; `flags` are added to its command.

        `kind` is fairlead or dockerd; `command` overrides it, with {socket} and {state} filled in.
        Failed with the end of its log when it does not come up.
        """
        words = command.format(socket=self.socket, state=self.state) if command else command_of(kind, self)
        self.engine.start(words, flags)

    def stop_engine(self) -> bool:
        """Ask the engine to end, as an init system does; whether it did so in time."""
        return self.engine.stop()

    def kill_engine(self) -> None:
        """Kill the engine's daemon alone, by SIGKILL; what it leaves behind stays."""
        self.engine.kill()

    def reap(self) -> None:
        """Wait for what this process started in the host, all of which has been killed."""
        while self._started:
            self._started.pop().wait()

    def boot(self) -> None:
        """Start the host's first process.  Failed when it does not come up."""
        self.state.mkdir(parents=True)
        (self.state / "docker-cli").mkdir()
        (self.state / "docker-cli" / "config.json").write_text("{}\n")
        control_groups.make(self.group)
        holder = process.spawn(
            control_groups.joined(self.group, _first_process(self), leaf=False),
            stdout=subprocess.PIPE,
            stderr=(self.state / "first-process.log").open("wb"),
        )
        self._started.append(holder)
        assert holder.stdout is not None
        with holder.stdout as answer:
            ready = answer.readline() == b"ready\n"
        if not ready:
            holder.wait()
            said = (self.state / "first-process.log").read_text().strip().rpartition("\n")[2]
            raise Failed(f"cannot bring {self.name} up: {said or 'its first process ended'}")
        child = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()[0]
        (self.state / "first-process").write_text(child)
        control_groups.settle(self.group)


def _first_process(host: Host) -> list[str]:
    module = [sys.executable, "-m", "fairlead.lab.first_process", str(host.state), host.name]
    kinds = ["--net", "--mount", "--uts", "--ipc", "--pid", "--cgroup"]
    return ["unshare", *kinds, "--fork", "--kill-child", "--mount-proc", "--propagation", "private", *module]
