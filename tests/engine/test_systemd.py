"""A daemon as systemd starts it: with its socket open already, and somebody who waits to hear that it is ready."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.lab.engine import command_of
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

# What systemd does between fork and exec; the socket is file 3.
ACTIVATE = """
import os, socket, sys
path, notify, *command = sys.argv[1:]
listening = socket.socket(socket.AF_UNIX)
listening.bind(path)
listening.listen(16)
os.dup2(listening.fileno(), 3)
os.set_inheritable(3, True)
os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid()), "NOTIFY_SOCKET": notify}
os.execvp(command[0], command)
"""


@pytest.fixture
def host(lab: Lab) -> Iterator[Host]:
    host = lab.host(1)
    yield host
    host.stop_engine()


def test_it_takes_the_socket_says_that_it_is_ready_and_keeps_both_to_itself(host: Host) -> None:
    script, notified = host.state / "activate.py", host.state / "notify.sock"
    script.write_text(ACTIVATE)
    daemon = command_of("fairlead", host).replace(f"unix://{host.socket}", "fd://").split()
    assert "fd://" in daemon
    python = str(Path(daemon[0]).with_name("python"))
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as told:
        told.settimeout(30)
        told.bind(str(notified))
        host.start_engine(command=" ".join([python, str(script), str(host.socket), str(notified), *daemon]))
        assert told.recv(100) == b"READY=1"
        assert host.run("docker version", check=True).stdout
        host.stop_engine()
        assert told.recv(100) == b"STOPPING=1"
    assert host.socket.exists(), "the socket is systemd's"
    host.socket.unlink()
