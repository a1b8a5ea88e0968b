"""Images over the API."""

import asyncio
import base64
import json

import pytest

from fairlead.model.image import Credentials
from tests.unit.api.serving import Serving


def auth(document: object, alphabet: bytes = b"-_") -> dict[str, str]:
    return {"X-Registry-Auth": base64.b64encode(json.dumps(document).encode(), altchars=alphabet).decode()}


def test_a_pull_with_progress(api: Serving) -> None:
    given = auth({"username": "me", "password": "secret?>~", "serveraddress": "reg:5000"})
    reply = api.ask("POST", "/images/create", fromImage="reg:5000/nginx", tag="1", headers=given)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    assert reply.lines == [
        {"status": "Pulling from reg:5000/nginx:1", "id": "latest"},
        {"status": "Status: Downloaded newer image"},
    ]
    credentials = Credentials("me", "secret?>~", "", "reg:5000")
    assert api.engine.images.pulls == [("reg:5000/nginx:1", credentials)]


@pytest.mark.parametrize(
    "headers",
    [{}, {"X-Registry-Auth": "zork"}, {"X-Registry-Auth": "bnVsbA=="}, {"X-Registry-Auth": "ÿ"}, auth([])],
)
def test_credentials_that_cannot_be_read_are_none(api: Serving, headers: dict[str, str]) -> None:
    assert api.ask("POST", "/images/create", fromImage="nginx", headers=headers).status == 200
    assert api.engine.images.pulls == [("nginx", Credentials())]


@pytest.mark.parametrize("altchars", [b"-_", b"+/"])
def test_credentials_in_both_alphabets_and_without_padding(api: Serving, altchars: bytes) -> None:
    header = auth({"username": "a", "password": "~~~???>>>"}, altchars)["X-Registry-Auth"]
    api.ask("POST", "/images/create", fromImage="n1", headers={"X-Registry-Auth": header})
    api.ask("POST", "/images/create", fromImage="n2", headers={"X-Registry-Auth": header.rstrip("=")})
    assert [credentials.password for _, credentials in api.engine.images.pulls] == ["~~~???>>>"] * 2


def test_a_digest_in_place_of_a_tag(api: Serving) -> None:
    api.ask("POST", "/images/create", fromImage="nginx", tag="sha256:abc")
    assert api.engine.images.pulls[0][0] == "nginx@sha256:abc"


@pytest.mark.parametrize("name", ["nginx", "nginx:1", "reg:5000/a/nginx:1"])
def test_a_tag_beside_a_name_takes_the_place_of_its_own(api: Serving, name: str) -> None:
    api.ask("POST", "/images/create", fromImage=name, tag="2")
    assert api.engine.images.pulls[0][0] == f"{name.removesuffix(':1')}:2"


def test_a_pull_for_a_platform_that_is_none(api: Serving) -> None:
    reply = api.ask("POST", "/images/create", fromImage="nginx", platform="zork")
    assert reply.status == 400 and "unknown operating system or architecture" in reply.message
    assert not api.engine.images.pulls
    assert api.ask("POST", "/images/create", fromImage="nginx", platform="linux/arm64").status == 200


def test_shared_sizes_are_told_to_those_who_ask(api: Serving) -> None:
    api.engine.images.add("second:latest")
    sizes = [
        {entry["SharedSize"] for entry in api.ask("GET", "/images/json", version=version, **query).json}
        for version, query in (("v1.48", {"shared-size": 1}), ("v1.48", {}), ("v1.41", {"shared-size": 1}))
    ]
    assert sizes == [{1000}, {-1}, {-1}]


def test_a_pull_that_fails_at_once_has_a_status(api: Serving) -> None:
    reply = api.ask("POST", "/images/create", fromImage="absent")
    assert reply.status == 404 and reply.message.startswith("pull access denied for absent")


def test_a_pull_that_fails_later_says_so_in_the_stream(api: Serving) -> None:
    reply = api.ask("POST", "/images/create", fromImage="broken")
    assert reply.status == 200
    message = "the registry broke off"
    assert reply.lines[-1] == {"errorDetail": {"message": message}, "error": message}


def test_a_pull_ends_with_its_client(api: Serving) -> None:
    async def hold() -> None:
        api.engine.images.pull_waits = asyncio.Event()

    api.run(hold())
    answer = api.open("POST", "/images/create?fromImage=slow")
    answer.readline()
    answer.close()
    api.until(lambda: api.engine.images.cancelled == ["slow"])


def test_an_import(api: Serving) -> None:
    reply = api.ask("POST", "/images/create", raw=b"tar", fromSrc="-", repo="imp", tag="v1")
    assert reply.lines[0]["status"].startswith("sha256:")
    assert api.ask("GET", "/images/imp:v1/json").json["RepoTags"] == ["imp:v1"]
    assert api.ask("POST", "/images/create", fromSrc="http://x/y.tar").status == 501
    assert api.ask("POST", "/images/create").status == 400


def test_what_a_registry_has(api: Serving) -> None:
    api.engine.images.add("team/box:v1")
    assert api.ask("GET", "/distribution/team/box:v1/json").json == {
        "Descriptor": {"mediaType": "kind", "digest": "sha256:" + 64 * "a", "size": 527},
        "Platforms": [{"architecture": "arm", "os": "linux", "variant": "v7"}],
    }
    assert api.ask("GET", "/distribution/absent/json").status == 404


def test_load(api: Serving) -> None:
    headers = {"Content-Type": "application/x-tar"}
    reply = api.ask("POST", "/images/load?quiet=0", raw=b"image a:1", headers=headers)
    assert reply.lines == [
        {"status": "Loading layer", "id": "abc"},
        {"stream": "Loaded image: a:1\n"},
    ]
    quiet = api.ask("POST", "/images/load", raw=b"image a:2", headers=headers, quiet=1)
    assert quiet.lines == [{"stream": "Loaded image: a:2\n"}]
    wrong = api.ask("POST", "/images/load?quiet=0", raw=b"zork", headers=headers)
    assert (wrong.status, wrong.lines[-1]["error"]) == (200, "invalid tar header")
    silent = api.ask("POST", "/images/load", raw=b"zork", headers=headers, quiet=1)
    assert (silent.status, silent.lines[-1]["error"]) == (200, "invalid tar header")


def test_a_load_that_breaks_off_leaves_nothing(api: Serving) -> None:
    before = dict(api.engine.images.images)
    api.raw(b"POST /images/load HTTP/1.1\r\nHost: l\r\nContent-Length: 100\r\n\r\nimage half:1").close()
    api.until(api.idle)
    assert api.engine.images.images == before


def test_a_load_is_finished_though_its_client_has_gone(api: Serving) -> None:
    async def hold() -> None:
        api.engine.images.load_waits = asyncio.Event()

    api.run(hold())
    client = api.raw(b"POST /images/load HTTP/1.1\r\nHost: l\r\nContent-Length: 9\r\n\r\nimage a:1")
    api.until(lambda: api.engine.images.loading)
    client.close()

    async def release() -> None:
        await asyncio.sleep(0.05)  # so that the loss is noticed before the load goes on
        assert api.engine.images.load_waits is not None
        api.engine.images.load_waits.set()

    api.run(release())
    api.until(lambda: any("a:1" in image.tags for image in api.engine.images.images.values()))


def test_save(api: Serving) -> None:
    reply = api.ask("GET", "/images/busybox/get")
    assert (reply.status, reply.body) == (200, b"image busybox")
    assert reply.headers["Content-Type"] == "application/x-tar"
    assert api.ask("GET", "/images/get", names=["busybox", "busybox:latest"]).body.count(b"busybox") == 2
    assert api.ask("GET", "/images/get", names="absent").status == 404
    assert api.ask("GET", "/images/get").status == 400


def test_names_with_slashes(api: Serving) -> None:
    assert api.ask("POST", "/images/busybox/tag", repo="reg:5000/deep/er", tag="x").status == 201
    assert api.ask("GET", "/images/reg:5000/deep/er:x/json").status == 200
    assert api.ask("GET", "/images/reg:5000/deep/er:x/history").json[0]["CreatedBy"] == "made"
    assert api.ask("GET", "/images/reg:5000/deep/er:x/get").status == 200
    assert api.ask("GET", "/images/reg%3A5000%2Fdeep%2Fer%3Ax/json").status == 200
    removed = api.ask("DELETE", "/images/reg:5000/deep/er:x").json
    assert {"Untagged": "busybox:latest"} in removed and "Deleted" in removed[-1]


def test_push(api: Serving) -> None:
    reply = api.ask("POST", "/images/busybox/push", tag="latest", headers=auth({}))
    assert reply.lines == [{"status": "The push refers to repository [busybox:latest]"}]
    assert api.ask("POST", "/images/absent/push", headers=auth({})).status == 404


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"dangling": ["true"]}, 0),
        ({"reference": ["busy*"]}, 1),
        ({"reference": {"nginx": True}}, 0),
        ({"before": ["busybox"]}, 0),
    ],
)
def test_the_list(api: Serving, filters: object, count: int) -> None:
    assert len(api.ask("GET", "/images/json", filters=json.dumps(filters)).json) == count


def test_the_list_of_old(api: Serving) -> None:
    assert api.ask("GET", "/images/json", version="v1.40", filter="nginx").json == []
    assert len(api.ask("GET", "/images/json", version="v1.41", filter="nginx").json) == 1


@pytest.mark.parametrize(
    ("filters", "status"),
    [('{"zork":["x"]}', 400), ('{"dangling":["x"]}', 400), ('{"before":["absent"]}', 404), ("zork", 400)],
)
def test_a_list_that_makes_no_sense(api: Serving, filters: str, status: int) -> None:
    assert api.ask("GET", "/images/json", filters=filters).status == status


def test_prune_takes_untagged_ones(api: Serving) -> None:
    async def add() -> None:
        api.engine.images.add("")

    api.run(add())
    reply = api.ask("POST", "/images/prune")
    assert len(reply.json["ImagesDeleted"]) == 1 and reply.json["SpaceReclaimed"] == 1000
    assert api.ask("POST", "/images/prune").json == {"ImagesDeleted": None, "SpaceReclaimed": 0}
    unused = api.ask("POST", "/images/prune", filters='{"dangling": ["false"]}')
    assert len(unused.json["ImagesDeleted"]) == 1


def test_credentials_are_checked_with_the_registry(api: Serving) -> None:
    right = api.ask("POST", "/auth", {"username": "me", "password": "secret"})
    assert right.json == {"IdentityToken": "", "Status": "Login Succeeded"}
    assert api.ask("POST", "/auth", {"username": "me", "password": "guess"}).status == 401
