"""What each route is for, what its handler reads of the query, headers and body, and what it may answer.

A query is written as names with marks: `all?` is true or false, `limit#` a whole number, `names*` may
come several times, `filters{}` is a JSON object, `path!` must be there.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from fairlead.dockerapi import container_parse, fields, network, volume
from fairlead.dockerapi.kinds import Schema

JSON, TAR, ANY = "application/json", "application/x-tar", "application/octet-stream"
_OBJECT: Schema = {"type": "object"}
_LIST: Schema = {"type": "array", "items": _OBJECT}
_BYTES: Schema = {"type": "string", "format": "binary"}
_LIST_OF_TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
_FILTERS: Schema = {"type": "object", "additionalProperties": _LIST_OF_TEXTS}
_MARKS: Mapping[str, Schema] = {
    "": {"type": "string"},
    "?": {"type": "boolean"},
    "#": {"type": "integer"},
    "*": _LIST_OF_TEXTS,
    "{}": {},
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name of a query; `mark` is `""`, `?`, `#`, `*` or `{}`."""

    name: str
    mark: str
    required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One route's side of the conversation.

    `errors` are the statuses of refusals; `reasons` says what is special about one of them.
    """

    summary: str
    query: str = ""
    body: Schema | None = None
    body_type: str = JSON
    body_optional: bool = False
    headers: tuple[str, ...] = ()
    answers: tuple[int, ...] = (200,)
    answer: Schema = field(default_factory=dict)
    answer_type: str = JSON
    errors: tuple[int, ...] = (400,)
    reasons: Mapping[int, str] = field(default_factory=dict)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The query, read."""
        return tuple(_parameter(text) for text in self.query.split())


def _parameter(text: str) -> Parameter:
    match = re.fullmatch(r"([\w-]+)(\?|#|\*|\{\})?(!)?", text)
    assert match is not None, text
    return Parameter(match[1], match[2] or "", bool(match[3]))


def parameter_schema(parameter: Parameter) -> Schema:
    """The JSON Schema of its value."""
    return _FILTERS if parameter.name == "filters" else _MARKS[parameter.mark]


_FOUND = (400, 404)
_HELD = (400, 404, 409)
_REGISTRY = {500: "The registry refused, or cannot be reached"}
_HOST = {500: "The host refused: a published port is taken, or the kernel or the runtime cannot do it"}
_DOCKERS = {500: "The host refused; with Docker's status also for subnets, gateways and names that cannot be"}
_CONSOLE = "logs? stream? stdin? stdout? stderr? detachKeys"
_REMOVED: Schema = {"type": "object", "properties": {"SpaceReclaimed": {"type": "integer"}}}
_MADE: Schema = {"type": "object", "required": ["Id"], "properties": {"Id": {"type": "string"}}}
_AUTH = ("X-Registry-Auth",)

_SYSTEM = {
    "GET /_ping": Operation("Say that the daemon is there", answer_type="text/plain"),
    "HEAD /_ping": Operation("Say that the daemon is there", answer_type=""),
    "GET /version": Operation("Show versions", answer=_OBJECT),
    "GET /info": Operation("Show the host and how much there is of everything", answer=_OBJECT),
    "GET /events": Operation("Tell what happens, a JSON object a line", "filters{} since until"),
    "GET /system/df": Operation("Show what takes space", "type*", answer=_OBJECT),
    "POST /auth": Operation(
        "Ask a registry whether it takes credentials",
        body=_OBJECT,
        answer=_OBJECT,
        errors=(400, 401, 500),
        reasons=_REGISTRY,
    ),
    "GET /fairlead/openapi.json": Operation("Show this description", answer=_OBJECT),
    "GET /fairlead/audit": Operation("Compare the host with the records", answer=_OBJECT),
    "GET /fairlead/overlay": Operation(
        "Show how the networks over several hosts stand", "verify?", answer=_OBJECT, errors=(400, 503)
    ),
}

_CONTAINERS = {
    "POST /containers/create": Operation(
        "Make a container",
        "name platform",
        body=container_parse.CREATE_SCHEMA,
        answers=(201,),
        answer=_MADE,
        errors=_HELD,
    ),
    "GET /containers/json": Operation(
        "List containers", "all? limit# size? filters{} before* since*", answer=_LIST, errors=_FOUND
    ),
    "POST /containers/prune": Operation("Remove containers that do not run", "filters{}", answer=_REMOVED),
    "GET /containers/{id}/json": Operation("Show a container", "size?", answer=_OBJECT, errors=_FOUND),
    "POST /containers/{id}/start": Operation(
        "Start a container",
        answers=(204,),
        errors=(304, *_HELD, 500, 503),
        reasons={**_HOST, 503: "The store that the hosts of a cluster share cannot be reached"},
    ),
    "POST /containers/{id}/stop": Operation(
        "Stop a container", "t# signal", answers=(204,), errors=(304, *_HELD)
    ),
    "POST /containers/{id}/restart": Operation(
        "Stop a container and start it", "t# signal", answers=(204,), errors=(*_HELD, 500), reasons=_HOST
    ),
    "POST /containers/{id}/kill": Operation(
        "Send a signal to a container", "signal", answers=(204,), errors=_HELD
    ),
    "POST /containers/{id}/pause": Operation("Freeze a container", answers=(204,), errors=_HELD),
    "POST /containers/{id}/unpause": Operation("Thaw a container", answers=(204,), errors=_HELD),
    "POST /containers/{id}/rename": Operation(
        "Give a container another name", "name!", answers=(204,), errors=_HELD
    ),
    "POST /containers/{id}/update": Operation(
        "Change a container's limits",
        body=container_parse.UPDATE_SCHEMA,
        answer=_OBJECT,
        errors=(*_HELD, 500),
        reasons={500: "The kernel does not take the limits"},
    ),
    "POST /containers/{id}/wait": Operation(
        "Wait until a container ends", "condition", answer=_OBJECT, errors=_FOUND
    ),
    "DELETE /containers/{id}": Operation(
        "Remove a container, or one of its links",
        "force? v? link?",
        answers=(204,),
        errors=(*_HELD, 500),
        reasons={500: "With link=1: the name is that of a container, not of a link (Docker's status)"},
    ),
    "GET /containers/{id}/top": Operation(
        "Show a container's processes",
        "ps_args",
        answer=_OBJECT,
        errors=_HELD,
    ),
    "GET /containers/{id}/changes": Operation("Show what differs from the image", errors=_FOUND),
    "HEAD /containers/{id}/archive": Operation(
        "Show what is at a path", "path!", answer_type="", errors=_FOUND
    ),
    "GET /containers/{id}/archive": Operation(
        "Read a path as an archive", "path!", answer_type=TAR, errors=_FOUND
    ),
    "PUT /containers/{id}/archive": Operation(
        "Unpack an archive at a path",
        "path! noOverwriteDirNonDir? copyUIDGID?",
        body=_BYTES,
        body_type=TAR,
        answer_type="",
        errors=_HELD,
    ),
    "GET /containers/{id}/export": Operation(
        "Read a container's root as an archive", answer_type=ANY, errors=_FOUND
    ),
    "POST /commit": Operation(
        "Make an image of a container",
        "container! repo tag author comment pause? changes*",
        body=fields.CONFIG_SCHEMA,
        body_optional=True,
        answers=(201,),
        answer=_MADE,
        errors=_HELD,
    ),
    "GET /containers/{id}/logs": Operation(
        "Read what a container wrote",
        "stdout? stderr? follow? since until tail timestamps? details?",
        answer_type=ANY,
        errors=_FOUND,
    ),
    "POST /containers/{id}/attach": Operation(
        "Join a container's console", _CONSOLE, answers=(101, 200), answer_type=ANY, errors=_HELD
    ),
    "GET /containers/{id}/attach/ws": Operation(
        "Join a container's console by WebSocket", _CONSOLE, answers=(101,), errors=_HELD
    ),
    "POST /containers/{id}/resize": Operation(
        "Tell a container its console's size", "h#! w#!", answer_type="", errors=_HELD
    ),
    "GET /containers/{id}/stats": Operation(
        "Show what a container uses", "stream? one-shot?", answer=_OBJECT, errors=_FOUND
    ),
    "POST /containers/{id}/exec": Operation(
        "Note a process to run in a container",
        body=container_parse.EXEC_SCHEMA,
        answers=(201,),
        answer=_MADE,
        errors=_HELD,
    ),
    "POST /exec/{id}/start": Operation(
        "Run a process that was noted",
        body=container_parse.EXEC_START_SCHEMA,
        body_optional=True,
        answers=(101, 200),
        answer_type=ANY,
        errors=(*_HELD, 500),
        reasons={500: "The runtime cannot do it"},
    ),
    "POST /exec/{id}/resize": Operation(
        "Tell a process its console's size", "h#! w#!", answer_type="", errors=_HELD
    ),
    "GET /exec/{id}/json": Operation("Show a process that was noted", answer=_OBJECT, errors=_HELD),
}

_IMAGES = {
    "GET /images/json": Operation(
        "List images", "all? filter filters{} shared-size?", answer=_LIST, errors=_FOUND
    ),
    "GET /images/get": Operation("Read images as an archive", "names*!", answer_type=TAR, errors=_FOUND),
    "POST /images/create": Operation(
        "Pull an image, or make one of an archive (fromSrc=-)",
        "fromImage tag platform fromSrc repo message changes*",
        body=_BYTES,
        body_type=TAR,
        body_optional=True,
        headers=_AUTH,
        errors=(400, 401, 404, 500, 501),
        reasons={**_REGISTRY, 501: "Only an archive in the request is imported, none from elsewhere"},
    ),
    "POST /images/load": Operation(
        "Take images out of an archive", "quiet?", body=_BYTES, body_type=TAR, errors=(400,)
    ),
    "POST /images/prune": Operation("Remove unused images", "filters{}", answer=_REMOVED),
    "GET /images/{name}/json": Operation("Show an image", answer=_OBJECT, errors=_FOUND),
    "GET /images/{name}/history": Operation("Show an image's layers", answer=_LIST, errors=_FOUND),
    "GET /images/{name}/get": Operation("Read an image as an archive", answer_type=TAR, errors=_FOUND),
    "POST /images/{name}/push": Operation(
        "Send an image to a registry", "tag", headers=_AUTH, errors=(400, 401, 404, 500), reasons=_REGISTRY
    ),
    "POST /images/{name}/tag": Operation(
        "Give an image another name", "repo! tag", answers=(201,), answer_type="", errors=_HELD
    ),
    "DELETE /images/{name}": Operation("Remove an image", "force? noprune?", answer=_LIST, errors=_HELD),
    "GET /distribution/{name}/json": Operation(
        "Ask a registry what it has under a name",
        answer=_OBJECT,
        headers=_AUTH,
        errors=(400, 401, 404, 500),
        reasons=_REGISTRY,
    ),
    "POST /build": Operation(
        "Make an image from a Dockerfile",
        "dockerfile t* buildargs{} labels{} target nocache? pull? q? networkmode extrahosts* cachefrom "
        "memory# memswap# cpushares# cpuperiod# cpuquota# shmsize# cpusetcpus cpusetmems "
        "ulimits version squash? remote outputs platform",
        body=_BYTES,
        body_type=TAR,
        headers=("X-Registry-Config",),
        errors=(400, 404, 500, 501),
        reasons={500: "The builder failed", 501: "There is no BuildKit, and no context from elsewhere"},
    ),
    "POST /build/cancel": Operation("End a build: it ends with its connection", "id", errors=_FOUND),
    "POST /build/prune": Operation("Clear the cache of builds: there is none", answer=_REMOVED),
}

_NETWORKS = {
    "GET /networks": Operation("List networks", "filters{}", answer=_LIST),
    "GET /networks/": Operation("List networks", "filters{}", answer=_LIST),
    "POST /networks/create": Operation(
        "Make a network",
        body=network.CREATE_SCHEMA,
        answers=(201,),
        answer=_MADE,
        errors=(*_HELD, 403, 500, 501, 503),
        reasons={
            **_DOCKERS,
            403: "The predefined networks are the engine's own",
            501: "The kernel has no such driver",
            503: "Networks of all hosts need a cluster",
        },
    ),
    "POST /networks/prune": Operation("Remove networks that nobody uses", "filters{}", answer=_OBJECT),
    "GET /networks/{id}": Operation("Show a network", "scope", answer=_OBJECT, errors=_HELD),
    "DELETE /networks/{id}": Operation(
        "Remove a network",
        answers=(204,),
        errors=(403, *_HELD),
        reasons={403: "The network is predefined, or containers are on it"},
    ),
    "POST /networks/{id}/connect": Operation(
        "Attach a container to a network",
        body=network.CONNECT_SCHEMA,
        answer_type="",
        errors=(403, *_HELD, 500, 503),
        reasons={
            **_DOCKERS,
            403: "The container's network mode, or the network, does not allow it",
            503: "The store that the hosts of a cluster share cannot be reached",
        },
    ),
    "POST /networks/{id}/disconnect": Operation(
        "Detach a container from a network",
        body=network.DISCONNECT_SCHEMA,
        answer_type="",
        errors=(403, *_HELD, 500),
        reasons={500: "The container is not connected to the network (Docker's status)"},
    ),
}

_VOLUMES = {
    "GET /volumes": Operation("List volumes", "filters{}", answer=_OBJECT),
    "POST /volumes/create": Operation(
        "Make a volume", body=volume.CREATE_SCHEMA, answers=(201,), answer=_OBJECT, errors=_HELD
    ),
    "POST /volumes/prune": Operation("Remove volumes that nobody uses", "filters{}", answer=_REMOVED),
    "GET /volumes/{name}": Operation("Show a volume", answer=_OBJECT, errors=_FOUND),
    "DELETE /volumes/{name}": Operation("Remove a volume", "force?", answers=(204,), errors=_HELD),
}

_NONE = "This engine leaves it out"
_LEFT_OUT = {
    "GET /images/search": Operation("Search for images", errors=(400, 501), reasons={501: _NONE}),
    "GET /plugins": Operation("List plugins: there are none", answer=_LIST),
    "GET /plugins/privileges": Operation("List what a plugin may do: there is none", answer=_LIST),
    "DELETE /plugins/{name}": Operation("Remove a plugin: there is none", errors=_FOUND),
    "POST /swarm/leave": Operation(
        "Leave a swarm", errors=(400, 503), reasons={503: "This node is in no swarm"}
    ),
    "GET /plugins/{name}/json": Operation("Show a plugin: there is none", errors=_FOUND),
    "POST /swarm/init": Operation("Make a swarm", errors=(400, 501), reasons={501: _NONE}),
    "POST /swarm/join": Operation("Join a swarm", errors=(400, 501), reasons={501: _NONE}),
}

# By method and path, as in the table of routes, whether a variable spans slashes or not.
OPERATIONS: Mapping[str, Operation] = {
    **_SYSTEM,
    **_CONTAINERS,
    **_IMAGES,
    **_NETWORKS,
    **_VOLUMES,
    **_LEFT_OUT,
}
# Whole areas that are only refused, by the first part of their paths.
REFUSED: Mapping[str, Operation] = {
    **{
        area: Operation(_NONE, answers=(), errors=(400, 501), reasons={501: _NONE})
        for area in ("plugins", "session", "grpc")
    },
    **{
        area: Operation(_NONE, answers=(), errors=(400, 503), reasons={503: "This node is no swarm manager"})
        for area in ("swarm", "services", "tasks", "nodes", "secrets", "configs")
    },
}
