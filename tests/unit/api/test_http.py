"""What every request meets: versions, unknown pages, malformed requests and bodies."""

import json
import socket
import stat
from pathlib import Path

import pytest

from tests.unit.api.serving import Serving, read_head, read_to_end


def test_ping_says_who_answers(api: Serving) -> None:
    for method, body in (("GET", b"OK"), ("HEAD", b"")):
        reply = api.ask(method, "/_ping", version="")
        assert (reply.status, reply.body) == (200, body)
        assert reply.headers["Api-Version"] == "1.48"
        assert reply.headers["Docker-Experimental"] == "false"
        assert reply.headers["Ostype"] == "linux"
        assert reply.headers["Builder-Version"] == "1"
        assert reply.headers["Cache-Control"] == "no-cache, no-store, must-revalidate"
        assert reply.headers["Server"].startswith("fairlead/")
        assert reply.headers["Content-Type"] == "text/plain; charset=utf-8"


@pytest.mark.parametrize("version", ["", "v1.24", "v1.41", "v1.48"])
def test_every_version_is_served(api: Serving, version: str) -> None:
    assert api.ask("GET", "/version", version=version).json["ApiVersion"] == "1.48"
    assert api.ask("GET", "/info", version=version).json["ID"] == "fake"


@pytest.mark.parametrize(
    ("version", "message"),
    [
        ("v1.99", "client version 1.99 is too new. Maximum supported API version is 1.48"),
        ("v1.11", "client version 1.11 is too old. Minimum supported API version is 1.24"),
        ("v1..4", "invalid API version '1..4'"),
    ],
)
def test_other_versions_are_refused(api: Serving, version: str, message: str) -> None:
    reply = api.ask("GET", "/info", version=version)
    assert reply.status == 400 and reply.message.startswith(message)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nosuchpage"),
        ("POST", "/nope"),
        ("GET", "/"),
        ("DELETE", "/info"),
        ("PATCH", "/containers/json"),
    ],
)
def test_an_unknown_page_is_not_found(api: Serving, method: str, path: str) -> None:
    for version in ("", "v1.41", "v1.99"):
        reply = api.ask(method, path, version=version)
        assert (reply.status, reply.body) == (404, b'{"message":"page not found"}\n')
        assert reply.headers["Content-Type"] == "application/json"


def test_options_are_answered(api: Serving) -> None:
    assert api.ask("OPTIONS", "/info").status == 200


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json", "invalid JSON: invalid character 'n' looking for beginning of value"),
        (b'{"Image":', "invalid JSON: unexpected end of JSON input"),
        (b'{"Image": "busybox"} trailing', "invalid JSON: unexpected content after JSON"),
        (b"[]", "invalid JSON: the body must be an object, not an array"),
        (b'"x"', "invalid JSON: the body must be an object, not a string"),
        (b"null", "Config cannot be empty in order to create a container"),
        (b"", "got EOF while reading request body"),
        (b"   ", "got EOF while reading request body"),
        (b'{"Image": 5}', "invalid JSON: Image must be a string, not a number"),
        (b'{"Image": NaN}', "invalid JSON: NaN is not a JSON number"),
        (b'{"Image": "a\\u0000b"}', "invalid JSON: a string contains a zero byte"),
        (b'{"Image": "\\ud800"}', "invalid JSON: "),
        (b'{"Image": "\xff"}', "invalid JSON: "),
        (b'{"a":' * 100_000, "invalid JSON: "),
        (b'{"Memory": ' + b"9" * 5000 + b"}", "invalid JSON: "),
    ],
)
def test_a_body_that_is_no_use_is_refused(api: Serving, content: bytes, message: str) -> None:
    reply = api.ask("POST", "/containers/create", raw=content, headers={"Content-Type": "application/json"})
    assert reply.status == 400 and reply.message.startswith(message)
    assert not api.engine.containers.records


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_another_content_type_is_refused(api: Serving, kind: str) -> None:
    reply = api.ask("POST", "/networks/create", raw=b'{"Name":"n1"}', headers={"Content-Type": kind})
    assert (reply.status, reply.message) == (
        400,
        f"Content-Type specified ({kind}) must be 'application/json'",
    )


def test_a_content_type_may_have_parameters(api: Serving) -> None:
    headers = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert api.ask("POST", "/networks/create", raw=b'{"Name":"n1"}', headers=headers).status == 201


def test_a_body_that_is_too_large_is_refused(api: Serving) -> None:
    headers = {"Content-Type": "application/json"}
    content = json.dumps({"Image": "busybox", "User": "x" * (17 << 20)}).encode()
    reply = api.ask("POST", "/containers/create", raw=content, headers=headers)
    assert reply.status == 400 and "larger than" in reply.message


@pytest.mark.parametrize(
    "content",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /info HTTP/1.1\r\n\r\n",
        b"GET /info HTTP/1.1\r\nHost: l\r\nbad header\r\n\r\n",
        b"GET /info HTTP/1.1\r\nHost: l\r\nX: " + b"a" * (2 << 20) + b"\r\n\r\n",
        b"GET /" + b"a" * (2 << 20) + b" HTTP/1.1\r\nHost: l\r\n\r\n",
        b"GET /info HTTP/1.1\r\nHost: l\r\n" + b"X: a\r\n" * 2000 + b"\r\n",
        b"POST /auth HTTP/1.1\r\nHost: l\r\nContent-Length: x\r\n\r\n",
        b"POST /auth HTTP/1.1\r\nHost: l\r\nTransfer-Encoding: chunked\r\n\r\nzork\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=[
        "nonsense",
        "version",
        "no host",
        "bad header",
        "large header",
        "large line",
        "many headers",
        "length",
        "chunk",
        "tls",
    ],
)
def test_what_is_no_http_is_refused(api: Serving, content: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(api.path)
        try:
            client.sendall(content)
            answer = read_to_end(client)
        except (BrokenPipeError, ConnectionResetError):
            answer = b"HTTP/1.1 400 "  # it has hung up on the rest
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.0 400 ")), answer[:200]
    assert api.ask("GET", "/_ping").status == 200


def test_errors_of_the_protocol_have_the_form_of_all_errors(api: Serving) -> None:
    with api.raw(b"nonsense\r\n\r\n") as client:
        answer = read_to_end(client)
    assert "message" in json.loads(answer.partition(b"\r\n\r\n")[2])


def test_a_zero_byte_in_an_address_is_refused(api: Serving) -> None:
    assert api.ask("GET", "/containers/a%00b/json").status == 400
    assert api.ask("GET", "/containers/json?limit=%00").status == 400


@pytest.mark.parametrize("name", ["a%22b%0Ac", "%E2%98%83", "..%2F..", "%FF"])
def test_odd_names_are_just_not_found(api: Serving, name: str) -> None:
    reply = api.ask("GET", f"/containers/{name}/json")
    assert reply.status == 404 and reply.message


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/swarm", 503),
        ("POST", "/swarm/init", 501),
        ("POST", "/swarm/leave", 503),
        ("GET", "/services", 503),
        ("GET", "/tasks/x", 503),
        ("GET", "/nodes", 503),
        ("DELETE", "/secrets/x", 503),
        ("GET", "/configs", 503),
        ("GET", "/plugins", 200),
        ("GET", "/plugins/x/json", 404),
        ("POST", "/plugins/pull", 501),
        ("POST", "/session", 501),
        ("POST", "/build/prune", 200),
        ("GET", "/images/search", 501),
    ],
)
def test_areas_that_are_left_out_say_so(api: Serving, method: str, path: str, status: int) -> None:
    reply = api.ask(method, path)
    assert reply.status == status
    if status >= 400:
        assert reply.message


def test_an_error_inside_the_engine_shows_nothing_of_it(api: Serving) -> None:
    async def broken() -> None:
        raise ValueError("secret")

    api.engine.facts = broken  # type: ignore[assignment,method-assign]
    reply = api.ask("GET", "/info")
    assert reply.status == 500 and b"secret" not in reply.body
    assert api.ask("GET", "/_ping").status == 200


def test_a_connection_serves_many_requests(api: Serving) -> None:
    request = b"GET /_ping HTTP/1.1\r\nHost: l\r\n\r\n"
    with api.raw(request * 3) as client:
        for _ in range(3):
            assert read_head(client).startswith("HTTP/1.1 200")
            assert client.recv(2) == b"OK"


def test_an_upload_is_asked_for_when_the_client_waits_for_that(api: Serving) -> None:
    head = b"POST /images/load HTTP/1.1\r\nHost: l\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"
    with api.raw(head) as client:
        assert read_head(client) == "HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"image a:b")
        assert read_head(client).startswith("HTTP/1.1 200")


def test_the_socket_is_for_its_owner_and_group(api: Serving) -> None:
    mode = Path(api.path).stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660
