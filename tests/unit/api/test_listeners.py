"""Sockets: unix and systemd's; which hosts and clients are turned away."""

import asyncio
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fairlead.api.guard import is_foreign
from fairlead.api.listeners import open_listeners
from fairlead.api.server import ApiServer
from fairlead.model.errors import Conflict, Failed, InvalidParameter
from tests.fakes.engine import FakeEngine
from tests.unit.api.serving import read_to_end


def close(listeners: object) -> None:
    for listener in listeners:  # type: ignore[attr-defined]
        listener.close()


def test_a_stale_socket_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(path))
    listeners = open_listeners([f"unix://{path}"], "", {})
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    close(listeners)
    assert not path.exists()


def test_a_live_socket_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    first = open_listeners([f"unix://{path}"], "", {})
    with pytest.raises(Conflict, match="another daemon answers there"):
        open_listeners([f"unix://{path}"], "", {})
    assert path.exists()
    close(first)


def test_a_socket_of_a_successor_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    (first,) = open_listeners([f"unix://{path}"], "", {})
    path.unlink()
    (second,) = open_listeners([f"unix://{path}"], "", {})
    first.close()
    assert path.exists()
    second.close()
    assert not path.exists()


def test_something_else_in_the_place_of_a_socket_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.sock"
    path.write_text("precious")
    with pytest.raises(Failed, match="a file that is no socket is in its place"):
        open_listeners([f"unix://{path}"], "", {})
    assert path.read_text() == "precious"


def test_all_listeners_or_none(tmp_path: Path) -> None:
    with pytest.raises(InvalidParameter):
        open_listeners([f"unix://{tmp_path}/x.sock", "zork://"], "", {})
    assert list(tmp_path.iterdir()) == []


def test_the_socket_goes_to_the_group(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "x.sock"
    listeners = open_listeners([f"unix://{path}"], str(os.getegid()), {})
    assert stat.S_IMODE(path.stat().st_mode) == 0o660 and path.stat().st_gid == os.getegid()
    close(listeners)
    with pytest.raises(InvalidParameter, match="there is no such group"):
        open_listeners([f"unix://{path}"], "nosuchgroup", {})


@pytest.mark.parametrize(
    "host",
    ["", "zork", "unix://relative", "unix:", "tcp://127.0.0.1", "tcp://127.0.0.1:x", "tcp://[::", "http://x"],
)
def test_a_host_that_is_none(host: str) -> None:
    with pytest.raises(InvalidParameter, match="cannot listen on"):
        open_listeners([host], "", {})


def test_systemd_hands_over_sockets(tmp_path: Path) -> None:
    # The sockets of this protocol have the numbers from 3 on: they need a process of their own.
    program = """
import os, socket, sys
from fairlead.api.listeners import open_listeners
listening = socket.socket(socket.AF_UNIX)
listening.bind(sys.argv[1])
listening.listen()
os.dup2(listening.fileno(), 3)
handed = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
(one,) = open_listeners(["fd://"], None, handed)
assert one.socket.getsockname() == sys.argv[1] and not one.remote
one.close()
for host, environment in (("fd://", {}), ("fd://", {**handed, "LISTEN_PID": "1"}), ("fd://7", handed)):
    try:
        open_listeners([host], None, environment)
    except Exception as error:
        print(error)
"""
    result = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "x.sock")], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [
        "cannot listen on fd://: no sockets found via socket activation",
        "cannot listen on fd://: no sockets found via socket activation",
        "cannot listen on fd://7: systemd handed over 3..3",
    ]
    assert (tmp_path / "x.sock").exists(), "the socket's file is systemd's"


@pytest.mark.parametrize(
    ("host", "origin", "authenticated", "foreign"),
    [
        ("127.0.0.1:2375", "", False, False),
        ("[::1]:2375", "", False, False),
        ("localhost:2375", "", False, False),
        ("LOCALHOST", "", False, False),
        ("box.example.com:2375", "", False, False),
        ("evil.example.net:2375", "", False, True),
        ("evil.example.net:2375", "", True, False),
        ("", "", False, True),
        ("127.0.0.1:2375", "http://evil.example.net", False, True),
        ("127.0.0.1:2375", "null", False, True),
        ("127.0.0.1:2375", "http://127.0.0.1:8080", False, False),
        ("box.example.com", "https://evil.example.net", True, True),
        ("[zork", "", False, True),
    ],
)
def test_pages_of_foreign_sites_are_turned_away(
    host: str, origin: str, authenticated: bool, foreign: bool
) -> None:
    assert is_foreign(host, origin, {"box.example.com"}, authenticated) is foreign


def test_stop_ends_what_listens_and_what_is_listened_to(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")

    async def main() -> bytes:
        engine = FakeEngine()
        server = ApiServer(engine, [f"unix://{path}"], group="")
        await server.start()
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(b"GET /events HTTP/1.1\r\nHost: l\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        await server.stop()
        assert engine.events.listeners == []
        rest = await reader.read()
        writer.close()
        return rest

    assert asyncio.run(main()) == b""
    assert not os.path.exists(path)


def test_stop_lets_changes_end(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")

    async def main() -> bool:
        engine = FakeEngine()
        server = ApiServer(engine, [f"unix://{path}"], group="")
        await server.start()
        engine.containers.starts_take = 0.2
        _, writer = await asyncio.open_unix_connection(path)
        body = b'{"Image": "busybox", "Cmd": ["sleep"]}'
        writer.write(
            b"POST /containers/create?name=box HTTP/1.1\r\nHost: l\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%bPOST /containers/box/start HTTP/1.1\r\nHost: l\r\n\r\n"
            % (len(body), body)
        )
        async with asyncio.timeout(10):
            while not engine.containers.records:
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)
        await server.stop()
        writer.close()
        container = engine.containers.get("box")
        engine.containers.programs[container.id].stop()
        return container.state.running

    assert asyncio.run(main())


def test_many_connections_at_once(tmp_path: Path) -> None:
    path = str(tmp_path / "x.sock")

    async def main() -> int:
        server = ApiServer(FakeEngine(), [f"unix://{path}"], group="")
        await server.start()

        def ask() -> list[bytes]:
            clients = [socket.socket(socket.AF_UNIX) for _ in range(300)]
            for client in clients:
                client.connect(path)
                client.sendall(b"GET /_ping HTTP/1.1\r\nHost: l\r\nConnection: close\r\n\r\n")
            answers = [read_to_end(client) for client in clients]
            for client in clients:
                client.close()
            return answers

        answers = await asyncio.to_thread(ask)
        await server.stop()
        return sum(answer.startswith(b"HTTP/1.1 200") for answer in answers)

    assert asyncio.run(main()) == 300
