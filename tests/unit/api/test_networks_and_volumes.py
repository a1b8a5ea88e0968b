"""Networks, volumes and disk usage over the API."""

import json

import pytest

from fairlead.model.audit import Finding, Verdict
from tests.unit.api.serving import Serving


def test_a_network_from_create_to_prune(api: Serving) -> None:
    reply = api.ask(
        "POST", "/networks/create", {"Name": "blue", "IPAM": {"Config": [{"Subnet": "10.10.0.0/24"}]}}
    )
    assert reply.status == 201 and reply.json == {"Id": reply.json["Id"], "Warning": ""}
    again = api.ask("POST", "/networks/create", {"Name": "blue"})
    assert (again.status, again.message) == (409, "network with name blue already exists")
    shown = api.ask("GET", "/networks/blue").json
    assert shown["IPAM"] == {"Driver": "default", "Options": None, "Config": [{"Subnet": "10.10.0.0/24"}]}
    assert api.ask("GET", "/networks/blue", scope="local").status == 200
    elsewhere = api.ask("GET", "/networks/blue", scope="swarm")
    assert (elsewhere.status, elsewhere.message) == (404, "network blue not found")
    assert api.ask("POST", "/networks/prune").json == {"NetworksDeleted": ["blue"]}
    assert api.ask("POST", "/networks/prune").json == {"NetworksDeleted": None}
    assert api.ask("DELETE", "/networks/blue").status == 404


def test_the_list_of_networks(api: Serving) -> None:
    for path in ("/networks", "/networks/"):
        assert [each["Name"] for each in api.ask("GET", path).json] == ["bridge", "host", "none"]
    found = api.ask("GET", "/networks", filters='{"driver": {"null": true}}').json
    assert [each["Name"] for each in found] == ["none"]
    assert api.ask("GET", "/networks", filters="nonsense").status == 400
    wrong = api.ask("POST", "/networks/prune", filters='{"nonsense":["x"]}')
    assert (wrong.status, wrong.message) == (400, "Invalid filter 'nonsense'")


def test_connect_and_disconnect(api: Serving) -> None:
    api.ask("POST", "/networks/create", {"Name": "blue"})
    api.create(name="box")
    body = {"Container": "box", "EndpointConfig": {"Aliases": ["db"]}}
    assert api.ask("POST", "/networks/blue/connect", body).status == 200
    assert set(api.ask("GET", "/containers/box/json").json["NetworkSettings"]["Networks"]) == {
        "bridge",
        "blue",
    }
    assert api.ask("POST", "/networks/blue/disconnect", {"Container": "box"}).status == 200
    assert api.ask("POST", "/networks/blue/disconnect", {"Container": "box"}).status == 500


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("absent/connect", {"Container": "box"}, 404, "No such container: box"),
        ("absent/disconnect", {"Container": "box"}, 404, "No such container: box"),
        ("bridge/connect", {"Container": "absent"}, 404, "No such container: absent"),
        ("bridge/connect", {}, 400, 'invalid name or ID supplied: ""'),
        ("bridge/connect", {"Container": 5}, 400, "invalid JSON: Container must be a string, not a number"),
        ("bridge/disconnect", {"Container": "x", "Force": 1}, 400, "invalid JSON: Force must be a boolean"),
        ("create", {"Name": "n", "Driver": 5}, 400, "invalid JSON: Driver must be a string, not a number"),
    ],
)
def test_what_is_refused(api: Serving, path: str, body: object, status: int, message: str) -> None:
    reply = api.ask("POST", f"/networks/{path}", body)
    assert reply.status == status and reply.message.startswith(message)


def test_volumes(api: Serving) -> None:
    made = api.ask("POST", "/volumes/create", {"Name": "data", "Labels": {"a": "b"}})
    assert (made.status, made.json["Labels"]) == (201, {"a": "b"})
    assert api.ask("GET", "/volumes/data").json == made.json
    absent = api.ask("GET", "/volumes/absent")
    assert (absent.status, absent.message) == (404, "get absent: no such volume")
    api.create(name="box", HostConfig={"Binds": ["data:/data"]})

    def names(**filters: list[str]) -> list[str]:
        reply = api.ask("GET", "/volumes", filters=json.dumps(filters))
        return [each["Name"] for each in reply.json["Volumes"]]

    assert names() == names(dangling=["false"]) == names(label=["a"]) == ["data"]
    assert names(dangling=["true"]) == names(name=["zork"]) == []
    assert api.ask("GET", "/volumes", filters='{"zork":["x"]}').status == 400
    assert api.ask("DELETE", "/volumes/data").status == 409
    api.ask("DELETE", "/containers/box")
    assert api.ask("DELETE", "/volumes/data").status == 204
    assert api.ask("DELETE", "/volumes/data").status == 404
    assert api.ask("DELETE", "/volumes/data", force=1).status == 204


@pytest.mark.parametrize(
    ("version", "filters", "left"),
    [
        ("v1.41", "{}", []),
        ("v1.42", "{}", ["data"]),
        ("v1.47", '{"all": ["true"]}', []),
    ],
)
def test_volumes_with_names_are_spared_by_later_versions(
    api: Serving, version: str, filters: str, left: list[str]
) -> None:
    api.ask("POST", "/volumes/create", {"Name": "data"})
    api.ask("POST", "/volumes/create", {})
    api.ask("POST", "/volumes/prune", version=version, filters=filters)
    assert [each["Name"] for each in api.ask("GET", "/volumes").json["Volumes"]] == left


def test_a_network_may_have_a_slash_in_its_name(api: Serving) -> None:
    assert api.ask("POST", "/networks/create", {"Name": "a/b"}).status == 201
    assert api.ask("GET", "/networks/a%2Fb").json["Name"] == "a/b"
    assert api.ask("DELETE", "/networks/a/b").status == 204
    assert api.ask("GET", "/networks/a/b").status == 404


def test_disk_usage(api: Serving) -> None:
    api.create(name="box")
    api.ask("POST", "/volumes/create", {"Name": "data"})
    document = api.ask("GET", "/system/df").json
    assert document["LayersSize"] == 1000 and document["Images"][0]["Containers"] == 1
    assert document["Images"][0]["SharedSize"] == 0
    assert document["Containers"][0]["SizeRootFs"] == 2
    assert document["Volumes"][0]["UsageData"] == {"Size": 5, "RefCount": 0}
    chosen = api.ask("GET", "/system/df", version="v1.42", type=["volume"]).json
    assert chosen["Images"] is None and len(chosen["Volumes"]) == 1
    assert api.ask("GET", "/system/df", version="v1.42", type="zork").status == 400


def test_an_audit_says_what_is_wrong(api: Serving) -> None:
    assert api.ask("GET", "/fairlead/audit").json == {"Clean": True, "Findings": []}
    api.engine.findings = (Finding(Verdict.MISSING, "link", "docker0", "gone"),)
    assert api.ask("GET", "/fairlead/audit").json == {
        "Clean": False,
        "Findings": [{"Verdict": "missing", "Kind": "link", "Name": "docker0", "Detail": "gone"}],
    }
