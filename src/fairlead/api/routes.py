"""All routes of the API, in one table; paths are without the version."""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from fairlead.api import (
    build,
    container_streams,
    containers,
    doctor,
    execs,
    images,
    networks,
    overlay,
    system,
    volumes,
)
from fairlead.api.exchange import Answer, Request
from fairlead.api.facade import Engine

Handler = Callable[[Engine, Request], Awaitable[Answer | None]]


class Span(Enum):
    """How long a request is worked on."""

    # To its end, though its client may have gone: what is begun is finished or undone.
    WHOLE = "whole"
    # As long as the client is there.
    HEARD = "heard"


WHOLE, HEARD = Span.WHOLE, Span.HEARD


@dataclass(frozen=True, slots=True)
class Route:
    """A method, a path and who answers.

    Parts of the path in braces are variables; `{name:.*}` spans slashes.
    """

    method: str
    path: str
    handler: Handler
    span: Span

    @property
    def template(self) -> str:
        """The path as OpenAPI writes it, which cannot say that a variable spans slashes."""
        return self.path.replace(":.*}", "}")


_NO_BUILDKIT = system.left_out("open a session: this engine has no BuildKit")
_NO_SWARM = system.left_out("make or join a swarm: this engine has no swarm mode")

ROUTES: tuple[Route, ...] = (
    Route("GET", "/_ping", system.ping, HEARD),
    Route("HEAD", "/_ping", system.ping, HEARD),
    Route("GET", "/version", system.version, HEARD),
    Route("GET", "/info", system.info, HEARD),
    Route("GET", "/events", system.events, HEARD),
    Route("GET", "/system/df", system.disk_usage, HEARD),
    Route("POST", "/auth", system.authenticate, HEARD),
    # Containers
    Route("POST", "/containers/create", containers.create, WHOLE),
    Route("GET", "/containers/json", containers.index, HEARD),
    Route("POST", "/containers/prune", containers.prune, WHOLE),
    Route("GET", "/containers/{id:.*}/json", containers.inspect, HEARD),
    Route("POST", "/containers/{id:.*}/start", containers.start, WHOLE),
    Route("POST", "/containers/{id:.*}/stop", containers.stop, WHOLE),
    Route("POST", "/containers/{id:.*}/restart", containers.restart, WHOLE),
    Route("POST", "/containers/{id:.*}/kill", containers.kill, WHOLE),
    Route("POST", "/containers/{id:.*}/pause", containers.pause, WHOLE),
    Route("POST", "/containers/{id:.*}/unpause", containers.unpause, WHOLE),
    Route("POST", "/containers/{id:.*}/rename", containers.rename, WHOLE),
    Route("POST", "/containers/{id:.*}/update", containers.update, WHOLE),
    Route("POST", "/containers/{id:.*}/wait", containers.wait, HEARD),
    Route("DELETE", "/containers/{id:.*}", containers.remove, WHOLE),
    Route("GET", "/containers/{id:.*}/top", containers.top, HEARD),
    Route("GET", "/containers/{id:.*}/changes", containers.changes, HEARD),
    Route("HEAD", "/containers/{id:.*}/archive", containers.stat_archive, HEARD),
    Route("GET", "/containers/{id:.*}/archive", containers.get_archive, HEARD),
    Route("PUT", "/containers/{id:.*}/archive", containers.put_archive, WHOLE),
    Route("GET", "/containers/{id:.*}/export", containers.export, HEARD),
    Route("POST", "/commit", containers.commit, WHOLE),
    Route("GET", "/containers/{id:.*}/logs", container_streams.logs, HEARD),
    Route("POST", "/containers/{id:.*}/attach", container_streams.attach, HEARD),
    Route("GET", "/containers/{id:.*}/attach/ws", container_streams.attach_websocket, HEARD),
    Route("POST", "/containers/{id:.*}/resize", container_streams.resize, WHOLE),
    Route("GET", "/containers/{id:.*}/stats", container_streams.stats, HEARD),
    # Execs; one that is started must not end with its client.
    Route("POST", "/containers/{id:.*}/exec", execs.create, WHOLE),
    Route("POST", "/exec/{id}/start", execs.start, WHOLE),
    Route("POST", "/exec/{id}/resize", execs.resize, WHOLE),
    Route("GET", "/exec/{id}/json", execs.inspect, HEARD),
    # Images; a pull or a push ends with its client, as Docker's does.
    Route("GET", "/images/json", images.index, HEARD),
    Route("GET", "/images/search", images.search, HEARD),
    Route("GET", "/images/get", images.save, HEARD),
    Route("POST", "/images/create", images.create, HEARD),
    Route("POST", "/images/load", images.load, WHOLE),
    Route("POST", "/images/prune", images.prune, WHOLE),
    Route("GET", "/images/{name:.*}/json", images.inspect, HEARD),
    Route("GET", "/images/{name:.*}/history", images.history, HEARD),
    Route("GET", "/images/{name:.*}/get", images.save_one, HEARD),
    Route("POST", "/images/{name:.*}/push", images.push, HEARD),
    Route("POST", "/images/{name:.*}/tag", images.tag, WHOLE),
    Route("DELETE", "/images/{name:.*}", images.remove, WHOLE),
    Route("GET", "/distribution/{name:.*}/json", images.distribution, HEARD),
    # Networks
    Route("GET", "/networks", networks.index, HEARD),
    Route("GET", "/networks/", networks.index, HEARD),
    Route("POST", "/networks/create", networks.create, WHOLE),
    Route("POST", "/networks/prune", networks.prune, WHOLE),
    Route("GET", "/networks/{id:.*}", networks.inspect, HEARD),
    Route("DELETE", "/networks/{id:.*}", networks.remove, WHOLE),
    Route("POST", "/networks/{id:.*}/connect", networks.connect, WHOLE),
    Route("POST", "/networks/{id:.*}/disconnect", networks.disconnect, WHOLE),
    # Volumes
    Route("GET", "/volumes", volumes.index, HEARD),
    Route("POST", "/volumes/create", volumes.create, WHOLE),
    Route("POST", "/volumes/prune", volumes.prune, WHOLE),
    Route("GET", "/volumes/{name:.*}", volumes.inspect, HEARD),
    Route("DELETE", "/volumes/{name:.*}", volumes.remove, WHOLE),
    # What Docker does not have
    Route("GET", "/fairlead/audit", doctor.audit, HEARD),
    Route("GET", "/fairlead/overlay", overlay.status, HEARD),
    Route("GET", "/fairlead/openapi.json", system.describe, HEARD),
    # What this engine leaves out
    Route("GET", "/plugins", system.plugins, HEARD),
    Route("GET", "/plugins/{name:.*}/json", system.no_plugin, HEARD),
    Route("GET", "/plugins/privileges", system.plugins, HEARD),
    Route("DELETE", "/plugins/{name:.*}", system.no_plugin, HEARD),
    Route("POST", "/plugins/{path:.*}", system.left_out("use plugins: this engine has none"), HEARD),
    Route("POST", "/build/prune", system.build_prune, HEARD),
    # A build ends with its client, as Docker's does.
    Route("POST", "/build", build.build, HEARD),
    Route("POST", "/build/cancel", build.cancel, HEARD),
    Route("POST", "/session", _NO_BUILDKIT, HEARD),
    Route("POST", "/grpc", _NO_BUILDKIT, HEARD),
    Route("POST", "/swarm/init", _NO_SWARM, HEARD),
    Route("POST", "/swarm/join", _NO_SWARM, HEARD),
    Route("POST", "/swarm/leave", system.not_in_a_swarm, HEARD),
    *(
        Route(method, f"/{area}{rest}", system.not_a_manager, HEARD)
        for area in ("swarm", "services", "tasks", "nodes", "secrets", "configs")
        for rest in ("", "/{path:.*}")
        for method in ("GET", "POST", "DELETE")
    ),
)


class Table:
    """Finds the route of a request; by method and first part of the path, then in the order of the table."""

    def __init__(self, routes: Sequence[Route] = ROUTES):
        self._routes: dict[tuple[str, str], list[tuple[re.Pattern[str], Route]]] = {}
        for route in routes:
            key = route.method, _first(route.path)
            self._routes.setdefault(key, []).append((_pattern(route.path), route))

    def find(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The route and its variables; None for a page that is not there."""
        for pattern, route in self._routes.get((method, _first(path)), ()):
            if match := pattern.fullmatch(path):
                return route, match.groupdict()
        return None


def _first(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else path


def _pattern(path: str) -> re.Pattern[str]:
    pieces = re.split(r"\{(\w+)(:\.\*)?\}", path)
    text = ""
    for literal, name, spans in zip(pieces[::3], [*pieces[1::3], ""], [*pieces[2::3], ""], strict=True):
        text += re.escape(literal)
        if name:
            text += f"(?P<{name}>{'.+' if spans else '[^/]+'})"
    return re.compile(text, re.DOTALL)
