"""Virtual hosts for tests: network namespaces held by sleeping processes, joined by veth pairs.

Nothing is done in the namespace that the tests were started in: `private_namespace` leaves it
for a fresh one and comes back.  Holders die with the test process.
"""

import contextlib
import ctypes
import os
import subprocess
import time
from collections.abc import Iterator

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(code: int) -> None:
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@contextlib.contextmanager
def private_namespace() -> Iterator[None]:
    """The calling thread, and what it starts meanwhile, in a fresh network namespace; lo is up."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        _check(_libc.unshare(CLONE_NEWNET))
        try:
            run("ip link set lo up")
            yield
        finally:
            _check(_libc.setns(home, CLONE_NEWNET))
    finally:
        os.close(home)


def run(command: str, check: bool = True) -> str:
    """The standard output of a shell command in the current namespace."""
    finished = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=30)
    if check and finished.returncode:
        raise AssertionError(f"{command}: {finished.stderr}")
    return finished.stdout


class Node:
    """A namespace of its own, as a container or a machine of the LAN has it."""

    def __init__(self) -> None:
        home = os.readlink("/proc/thread-self/ns/net")
        self._holder = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "-n", "sleep", "300"])
        self._started: list[subprocess.Popen[str]] = []
        deadline = time.monotonic() + 10
        while os.readlink(f"/proc/{self.pid}/ns/net") == home:
            assert time.monotonic() < deadline, "unshare took too long"
            time.sleep(0.005)
        self.run("ip link set lo up")

    @property
    def pid(self) -> int:
        """The process that holds the namespace."""
        return self._holder.pid

    def run(self, command: str, check: bool = True) -> str:
        """The standard output of a shell command inside."""
        return run(f"nsenter -t {self.pid} -n sh -c {_quoted(command)}", check)

    def serve(self, code: str) -> None:
        """Start Python code inside; returns when it has printed a line."""
        self._started.append(serve(code, ["nsenter", "-t", str(self.pid), "-n"]))

    def close(self) -> None:
        """End what runs inside and let the namespace go."""
        for process in [*self._started, self._holder]:
            end(process)


def _quoted(command: str) -> str:
    return "'" + command.replace("'", "'\"'\"'") + "'"


def serve(code: str, prefix: list[str] | None = None) -> "subprocess.Popen[str]":
    """Start Python code and wait until it has printed a line."""
    process = subprocess.Popen(
        [*(prefix or []), "setpriv", "--pdeathsig", "KILL", "python3", "-c", code],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline()
    return process


def end(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Kill a process that was started here and collect it."""
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()
