"""An engine in a virtual host: start it, wait until it answers, stop it, kill it.

Any engine that serves the Docker API on a unix socket will do; the daemon's process id is kept
in the host's state directory, so that another process can stop what this one started.
"""

import contextlib
import http.client
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fairlead.lab import control_groups
from fairlead.model.errors import Failed, InvalidParameter

if TYPE_CHECKING:
    from fairlead.lab.host import Host

START, STOP = 60.0, 60.0  # seconds
PAUSE = 0.02
COMMANDS = {
    "fairlead": "{fairlead} daemon -H unix://{socket} --data-root {state}/data --exec-root {state}/exec",
    "dockerd": (
        "dockerd -H unix://{socket} --data-root {state}/docker --exec-root {state}/docker-exec"
        " --pidfile {state}/docker.pid"
    ),
}


def command_of(kind: str, host: "Host") -> str:
    """The shell command that starts an engine of this kind.  InvalidParameter for an unknown kind."""
    if kind not in COMMANDS:
        raise InvalidParameter(f"cannot start an engine of kind {kind}: known are {', '.join(COMMANDS)}")
    fairlead = Path(sys.executable).with_name("fairlead")
    return COMMANDS[kind].format(fairlead=fairlead, socket=host.socket, state=host.state)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, deadline: float):
        super().__init__("localhost", timeout=deadline)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Engine:
    """The engine of one host."""

    def __init__(self, host: "Host"):
        self._host = host
        self._wrapper: subprocess.Popen[bytes] | None = None  # the nsenter around it, if we started it

    @property
    def pid(self) -> int:
        """The daemon as the machine counts; 0 when none runs."""
        try:
            pid = int(self._record.read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return 0
        return pid if state != "Z" and pid in control_groups.processes(self._host.group) else 0

    def get(self, path: str, deadline: float = 20.0) -> object:
        """The JSON that the API gives for GET `path`; None if it does not answer 200."""
        connection = _UnixConnection(self._host.socket, deadline)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            body = response.read()
            return json.loads(body) if response.status == 200 else None
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def start(self, command: str, flags: Sequence[str] = ()) -> None:
        """Start it and wait until it answers.  Failed with the end of its log otherwise."""
        if self.pid:
            raise Failed(f"cannot start an engine in {self._host.name}: one is running")
        with self._log.open("ab") as log:
            words = f"exec {command} {shlex.join(flags)}"
            # Temporary files of an engine that is killed go with the host.
            environment = {"TMPDIR": str(self._temporary)}
            self._temporary.mkdir(exist_ok=True)
            self._wrapper = self._host.start(words, output=log, errors=log, environment=environment)
        limit = time.monotonic() + START
        while time.monotonic() < limit and self._wrapper.poll() is None:
            self._remember()
            if self.get("/version") is not None and self.pid:
                return
            time.sleep(PAUSE)
        self.kill()
        raise Failed(f"cannot start the engine in {self._host.name}:\n{self.log()}")

    def stop(self) -> bool:
        """SIGTERM; whether it ended in time (it is killed otherwise).  Fine when none runs."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL to the daemon process alone."""
        self._end(signal.SIGKILL)

    def log(self, lines: int = 20) -> str:
        """The end of what it printed."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    @property
    def _record(self) -> Path:
        return self._host.state / "engine-process"

    @property
    def _log(self) -> Path:
        return self._host.state / "engine.log"

    @property
    def _temporary(self) -> Path:
        return self._host.state / "temporary"

    def _remember(self) -> None:
        """Find the daemon: the one child of the nsenter around it."""
        assert self._wrapper is not None
        pid = self._wrapper.pid
        with contextlib.suppress(OSError, IndexError):
            self._record.write_text(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])

    def _end(self, number: signal.Signals) -> bool:
        in_time = True
        if pid := self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            limit = time.monotonic() + STOP
            while self.pid == pid:
                if time.monotonic() > limit:
                    in_time = False
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(PAUSE)
        if self._wrapper is not None:
            self._wrapper.wait()
            self._wrapper = None
        return in_time
