"""Containers over the API: status codes, documents, queries."""

import base64
import json
import threading
import time

import pytest

from tests.unit.api.serving import PATIENCE, Serving


def filters(**values: list[str]) -> str:
    return json.dumps({name.replace("_", "-"): value for name, value in values.items()})


def test_a_life(api: Serving) -> None:
    reply = api.ask("POST", "/containers/create", {"Image": "busybox", "Cmd": ["sleep"]}, name="box")
    assert reply.status == 201 and reply.json["Warnings"] == []
    assert reply.headers["Content-Type"] == "application/json"
    for status in (204, 304):
        started = api.ask("POST", "/containers/box/start")
        assert (started.status, started.body) == (status, b"")
    assert api.ask("GET", "/containers/box/json").json["State"]["Status"] == "running"
    refused = api.ask("DELETE", "/containers/box")
    assert refused.status == 409 and refused.message.startswith("You cannot remove a running container")
    for status in (204, 304):
        assert api.ask("POST", "/containers/box/stop", t=0).status == status
    assert api.ask("DELETE", "/containers/box").status == 204
    gone = api.ask("GET", "/containers/box/json")
    assert (gone.status, gone.message) == (404, "No such container: box")


def test_errors_of_create(api: Serving) -> None:
    assert api.ask("POST", "/containers/create", {"Image": "absent"}).message == "No such image: absent"
    api.create(name="box")
    assert api.ask("POST", "/containers/create", {"Image": "busybox"}, name="box").status == 409
    body = {"Image": "busybox", "HostConfig": {"PortBindings": {"80/tcp": [{"HostPort": "nonsense"}]}}}
    reply = api.ask("POST", "/containers/create", body)
    assert (reply.status, reply.message) == (400, 'invalid port specification: "nonsense"')


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "json"),
        ("POST", "start"),
        ("POST", "stop"),
        ("POST", "restart"),
        ("POST", "kill"),
        ("POST", "pause"),
        ("POST", "unpause"),
        ("POST", "rename?name=xx"),
        ("POST", "wait"),
        ("GET", "top"),
        ("GET", "changes"),
        ("GET", "logs?stdout=1"),
        ("POST", "attach?stream=1"),
        ("GET", "stats"),
        ("GET", "archive?path=/x"),
        ("GET", "export"),
        ("POST", "resize?h=1&w=1"),
    ],
)
def test_a_container_that_is_not_there(api: Serving, method: str, path: str) -> None:
    reply = api.ask(method, f"/containers/absent/{path}")
    assert (reply.status, reply.message) == (404, "No such container: absent")


def test_the_list(api: Serving) -> None:
    api.start(name="running")
    api.create(name="created")

    def names(**query: object) -> list[str]:
        return [entry["Names"][0] for entry in api.ask("GET", "/containers/json", **query).json]

    assert names() == ["/running"]
    assert names(all=1) == ["/created", "/running"]
    assert names(limit=1) == ["/created"]
    assert names(all=1, filters=filters(name=["run"])) == ["/running"]
    assert names(all=1, filters=filters(before=["created"])) == ["/running"]
    assert names(all=1, filters=filters(since=["running"])) == ["/created"]
    assert names(all=1, filters=filters(ancestor=["busybox"])) == ["/created", "/running"]
    assert names(all=1, filters=filters(ancestor=["absent"])) == []
    assert names(filters=filters(status=["created"])) == ["/created"]


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ({"filters": "nonsense"}, 400, "invalid filter"),
        ({"filters": '{"zork":["x"]}'}, 400, "Invalid filter 'zork'"),
        ({"filters": '{"before":["x"]}'}, 404, "No such container: x"),
        ({"limit": "x"}, 400, "invalid value 'x' for limit"),
    ],
)
def test_a_list_that_makes_no_sense(api: Serving, query: dict[str, str], status: int, message: str) -> None:
    reply = api.ask("GET", "/containers/json", **query)
    assert reply.status == status and reply.message.startswith(message)


def test_sizes_in_the_list(api: Serving) -> None:
    api.start()
    assert api.ask("GET", "/containers/json", size=1).json[0]["SizeRootFs"] == 2
    assert "SizeRootFs" not in api.ask("GET", "/containers/json", size="false").json[0]


@pytest.mark.parametrize("query", [{"t": "abc"}, {"t": "1.5"}])
def test_a_timeout_that_is_none(api: Serving, query: dict[str, str]) -> None:
    api.start(name="box")
    assert api.ask("POST", "/containers/box/stop", **query).status == 400


def test_start_takes_no_body(api: Serving) -> None:
    api.create(name="box")
    assert api.ask("POST", "/containers/box/start", {"Binds": ["/x:/y"]}).status == 400
    assert api.ask("POST", "/containers/box/start", {}).status == 204


def test_pause_update_rename(api: Serving) -> None:
    identity = api.start(name="box")
    assert api.ask("POST", "/containers/box/pause").status == 204
    assert api.ask("GET", "/containers/json").json[0]["State"] == "paused"
    assert api.ask("POST", "/containers/box/unpause").status == 204
    assert api.ask("POST", "/containers/box/unpause").status == 500
    assert api.ask("POST", "/containers/box/update", {"Memory": 10 << 20}).json == {"Warnings": None}
    assert api.ask("GET", "/containers/box/json").json["HostConfig"]["Memory"] == 10 << 20
    assert api.ask("POST", "/containers/box/rename", name="crate").status == 204
    assert api.ask("GET", "/containers/crate/json").json["Id"] == identity


def test_wait_sends_its_head_before_the_end(api: Serving) -> None:
    api.start(name="box")
    answer = api.open("POST", "/containers/box/wait?condition=next-exit")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert api.ask("POST", "/containers/box/kill").status == 204
    assert json.loads(answer.read()) == {"Error": None, "StatusCode": 137}


def test_wait_for_what_has_ended_answers_at_once(api: Serving) -> None:
    api.start("fail", name="box")
    api.until(lambda: not api.engine.containers.get("box").state.running)
    assert api.ask("POST", "/containers/box/wait").json["StatusCode"] == 3


def test_wait_for_removal(api: Serving) -> None:
    api.start(name="box", HostConfig={"AutoRemove": True})
    answer = api.open("POST", "/containers/box/wait?condition=removed")
    api.ask("POST", "/containers/box/stop")
    assert json.loads(answer.read())["StatusCode"] == 137


def test_wait_on_a_condition_that_is_none(api: Serving) -> None:
    api.start(name="box")
    reply = api.ask("POST", "/containers/box/wait", condition="zork")
    assert (reply.status, reply.message) == (400, 'invalid condition: "zork"')


def test_a_client_that_stops_waiting_leaves_nothing(api: Serving) -> None:
    api.start(name="box")
    answer = api.open("POST", "/containers/box/wait?condition=removed")
    assert len(api.engine.containers.waits) == 1
    answer.close()
    api.until(lambda: api.engine.containers.waits[0][2].cancelled())


def test_top_and_changes(api: Serving) -> None:
    api.start(name="box")
    assert api.ask("GET", "/containers/box/top").json == {
        "Titles": ["PID", "CMD"],
        "Processes": [["4711", "sleep"]],
    }
    assert api.ask("GET", "/containers/box/changes").json == [
        {"Path": "/etc", "Kind": 0},
        {"Path": "/etc/new", "Kind": 1},
    ]


def test_archives(api: Serving) -> None:
    api.create(name="box")
    content = b"tar " * 100_000
    assert api.ask("PUT", "/containers/box/archive", raw=content, path="/tmp").status == 200
    reply = api.ask("GET", "/containers/box/archive", path="/tmp")
    assert (reply.body, reply.headers["Content-Type"]) == (content, "application/x-tar")
    stat = json.loads(base64.b64decode(reply.headers["X-Docker-Container-Path-Stat"]))
    assert stat == {
        "name": "tmp",
        "size": len(content),
        "mode": 0o644,
        "mtime": "2020-09-13T12:26:40Z",
        "linkTarget": "",
    }
    head = api.ask("HEAD", "/containers/box/archive", path="/tmp")
    assert (head.status, head.body) == (200, b"")
    header = "X-Docker-Container-Path-Stat"
    assert head.headers[header] == reply.headers[header]
    assert api.ask("HEAD", "/containers/box/archive", path="/nosuch").status == 404
    assert api.ask("GET", "/containers/box/archive").status == 400
    absent = api.ask("GET", "/containers/box/archive", path="/nosuch")
    assert absent.message == "Could not find the file /nosuch in container box"
    assert api.ask("GET", "/containers/box/export").body == b"exported"


def test_an_upload_that_breaks_off_leaves_nothing(api: Serving) -> None:
    api.create(name="box")
    head = b"PUT /containers/box/archive?path=/tmp HTTP/1.1\r\nHost: l\r\n"
    api.raw(head + b"Content-Length: 100\r\n\r\npart").close()
    api.raw(head + b"Transfer-Encoding: chunked\r\n\r\n4\r\npart\r\nzork\r\n").close()
    api.until(api.idle)
    assert api.engine.containers.files == {}


def test_a_change_is_finished_though_its_client_has_gone(api: Serving) -> None:
    api.create(name="box")
    api.engine.containers.starts_take = 0.2
    api.raw(b"POST /containers/box/start HTTP/1.1\r\nHost: l\r\n\r\n").close()
    api.until(lambda: api.engine.containers.get("box").state.running)


def test_a_slow_change_holds_up_nobody(api: Serving) -> None:
    api.create(name="box")
    api.engine.containers.starts_take = 0.5
    starting = threading.Thread(target=api.ask, args=("POST", "/containers/box/start"))
    starting.start()
    time.sleep(0.05)
    assert api.ask("GET", "/containers/box/json").json["State"]["Status"] == "created"
    starting.join(PATIENCE)
    assert api.ask("GET", "/containers/box/json").json["State"]["Status"] == "running"


def test_commit(api: Serving) -> None:
    api.create(name="box")
    reply = api.ask("POST", "/commit", {}, container="box", repo="com", tag="x")
    assert reply.status == 201 and reply.json["Id"].startswith("sha256:")
    assert api.ask("GET", "/images/com:x/json").json["RepoTags"] == ["com:x"]
    # Clients also send no body at all.
    assert api.ask("POST", "/commit", container="box", repo="com").status == 201


def test_prune(api: Serving) -> None:
    api.start(name="box")
    ended = api.create(name="idle", Labels={"a": "b"})
    kept = api.create(name="kept")
    reply = api.ask("POST", "/containers/prune", filters='{"label": {"a": true}}')
    assert reply.json == {"ContainersDeleted": [ended], "SpaceReclaimed": 7}
    assert api.ask("POST", "/containers/prune", filters=filters(zork=["x"])).status == 400
    assert api.ask("POST", "/containers/prune").json["ContainersDeleted"] == [kept]
    assert api.ask("POST", "/containers/prune").json["ContainersDeleted"] is None
