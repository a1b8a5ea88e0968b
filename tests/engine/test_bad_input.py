"""Whatever is wrong with a request, the answer is a 4xx in Docker's form and nothing is left of it."""

import contextlib
import http.client
import json
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from fairlead.lab.host import Host
from fairlead.lab.traces import look


class Connection(http.client.HTTPConnection):
    def __init__(self, path: Path):
        super().__init__("localhost", timeout=20)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


def ask(
    host: Host, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
) -> tuple[int, Any]:
    connection = Connection(host.socket)
    with contextlib.closing(connection):
        connection.request(method, path, body, {"Content-Type": kind} if body is not None else {})
        answer = connection.getresponse()
        content = answer.read()
    try:
        return answer.status, json.loads(content)
    except ValueError:
        return answer.status, content


def create(name: str, **fields: Any) -> tuple[str, str, bytes]:
    document = {"Image": "busybox", "Cmd": ["true"], **fields}
    return "POST", f"/v1.41/containers/create?name={name}", json.dumps(document).encode()


def network(options: dict[str, str]) -> tuple[str, str, bytes]:
    return "POST", "/networks/create", json.dumps({"Name": "wrong", "Options": options}).encode()


WRONG: dict[str, tuple[str, str, bytes | None]] = {
    "malformed JSON": ("POST", "/containers/create", b"{not json"),
    "JSON of the wrong form": ("POST", "/containers/create", b"[1, 2]"),
    "a number where a text belongs": create("wrong", Image=5),
    "a text where a list belongs": create("wrong", HostConfig={"Binds": "x"}),
    "an unknown image": create("wrong", Image="absent"),
    "no image name at all": create("wrong", Image=""),
    "an image name with a quote": create("wrong", Image="'; rm -rf /"),
    "a container name with a newline": create("a%0Ab"),
    "a container name with a quote": create("a%27b"),
    "a port that is none": create(
        "wrong", HostConfig={"PortBindings": {"80/tcp": [{"HostPort": "seventy"}]}}
    ),
    "a port beyond the last": create(
        "wrong", HostConfig={"PortBindings": {"80/tcp": [{"HostPort": "70000"}]}}
    ),
    "a host address that is none": create(
        "wrong", HostConfig={"PortBindings": {"80/tcp": [{"HostIp": "x", "HostPort": "1"}]}}
    ),
    "a restart policy that is none": create("wrong", HostConfig={"RestartPolicy": {"Name": "sometimes"}}),
    "a bind to a relative path": create("wrong", HostConfig={"Binds": ["/tmp:relative"]}),
    "too little memory": create("wrong", HostConfig={"Memory": 1}),
    "a route that is none": ("GET", "/nosuchpage", None),
    "a version from the future": ("GET", "/v9.99/info", None),
    "filters that are no JSON": ("GET", "/containers/json?filters=%7Bx", None),
    "a filter that is none": ("GET", "/containers/json?filters=%7B%22nonsense%22%3A%5B%22x%22%5D%7D", None),
    "a container that is not there": ("POST", "/containers/absent/start", None),
    "a signal that is none": ("POST", "/containers/absent/kill?signal=NOPE", None),
    "a network without a name": ("POST", "/networks/create", b"{}"),
    "a guard that is none": network({"io.fairlead.allow": "spoofing,everything"}),
    "a trusted link that can be none": network(
        {"com.docker.network.bridge.trusted_host_interfaces": "eth0:a b"}
    ),
    "an archive for nobody": ("PUT", "/containers/absent/archive?path=/", b"x"),
}


@pytest.mark.parametrize("case", WRONG)
def test_it_is_refused_and_leaves_nothing(clean: Host, case: str) -> None:
    method, path, body = WRONG[case]
    before = look(clean)
    status, document = ask(clean, method, path, body)
    if case == "a network without a name":
        assert status == 500, "Docker's own answer"
    else:
        assert 400 <= status < 500, (status, document)
    assert set(document) == {"message"}
    assert document["message"]
    assert "Traceback" not in document["message"]
    assert look(clean).since(before) == {}
    assert ask(clean, "GET", "/containers/json?all=1") == (200, [])


def test_an_aborted_upload_leaves_nothing(clean: Host) -> None:
    before = ask(clean, "GET", "/images/json")
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(str(clean.socket))
    raw.sendall(
        b"POST /v1.41/images/load HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 5000
    )
    raw.close()
    time.sleep(0.3)
    assert ask(clean, "GET", "/images/json") == before
    assert clean.run(f"ls {clean.state}/data/tmp 2>/dev/null").stdout == ""


def test_a_client_that_vanishes_in_attach_leaves_the_container_alone(clean: Host) -> None:
    clean.run("docker run -di --name box busybox sh -c 'cat; echo end'", check=True)
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(str(clean.socket))
    raw.sendall(
        b"POST /v1.41/containers/box/attach?stream=1&stdin=1&stdout=1 HTTP/1.1\r\nHost: x\r\n"
        b"Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
    assert b"101" in raw.recv(4096)
    raw.close()
    time.sleep(0.3)
    assert clean.run("docker inspect -f '{{.State.Running}}' box").stdout == "true\n"
    assert clean.run("docker exec box true").ok


def test_oversized_headers_are_refused(clean: Host) -> None:
    raw = socket.socket(socket.AF_UNIX)
    raw.connect(str(clean.socket))
    with contextlib.suppress(BrokenPipeError):  # the answer may come before all is sent
        raw.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 2_000_000 + b"\r\n\r\n")
    answer = raw.recv(4096)
    raw.close()
    assert answer.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))
    assert clean.run("docker version").ok


def test_a_hundred_creates_of_one_network_make_one(clean: Host) -> None:
    command = "for i in $(seq 100); do docker network create same >/dev/null 2>&1 & done; wait"
    clean.run(command, deadline=120)
    assert clean.run("docker network ls -q --filter name=same").stdout.count("\n") == 1
