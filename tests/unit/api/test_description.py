"""The OpenAPI description says what the handlers and parsers do, and nothing else."""

import ast
import inspect
import json
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

import pytest

from fairlead.api.description import describe, operation_of
from fairlead.api.operations import OPERATIONS, REFUSED
from fairlead.api.routes import ROUTES, Route
from fairlead.dockerapi import build, container_parse, fields, network, volume
from fairlead.dockerapi.kinds import Schema
from fairlead.dockerapi.version import NEWEST, Version
from fairlead.model.errors import InvalidParameter
from tests.unit.api.serving import Serving

READERS = {"text": "", "truth": "?", "number": "#", "all": "*"}


def test_every_route_is_described_and_nothing_else_is() -> None:
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)
    keys = {f"{route.method} {route.template}" for route in ROUTES}
    assert set(OPERATIONS) <= keys
    used = {
        route.path.split("/")[1] for route in ROUTES if f"{route.method} {route.template}" not in OPERATIONS
    }
    assert used == set(REFUSED)


def test_operations_have_names_of_their_own() -> None:
    paths: Any = describe()["paths"]
    names = [operation["operationId"] for path in paths.values() for operation in path.values()]
    assert len(names) == len(ROUTES)
    assert len(set(names)) == len(names)


# -- the query ---------------------------------------------------------------------------------------


def reads(function: Callable[..., Any], seen: set[object]) -> Iterator[tuple[str, str]]:
    """(name, mark) of each parameter that a handler, or what it calls of ours, reads of the query."""
    if function in seen or not getattr(function, "__module__", "").startswith("fairlead.api"):
        return
    seen.add(function)
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield from _read_of_query(node)
        if isinstance(node, ast.Name | ast.Attribute):
            called = _resolved(node, function)
            if inspect.isfunction(called):
                yield from reads(called, seen)


def _read_of_query(call: ast.Call) -> Iterator[tuple[str, str]]:
    function = call.func
    if (
        isinstance(function, ast.Attribute)
        and function.attr in READERS
        and ast.unparse(function.value).endswith("query")
    ):
        (name, *_) = call.args
        assert isinstance(name, ast.Constant), ast.unparse(call)
        yield str(name.value), READERS[function.attr]


def _resolved(node: ast.expr, function: Callable[..., Any]) -> object:
    globals_ = inspect.unwrap(function).__globals__
    if isinstance(node, ast.Name):
        local = inspect.isfunction(function) and node.id in function.__code__.co_varnames
        return None if local else globals_.get(node.id)
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        owner = globals_.get(node.value.id)
        return getattr(owner, node.attr, None) if isinstance(owner, ModuleType) else None
    return None


class Recorder(dict[str, Any]):
    """A document that remembers what it was asked for."""

    def __init__(self, content: Mapping[str, Any]):
        super().__init__(content)
        self.asked: set[str] = set()

    def __contains__(self, name: object) -> bool:
        self.asked.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.asked.add(name)
        return super().get(name, default)


def flat_reads(route: Route) -> set[str]:
    """What parsers that get the whole query at once ask it for."""
    query = Recorder({})
    if route.path == "/build":
        build.parse_build(query, (), (), {}, "amd64")
    if route.path == "/commit":
        container_parse.parse_commit(None, query, (), True)
    return query.asked


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_the_query_is_what_its_handler_reads(route: Route) -> None:
    described = {each.name: each.mark for each in operation_of(route).parameters}
    read = dict(reads(route.handler, set()))
    flat = flat_reads(route)
    assert set(described) == set(read) | flat
    for name, mark in read.items():
        if described[name] != "{}" and name not in flat:
            assert described[name] == mark, name


# -- bodies ------------------------------------------------------------------------------------------


def sample(schema: Schema, path: str = "") -> Any:
    """A document with every member that the schema has; each object remembers what it is asked for."""
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], path)  # type: ignore[index]
    kind = schema["type"][0] if isinstance(schema["type"], list) else schema["type"]
    if kind == "object":
        if "additionalProperties" in schema:
            return {"80/tcp" if "Port" in path else "name": sample(schema["additionalProperties"], path)}  # type: ignore[arg-type]
        members: Mapping[str, Schema] = schema.get("properties", {})  # type: ignore[assignment]
        return Recorder({name: sample(each, f"{path}.{name}") for name, each in members.items()})
    if kind == "array":
        return [sample(schema["items"], path)] * int(str(schema.get("minItems", 1)))  # type: ignore[arg-type]
    return {"string": "x", "integer": 1, "boolean": False}[kind]


GOOD = {
    "Subnet": "10.9.0.0/24", "IPRange": "10.9.0.0/25", "Gateway": "10.9.0.1", "IPv4Address": "10.9.0.5",
    "IPv6Address": "fd00::5", "MacAddress": "02:42:ac:11:00:02", "Type": "volume", "Target": "/x", "Hard": 2,
    "HostIp": "10.0.0.1", "HostPort": "80", "CpuPeriod": 0, "StopSignal": "TERM", "Cgroup": "",
    "CapAdd": ["ALL"], "CapDrop": ["ALL"], "Dns": ["10.0.0.1"], "ExtraHosts": ["a:10.0.0.1"], "Env": ["a=b"],
    "CpuQuota": 0, "NanoCpus": 0, "Memory": 0, "MemoryReservation": 0, "BlkioWeight": 10, "Weight": 10,
    "CpusetCpus": "0", "CpusetMems": "0", "CgroupnsMode": "host", "IpcMode": "host", "PidMode": "host",
    "UTSMode": "host", "UsernsMode": "host", "Interval": 0, "Timeout": 0, "StartPeriod": 0, "StartInterval": 0,
    "Test": ["CMD"], "CgroupPermissions": "r", "DetachKeys": "a", "MaximumRetryCount": 0, "DeviceRequests": [],
    "LinkLocalIPs": ["fe80::1"], "AuxiliaryAddresses": {"a": "10.9.0.9"}, "Subpath": "",
    "Isolation": "", "Runtime": "", "StorageOpt": {}, "SecurityOpt": ["no-new-privileges"],
    "KernelMemory": 0,
}  # fmt: skip


def good(document: Any) -> Any:
    """The sample with values that can be."""
    if isinstance(document, dict):
        for name, value in document.items():
            document[name] = GOOD[name] if name in GOOD else good(value)
        names = set(document)  # looking for one would be remembered
        if "MaximumRetryCount" in names:
            document["Name"] = "no"
        if "Soft" in names:
            document["Name"] = "nofile"
        if "LogConfig" in names:
            document["LogConfig"] |= {"Type": "json-file", "Config": {}}
            document["Tmpfs"] = {"/x": ""}
        if "Healthcheck" in names:
            document["Volumes"] = {"/x": {}}
        for other in {"BindOptions", "TmpfsOptions"} & names:
            document[other] = None  # they contradict VolumeOptions
    if isinstance(document, list):
        return [good(each) for each in document]
    return document


def unread(document: Any, path: str = "") -> Iterator[str]:
    """Members that the parser did not ask for, and such as it asked for and the schema does not have."""
    if isinstance(document, Recorder):
        yield from (f"unread {path}.{name}" for name in set(document) - document.asked)
        yield from (f"not described {path}.{name}" for name in document.asked - set(document))
    if isinstance(document, dict):
        for name, value in document.items():
            yield from unread(value, f"{path}.{name}")
    if isinstance(document, list):
        for each in document:
            yield from unread(each, path)


PARSERS: dict[str, Callable[[Any], object]] = {
    "POST /containers/create": lambda body: container_parse.parse_create(body, "", "", NEWEST),
    "POST /containers/{id}/update": lambda body: container_parse.parse_update(body, NEWEST),
    "POST /containers/{id}/exec": lambda body: container_parse.parse_exec_create(body, NEWEST),
    "POST /exec/{id}/start": lambda body: container_parse.parse_exec_start(body, Version(1, 44)),
    "POST /commit": lambda body: fields.parse_config(body),
    "POST /networks/create": lambda body: network.parse_create(body, NEWEST),
    "POST /networks/{id}/connect": network.parse_connect,
    "POST /networks/{id}/disconnect": network.parse_disconnect,
    "POST /volumes/create": volume.parse_create,
}


@pytest.mark.parametrize("key", PARSERS)
def test_a_body_is_what_its_parser_reads(key: str) -> None:
    schema = OPERATIONS[key].body
    assert schema is not None
    document = good(sample(schema))
    PARSERS[key](document)
    assert list(unread(document)) == []


def test_every_body_in_json_is_compared_with_its_parser() -> None:
    described = {
        key for key, each in OPERATIONS.items() if each.body and each.body_type == "application/json"
    }
    assert described - set(PARSERS) == {"POST /auth"}


def test_a_member_of_another_type_than_described_is_refused() -> None:
    for key, parse in PARSERS.items():
        members: Any = (OPERATIONS[key].body or {})["properties"]
        for name in members:
            with pytest.raises(InvalidParameter):
                parse({name: 1.5})


# -- where it is shown -------------------------------------------------------------------------------


def test_the_daemon_and_the_command_show_the_same(api: Serving) -> None:
    command = [sys.executable, "-m", "fairlead", "api"]
    printed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert printed == describe() == api.ask("GET", "/fairlead/openapi.json").json
