"""Real etcd members on the loopback of a network namespace of their own, which a test can harm."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from fairlead.lab.etcd import CLIENTS, Tls, member_command
from tests.kernel.fresh_host import inside
from tests.kernel.virtual_host import Node, end

QUICK = ("--heartbeat-interval", "50", "--election-timeout", "500")
READY = 30.0  # seconds
MEMORY = Path("/dev/shm")


class EtcdHost:
    """Members m0, m1, ... at 127.0.0.1, 127.0.0.2, ...; data in memory where there is such a place."""

    def __init__(self, count: int = 1, tls: Tls | None = None):
        self._node = Node()
        self._directory = Path(tempfile.mkdtemp(prefix="etcd-", dir=MEMORY if MEMORY.is_dir() else None))
        self._members = {f"m{number}": f"127.0.0.{number + 1}" for number in range(count)}
        self._tls = tls
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._log: IO[bytes] = (self._directory / "log").open("wb")
        try:
            for number in range(count):
                self.start(number)
            self.wait()
        except BaseException:
            self.close()
            raise

    @property
    def addresses(self) -> tuple[str, ...]:
        """HOST:PORT of each member."""
        return tuple(f"{address}:{CLIENTS}" for address in self._members.values())

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread in the members' network namespace."""
        with inside(f"/proc/{self._node.pid}/ns/net"):
            yield

    def start(self, number: int) -> None:
        """Start a member, or start it again."""
        command = member_command(
            f"m{number}", self._members, self._directory / f"m{number}", self._tls, QUICK
        )
        self._running[number] = subprocess.Popen(
            ["nsenter", "-t", str(self._node.pid), "-n", "setpriv", "--pdeathsig", "KILL", *command],
            stdout=self._log,
            stderr=self._log,
        )

    def wait(self) -> None:
        """Until every member that runs can read what all agree on."""
        for number in self._running:
            deadline = time.monotonic() + READY
            while not self._answers(number):
                assert time.monotonic() < deadline, (self._directory / "log").read_text()[-2000:]
                time.sleep(0.02)

    def control(self, number: int, *words: str) -> str:
        """What etcdctl says to a member."""
        scheme = "https" if self._tls else "http"
        argv = ["etcdctl", f"--endpoints={scheme}://{self.addresses[number]}", *words]
        if self._tls:
            argv += ["--cacert", self._tls.ca, "--cert", self._tls.certificate, "--key", self._tls.key]
        done = subprocess.run(
            ["nsenter", "-t", str(self._node.pid), "-n", *argv],
            env={**os.environ, "ETCDCTL_API": "3"},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout

    def _answers(self, number: int) -> bool:
        try:
            self.control(number, "get", "x", "--command-timeout=2s")
        except subprocess.CalledProcessError:
            return False
        return True

    def leader(self) -> int:
        """Which member leads."""
        for number in self._running:
            if self.control(number, "endpoint", "status", "-w", "simple").split(", ")[4] == "true":
                return number
        raise AssertionError("nobody leads")

    def kill(self, number: int) -> None:
        """End a member as a power failure does."""
        end(self._running.pop(number))

    def pause(self, number: int) -> None:
        """Let a member hang: its kernel takes connections, and nobody answers."""
        self._running[number].send_signal(signal.SIGSTOP)

    def resume(self, number: int) -> None:
        """Let it go on."""
        self._running[number].send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End all members and forget what they had."""
        for number in tuple(self._running):
            self.kill(number)
        self._log.close()
        self._node.close()
        shutil.rmtree(self._directory, ignore_errors=True)
