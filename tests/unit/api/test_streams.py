"""Consoles, logs, events and stats: connections that last."""

import base64
import json
import os
import socket
import struct

import pytest

from fairlead.dockerapi.frames import frame
from tests.unit.api.serving import Serving, read_exactly, read_head, read_to_end

UPGRADE = "Connection: Upgrade\r\nUpgrade: tcp\r\n"


def post(path: str, headers: str = UPGRADE, body: bytes = b"", version: str = "v1.41") -> bytes:
    kind = "Content-Type: application/json\r\n" if body else ""
    head = f"POST /{version}{path} HTTP/1.1\r\nHost: l\r\n{headers}{kind}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def attach(api: Serving, name: str, query: str = "stream=1&stdin=1&stdout=1&stderr=1") -> socket.socket:
    client = api.raw(post(f"/containers/{name}/attach?{query}"))
    assert read_head(client).startswith("HTTP/1.1 101 UPGRADED\r\n")
    return client


def consoles(api: Serving, name: str) -> int:
    return len(api.engine.containers.programs[api.engine.containers.get(name).id].consoles)


@pytest.mark.parametrize(
    ("headers", "version", "first", "kind"),
    [
        (UPGRADE, "v1.41", "HTTP/1.1 101 UPGRADED", "application/vnd.docker.raw-stream"),
        (UPGRADE, "v1.42", "HTTP/1.1 101 UPGRADED", "application/vnd.docker.multiplexed-stream"),
        ("", "v1.41", "HTTP/1.1 200 OK", "application/vnd.docker.raw-stream"),
    ],
)
def test_the_head_of_a_console(api: Serving, headers: str, version: str, first: str, kind: str) -> None:
    api.start("cat", name="box")
    with api.raw(post("/containers/box/attach?stream=1&stdout=1", headers, version=version)) as client:
        lines = read_head(client).splitlines()
        assert lines[0] == first
        assert f"Content-Type: {kind}" in lines
        assert ("Upgrade: tcp" in lines) == (headers == UPGRADE)
        assert not any(line.startswith(("Transfer-Encoding", "Content-Length")) for line in lines)


def test_a_terminal_is_never_multiplexed(api: Serving) -> None:
    api.start("cat", name="box", Tty=True)
    with api.raw(post("/containers/box/attach?stream=1&stdin=1&stdout=1", version="v1.47")) as client:
        assert "application/vnd.docker.raw-stream" in read_head(client)
        client.sendall(b"hello")
        assert read_exactly(client, 5) == b"hello"


def test_input_ends_and_the_output_still_comes(api: Serving) -> None:
    api.start("cat", name="box", OpenStdin=True, StdinOnce=True)
    with attach(api, "box") as client:
        client.sendall(b"to the cat")
        assert read_exactly(client, 18) == frame(1, b"to the cat")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == b""
    api.until(lambda: not api.engine.containers.get("box").state.running)
    assert consoles(api, "box") == 0


def test_a_container_whose_input_stays_open_goes_on(api: Serving) -> None:
    api.start("cat", name="box", OpenStdin=True)
    with attach(api, "box") as first:
        first.shutdown(socket.SHUT_WR)
        with attach(api, "box") as second:
            second.sendall(b"still there")
            assert read_exactly(first, 19) == frame(1, b"still there")
            assert read_exactly(second, 19) == frame(1, b"still there")
    assert api.engine.containers.get("box").state.running
    api.until(lambda: consoles(api, "box") == 0)


def test_standard_error_is_told_apart_and_chosen(api: Serving) -> None:
    api.create("fail", name="box")
    with (
        attach(api, "box", "stream=1&stdout=1&stderr=1") as both,
        attach(api, "box", "stream=1&stdout=1") as out,
    ):
        api.ask("POST", "/containers/box/start")
        assert read_to_end(both) == frame(2, b"failed\n")
        assert read_to_end(out) == b""


def test_a_client_may_attach_before_the_start(api: Serving) -> None:
    api.create("echo", "hi", name="box")
    with attach(api, "box") as client:
        api.ask("POST", "/containers/box/start")
        assert read_to_end(client) == frame(1, b"hi\n")


def test_history_of_no_stream_is_empty(api: Serving) -> None:
    api.start("echo", "hi", name="box")
    reply = api.ask("POST", "/containers/box/attach", logs=1)
    assert (reply.status, reply.body) == (200, b"")


def test_history_comes_first(api: Serving) -> None:
    api.start("echo", "hi", name="box")
    api.until(lambda: not api.engine.containers.get("box").state.running)
    with api.raw(post("/containers/box/attach?logs=1&stdout=1")) as client:
        read_head(client)
        assert read_to_end(client) == frame(1, b"hi\n")


@pytest.mark.parametrize(("keys", "typed"), [("", b"\x10\x11"), ("ctrl-a,x", b"\x01x")])
def test_detach_keys_let_go(api: Serving, keys: str, typed: bytes) -> None:
    api.start("cat", name="box", Tty=True, OpenStdin=True)
    with attach(api, "box", f"stream=1&stdin=1&stdout=1&detachKeys={keys}") as client:
        client.sendall(b"ab" + typed + b"dropped")
        assert read_to_end(client) == b"ab"
    api.until(lambda: consoles(api, "box") == 0)
    assert api.engine.containers.get("box").state.running


def test_detach_keys_mean_nothing_without_a_terminal(api: Serving) -> None:
    api.start("cat", name="box", OpenStdin=True)
    with attach(api, "box") as client:
        client.sendall(b"\x10\x11")
        assert read_exactly(client, 10) == frame(1, b"\x10\x11")


@pytest.mark.parametrize(
    ("state", "query", "status", "message"),
    [
        ("running", "stream=1&detachKeys=zork", 400, "Invalid detach keys (zork) provided"),
        ("paused", "stream=1", 409, "is paused, unpause the container before attach."),
    ],
)
def test_an_attach_that_is_refused(api: Serving, state: str, query: str, status: int, message: str) -> None:
    api.start("cat", name="box", Tty=True)
    if state == "paused":
        api.ask("POST", "/containers/box/pause")
    reply = api.ask("POST", f"/containers/box/attach?{query}")
    assert reply.status == status and message in reply.message
    assert consoles(api, "box") == 0


@pytest.mark.parametrize("half_closed", [False, True])
def test_a_client_that_vanishes_in_attach_leaves_nothing(api: Serving, half_closed: bool) -> None:
    api.start("cat", name="box", OpenStdin=True)
    client = attach(api, "box")
    if half_closed:
        client.shutdown(socket.SHUT_WR)
    assert consoles(api, "box") == 1
    client.close()
    api.until(lambda: consoles(api, "box") == 0)
    assert api.engine.containers.get("box").state.running


def test_a_slow_client_gets_everything(api: Serving) -> None:
    api.create("cat", name="box", OpenStdin=True, StdinOnce=True)
    with attach(api, "box") as client:
        api.ask("POST", "/containers/box/start")
        program = api.engine.containers.programs[api.engine.containers.get("box").id]
        pieces = [os.urandom(65536) for _ in range(100)]

        async def say() -> None:
            for piece in pieces:
                program.say(piece)

        api.run(say())
        client.shutdown(socket.SHUT_WR)
        received = read_to_end(client)
    assert received == b"".join(frame(1, piece) for piece in pieces)


def test_much_input_arrives_whole(api: Serving) -> None:
    api.start("cat", name="box", OpenStdin=True, StdinOnce=True)
    content = os.urandom(3 << 20)
    with attach(api, "box", "stream=1&stdin=1") as client:
        client.sendall(content)
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == b""
    program = api.engine.containers.programs[api.engine.containers.get("box").id]
    assert b"".join(line.content for line in program.lines) == content


def test_output_is_not_lost_when_input_is_left_unread(api: Serving) -> None:
    api.create("echo", "last words", name="box", OpenStdin=True, StdinOnce=True)
    with attach(api, "box") as client:
        client.sendall(b"nobody reads this" * 1000)
        api.ask("POST", "/containers/box/start")
        assert read_to_end(client) == frame(1, b"last words\n")


def websocket(api: Serving, path: str, version: str = "v1.41") -> socket.socket:
    key = base64.b64encode(b"k" * 16).decode()
    head = (
        f"GET /{version}{path} HTTP/1.1\r\nHost: l\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    client = api.raw(head.encode())
    assert read_head(client).startswith("HTTP/1.1 101 ")
    return client


@pytest.mark.parametrize(("version", "kind"), [("v1.27", 1), ("v1.41", 2)])
def test_a_websocket_is_a_console_without_frames(api: Serving, version: str, kind: int) -> None:
    api.start("cat", name="box", OpenStdin=True)
    with websocket(api, "/containers/box/attach/ws?stream=1", version) as client:
        client.sendall(struct.pack(">BB4x", 0x82, 0x85) + b"hello")  # a masked message, the mask zero
        assert read_exactly(client, 7) == struct.pack(">BB", 0x80 | kind, 5) + b"hello"
        client.sendall(struct.pack(">BB4x", 0x88, 0x80))
        assert read_exactly(client, 1) == b"\x88"
    api.until(lambda: consoles(api, "box") == 0)


def test_a_websocket_must_be_one(api: Serving) -> None:
    api.start("cat", name="box")
    reply = api.ask("GET", "/containers/box/attach/ws", stream=1)
    assert (reply.status, reply.message) == (400, "not websocket protocol")
    assert consoles(api, "box") == 0


def new_exec(api: Serving, *command: str, **body: object) -> str:
    document = {"Cmd": list(command), "AttachStdout": True, "AttachStderr": True, **body}
    reply = api.ask("POST", "/containers/box/exec", document)
    assert reply.status == 201, reply.body
    return str(reply.json["Id"])


def test_an_exec_on_a_console(api: Serving) -> None:
    api.start(name="box")
    identity = new_exec(api, "cat", AttachStdin=True)
    with api.raw(post(f"/exec/{identity}/start", body=b'{"Detach": false, "Tty": false}')) as client:
        assert read_head(client).startswith("HTTP/1.1 101 ")
        client.sendall(b"hello\n")
        client.shutdown(socket.SHUT_WR)
        assert read_to_end(client) == frame(1, b"hello\n")
    assert api.ask("GET", f"/exec/{identity}/json").json["ExitCode"] == 0


def test_an_exec_that_fails_says_so_on_its_console(api: Serving) -> None:
    api.start(name="box")
    for terminal in (False, True):
        identity = new_exec(api, "nosuch", Tty=terminal)
        reply = api.ask("POST", f"/exec/{identity}/start", {"Tty": terminal})
        message = b'OCI runtime exec failed: exec: "nosuch": executable file not found\r\n'
        assert (reply.status, reply.body) == (200, message if terminal else frame(1, message))
        assert api.ask("GET", f"/exec/{identity}/json").json["ExitCode"] == 126


def test_an_exec_runs_once(api: Serving) -> None:
    api.start(name="box")
    identity = new_exec(api, "fail")
    assert api.ask("POST", f"/exec/{identity}/start", {}).body == frame(2, b"failed\n")
    assert b"has already run" in api.ask("POST", f"/exec/{identity}/start", {}).body


def test_an_exec_in_the_background(api: Serving) -> None:
    api.start(name="box")
    identity = new_exec(api, "sleep")
    reply = api.ask("POST", f"/exec/{identity}/start", {"Detach": True})
    assert (reply.status, reply.body) == (200, b"")
    assert api.ask("GET", f"/exec/{identity}/json").json["Running"] is True
    assert api.ask("POST", f"/exec/{identity}/resize", h=10, w=20).status == 200
    assert api.engine.execs.execs[identity].program.size == (10, 20)
    failing = new_exec(api, "nosuch")
    assert api.ask("POST", f"/exec/{failing}/start", {"Detach": True}).status == 400


def test_an_exec_lives_on_without_its_client(api: Serving) -> None:
    api.start(name="box")
    identity = new_exec(api, "sleep", AttachStdin=True)
    client = api.raw(post(f"/exec/{identity}/start", body=b"{}"))
    read_head(client)
    program = api.engine.execs.execs[identity].program
    api.until(lambda: len(program.consoles) == 1)
    client.close()
    api.until(lambda: program.consoles == [])
    assert api.ask("GET", f"/exec/{identity}/json").json["Running"] is True


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        ("/exec/absent/json", 404, "No such exec instance: absent"),
        ("/exec/absent/resize?h=1&w=2", 404, "No such exec instance: absent"),
        ("/exec/absent/start", 404, "No such exec instance: absent"),
    ],
)
def test_an_exec_that_is_not_there(api: Serving, path: str, status: int, message: str) -> None:
    reply = api.ask("GET" if path.endswith("json") else "POST", path)
    assert (reply.status, reply.message) == (status, message)


def test_execs_that_are_refused(api: Serving) -> None:
    identity = api.create(name="box")
    stopped = api.ask("POST", "/containers/box/exec", {"Cmd": ["true"]})
    assert (stopped.status, stopped.message) == (409, f"Container {identity} is not running")
    assert api.ask("POST", "/containers/box/exec", {}).message == "No exec command specified"
    assert api.ask("POST", "/containers/box/exec", raw=b"").status == 400


@pytest.mark.parametrize("query", ["", "h=1", "h=x&w=2", "h=-1&w=2", "h=70000&w=2"])
def test_a_size_that_is_none(api: Serving, query: str) -> None:
    api.start(name="box", Tty=True)
    assert api.ask("POST", f"/containers/box/resize?{query}").status == 400
    assert api.ask("POST", "/containers/box/resize?h=30&w=100").status == 200


def test_logs(api: Serving) -> None:
    api.start("fail", name="box")
    api.until(lambda: not api.engine.containers.get("box").state.running)
    reply = api.ask("GET", "/containers/box/logs", stdout=1, stderr=1)
    assert (reply.status, reply.body) == (200, frame(2, b"failed\n"))
    assert api.ask("GET", "/containers/box/logs", stdout=1).body == b""
    stamped = api.ask("GET", "/containers/box/logs", stderr=1, timestamps=1, tail=1).body
    assert stamped[8:].partition(b" ")[0].endswith(b".000000000Z") and stamped.endswith(b" failed\n")
    assert api.ask("GET", "/containers/box/logs", stderr=1, details=1).body == frame(2, b" failed\n")
    assert api.ask("GET", "/containers/box/logs", stderr=1, tail=0).body == b""
    assert api.ask("GET", "/containers/box/logs", stderr=1, tail="all").body == reply.body
    kind = api.ask("GET", "/containers/box/logs", stdout=1, version="v1.42").headers["Content-Type"]
    assert kind == "application/vnd.docker.multiplexed-stream"


def test_logs_of_a_terminal_have_no_frames(api: Serving) -> None:
    api.start("echo", "hi", name="box", Tty=True)
    api.until(lambda: not api.engine.containers.get("box").state.running)
    assert api.ask("GET", "/containers/box/logs", stdout=1).body == b"hi\n"


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "Bad parameters: you must choose at least one stream"),
        ({"stdout": 1, "since": "zork"}, "invalid value 'zork' for since"),
        ({"stdout": 1, "until": "zork"}, "invalid value 'zork' for until"),
    ],
)
def test_logs_that_make_no_sense(api: Serving, query: dict[str, object], message: str) -> None:
    api.start(name="box")
    reply = api.ask("GET", "/containers/box/logs", **query)
    assert reply.status == 400 and reply.message.startswith(message)


def test_logs_are_followed_to_the_end(api: Serving) -> None:
    identity = api.start("cat", name="box")
    answer = api.open("GET", "/containers/box/logs?stdout=1&follow=1")
    program = api.engine.containers.programs[identity]
    api.until(lambda: len(program.followers) == 1)

    async def say() -> None:
        program.say(b"now\n")

    api.run(say())
    assert answer.read(12) == frame(1, b"now\n")
    api.ask("POST", "/containers/box/kill")
    assert answer.read() == b""


def test_a_client_that_vanishes_in_logs_leaves_nothing(api: Serving) -> None:
    identity = api.start(name="box")
    answer = api.open("GET", "/containers/box/logs?stdout=1&follow=1")
    program = api.engine.containers.programs[identity]
    api.until(lambda: len(program.followers) == 1)
    answer.close()
    api.until(lambda: program.followers == [])


def test_events_as_they_happen(api: Serving) -> None:
    answer = api.open(
        "GET", "/events?filters=" + json.dumps({"type": ["container"]}).replace('"', "%22").replace(" ", "")
    )
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    api.until(lambda: len(api.engine.events.listeners) == 1)
    api.ask("POST", "/networks/create", {"Name": "blue"})
    identity = api.create(name="box")
    event = json.loads(answer.readline())
    assert (event["Type"], event["Action"], event["id"], event["status"]) == (
        "container",
        "create",
        identity,
        "create",
    )
    answer.close()
    api.until(lambda: api.engine.events.listeners == [])


def test_events_that_end_before_they_begin(api: Serving) -> None:
    reply = api.ask("GET", "/events", since=10, until=2)
    assert reply.status == 400
    assert reply.message == "`since` time (10) cannot be after `until` time (2)"


def test_events_of_the_past(api: Serving) -> None:
    api.ask("POST", "/networks/create", {"Name": "blue"})
    reply = api.ask("GET", "/events", since="1", until="9999999999.5")
    assert [event["Action"] for event in reply.lines] == ["create"]
    assert api.ask("GET", "/events", since="zork").status == 400
    assert api.ask("GET", "/events", filters="zork").status == 400


def test_stats_once(api: Serving) -> None:
    api.start(name="box")
    once = api.ask("GET", "/containers/box/stats", **{"stream": 0, "one-shot": 1}).json
    assert once["name"] == "/box" and once["precpu_stats"]["cpu_usage"]["total_usage"] == 0
    assert once["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    api.ask("POST", "/containers/box/stop")
    assert api.ask("GET", "/containers/box/stats", stream=0).json["memory_stats"] == {}


def test_stats_as_they_change(api: Serving) -> None:
    api.start(name="box")
    answer = api.open("GET", "/containers/box/stats")
    first, second = (json.loads(answer.readline()) for _ in range(2))
    assert second["precpu_stats"] == first["cpu_stats"]
    api.ask("DELETE", "/containers/box?force=1")
    # The stream ends with the container; what came before is whole.
    assert all(json.loads(line)["name"] == "/box" for line in answer.read().splitlines())


def test_a_client_that_vanishes_in_stats_leaves_nothing(api: Serving) -> None:
    api.start(name="box")
    answer = api.open("GET", "/containers/box/stats")
    answer.readline()

    answer.close()
    api.until(api.idle)
