"""Terminals: raw keys, sizes, detaching and exit codes, the same with `docker` and `fairlead`.

The daemon is our engine, or the one at FAIRLEAD_TEST_HOST.
"""

import fcntl
import os
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

DOCKER = shutil.which("docker")
CLIENTS = {"fairlead": str(Path(sys.executable).with_name("fairlead"))} | (
    {"docker": DOCKER} if DOCKER else {}
)
DETACH = b"\x10\x11"
PATIENCE = 30.0


@pytest.fixture(scope="module")
def address(request: pytest.FixtureRequest) -> str:
    return os.environ.get("FAIRLEAD_TEST_HOST") or str(request.getfixturevalue("host").docker_host)


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest, address: str) -> Iterator["Client"]:
    used = Client(CLIENTS[request.param], address)
    yield used
    used.run("rm", "-f", "term")


class Client:
    def __init__(self, program: str, address: str):
        self.program = program
        self.environment = {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/nonexistent",
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "DOCKER_HOST": address,
            "DOCKER_API_VERSION": "1.41",
        }

    def run(self, *words: str) -> str:
        done = subprocess.run(
            [self.program, *words], env=self.environment, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    def terminal(self, *words: str, size: tuple[int, int] = (40, 100)) -> "Terminal":
        return Terminal([self.program, *words], self.environment, size)


class Terminal:
    """A command with a terminal of its own as its controlling one."""

    def __init__(self, argv: list[str], environment: dict[str, str], size: tuple[int, int]):
        self._ours, theirs = os.openpty()
        self.resize(*size)
        self.before = termios.tcgetattr(theirs)
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *argv], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        self._theirs = theirs
        self.shown = ""

    def child(self) -> int:
        """The client itself: setsid has it as its only child."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def resize(self, height: int, width: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def expect(self, pattern: str) -> str:
        """Wait until it is shown: what is shown up to then, which is forgotten."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.shown)):
            left = deadline - time.monotonic()
            assert left > 0, f"{pattern!r} is not shown; shown: {self.shown!r}"
            if select.select([self._ours], [], [], min(left, 0.5))[0]:
                self.shown += os.read(self._ours, 65536).decode(errors="replace")
        before, self.shown = self.shown[: found.end()], self.shown[found.end() :]
        return before

    def expect_size(self, height: int, width: int) -> None:
        """The shell in it comes to know that size.  The client sends it when the shell runs already."""
        deadline = time.monotonic() + PATIENCE
        shown = ""
        while f"{height} {width}" not in shown:
            assert time.monotonic() < deadline, f"the size does not become {height} {width}: {shown!r}"
            self.type(b"stty size; echo so$((1+1))\r")
            shown = self.expect("so2")

    def end(self) -> int:
        """Wait until the command ends; its exit code.  The terminal must be what it was."""
        code = self.process.wait(PATIENCE)
        after = termios.tcgetattr(self._theirs)
        while select.select([self._ours], [], [], 0.1)[0]:
            self.shown += os.read(self._ours, 65536).decode(errors="replace")
        os.close(self._ours)
        os.close(self._theirs)
        assert after == self.before
        return code


def test_a_shell_follows_the_size_and_its_exit_code_comes_back(client: Client) -> None:
    terminal = client.terminal("run", "-it", "--name", "term", "busybox", "sh")
    terminal.expect("# ")
    terminal.expect_size(40, 100)
    terminal.resize(50, 120)
    terminal.expect_size(50, 120)
    terminal.type(b"exit 6\r")
    assert terminal.end() == 6


def test_detaching_leaves_the_container_running_and_attach_comes_back(client: Client) -> None:
    terminal = client.terminal("run", "-it", "--name", "term", "busybox", "sh")
    terminal.expect("# ")
    terminal.type(b"X=kept" + b"\r")
    terminal.expect("# ")
    terminal.type(DETACH)
    assert terminal.end() == 0
    assert client.run("inspect", "-f", "{{.State.Running}}", "term") == "true"
    again = client.terminal("attach", "term")
    time.sleep(0.5)
    again.type(b"echo $X-$((1+1))\r")
    again.expect("kept-2")
    again.type(DETACH)
    assert again.end() == 1
    assert "read escape sequence" in again.shown


def test_other_detach_keys(client: Client) -> None:
    terminal = client.terminal("run", "-it", "--detach-keys", "ctrl-a,x", "--name", "term", "busybox", "cat")
    terminal.type(DETACH + b"\x01y" + b"\r")
    terminal.expect("y")
    terminal.type(b"\x01x")
    assert terminal.end() == 0
    assert client.run("inspect", "-f", "{{.State.Running}}", "term") == "true"


def test_exec_has_a_terminal_of_its_own(client: Client) -> None:
    client.run("run", "-d", "--name", "term", "busybox", "sleep", "60")
    terminal = client.terminal("exec", "-it", "term", "sh", size=(33, 77))
    terminal.expect("# ")
    terminal.expect_size(33, 77)
    terminal.type(b"tty\r")
    terminal.expect("/dev/pts/")
    terminal.type(b"exit 5\r")
    assert terminal.end() == 5


def test_keys_go_through_raw(client: Client) -> None:
    terminal = client.terminal(
        "run", "-it", "--rm", "--name", "term", "busybox", "sh", "-c", "trap 'exit 9' INT; cat"
    )
    time.sleep(1)
    terminal.type(b"typed\r")
    terminal.expect("typed\r\ntyped")
    terminal.type(b"\x03")
    assert terminal.end() == 9


def test_start_attached_with_a_terminal(client: Client) -> None:
    client.run("create", "-it", "--name", "term", "busybox", "sh")
    terminal = client.terminal("start", "-ai", "term")
    terminal.type(b"exit 4\r")
    assert terminal.end() == 4


def test_output_alone_leaves_the_terminal_as_it_is(client: Client) -> None:
    terminal = client.terminal(
        "run", "-t", "--rm", "--name", "term", "busybox", "sh", "-c", "echo one; echo two"
    )
    terminal.expect("one\r\r?\ntwo")
    assert terminal.end() == 0


def test_a_client_that_is_ended_leaves_the_terminal_as_it_was(address: str) -> None:
    client = Client(CLIENTS["fairlead"], address)
    client.run("run", "-d", "--name", "term", "busybox", "sleep", "60")
    try:
        terminal = client.terminal("exec", "-it", "term", "cat")
        terminal.type(b"typed\r")
        terminal.expect("typed\r\ntyped")
        os.kill(terminal.child(), signal.SIGTERM)
        assert terminal.end() == 128 + signal.SIGTERM
    finally:
        client.run("rm", "-f", "term")


def test_run_passes_signals_on_although_it_has_a_terminal(client: Client) -> None:
    terminal = client.terminal(
        "run", "-it", "--name", "term", "busybox", "sh", "-c", "trap 'exit 8' TERM; read line"
    )
    time.sleep(1)
    os.kill(terminal.child(), signal.SIGTERM)
    assert terminal.end() == 8
