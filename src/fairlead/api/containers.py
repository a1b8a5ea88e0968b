"""Containers: made, listed, shown, started, stopped, changed, removed."""

import base64
import json
import time
from dataclasses import replace

from fairlead.api.exchange import Answer, Request, json_answer, json_line, read_json, send_archive
from fairlead.api.facade import Engine
from fairlead.dockerapi import container_parse, container_render
from fairlead.dockerapi.container_selection import ContainerSelection
from fairlead.dockerapi.filters import parse_filters
from fairlead.dockerapi.selection import parse_prune
from fairlead.dockerapi.times import rfc3339
from fairlead.model.container import PathStat
from fairlead.model.errors import InvalidParameter, NotFound
from fairlead.model.views import ContainerView

PATH_STAT = "X-Docker-Container-Path-Stat"
_NOTHING = Answer(204)
_CONDITIONS = ("", "not-running", "next-exit", "removed")


async def create(engine: Engine, request: Request) -> Answer:
    """POST /containers/create."""
    document = await read_json(request)
    command = container_parse.parse_create(
        document, request.query.text("name"), request.query.text("platform"), request.version
    )
    identity, warnings = await engine.containers.create(command)
    return json_answer({"Id": identity, "Warnings": list(warnings)}, 201)


async def index(engine: Engine, request: Request) -> Answer:
    """GET /containers/json."""
    query = request.query
    selection = await _selection(engine, request)
    size = query.truth("size")
    views = [view for view in await engine.containers.list(size) if selection.shows(view)]
    if selection.limit > 0:
        views = views[: selection.limit]
    now = time.time_ns()
    return json_answer([container_render.render_summary(view, request.version, now, size) for view in views])


async def _selection(engine: Engine, request: Request) -> ContainerSelection:
    """The query of the list, with the containers and images that its filters name."""
    filters = parse_filters(request.query.text("filters"))
    selection = ContainerSelection(
        filters, request.query.truth("all"), request.query.number("limit", default=0)
    )
    selection.check()
    ancestors = set()
    for reference in filters.get("ancestor"):
        try:
            ancestors.add((await engine.images.inspect(reference)).id)
        except (NotFound, InvalidParameter):
            continue  # an image that is not there has no containers
    before, since = filters.get("before"), filters.get("since")
    # The old parameters of the same names stand beside the filters.
    before = before or request.query.all("before")
    since = since or request.query.all("since")
    return replace(
        selection,
        ancestors=ancestors,
        before=engine.containers.get(before[0]) if before else None,
        since=engine.containers.get(since[0]) if since else None,
    )


async def inspect(engine: Engine, request: Request) -> Answer:
    """GET /containers/{id}/json."""
    size = request.query.truth("size")
    view = await engine.containers.inspect(request.variables["id"], size)
    return json_answer(container_render.render_inspect(view, request.version, size))


async def start(engine: Engine, request: Request) -> Answer:
    """POST /containers/{id}/start."""
    if len(await request.body()) > 2:
        raise InvalidParameter(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in "
            "v1.24"
        )
    await engine.containers.start(request.variables["id"])
    return _NOTHING


def _timeout(request: Request) -> int | None:
    """Seconds to wait for the end; None for the container's own."""
    return request.query.number("t") if request.query.text("t") else None


def _signal(request: Request) -> str:
    return request.query.text("signal") if request.version >= (1, 42) else ""


async def stop(engine: Engine, request: Request) -> Answer:
    """POST /containers/{id}/stop."""
    await engine.containers.stop(request.variables["id"], _timeout(request), _signal(request))
    return _NOTHING


async def restart(engine: Engine, request: Request) -> Answer:
    """POST /containers/{id}/restart."""
    await engine.containers.restart(request.variables["id"], _timeout(request), _signal(request))
    return _NOTHING


async def kill(engine: Engine, request: Request) -> Answer:
    """POST /containers/{id}/kill."""
    await engine.containers.kill(request.variables["id"], request.query.text("signal") or "KILL")
    return _NOTHING


async def pause(engine: Engine, request: Request) -> Answer:
    """POST /containers/{id}/pause."""
    await engine.containers.pause(request.variables["id"])
    return _NOTHING


async def unpause(engine: Engine, request: Request) -> Answer:
    """POST /containers/{id}/unpause."""
    await engine.containers.unpause(request.variables["id"])
    return _NOTHING


async def rename(engine: Engine, request: Request) -> Answer:
    """POST /containers/{id}/rename."""
    await engine.containers.rename(request.variables["id"], request.query.text("name"))
    return _NOTHING


async def update(engine: Engine, request: Request) -> Answer:
    """POST /containers/{id}/update."""
    command = container_parse.parse_update(await read_json(request), request.version)
    warnings = await engine.containers.update(request.variables["id"], command)
    return json_answer({"Warnings": list(warnings) or None})


async def remove(engine: Engine, request: Request) -> Answer:
    """DELETE /containers/{id}."""
    query = request.query
    await engine.containers.remove(
        request.variables["id"],
        force=query.truth("force"),
        volumes=query.truth("v"),
        link=query.truth("link"),
    )
    return _NOTHING


async def prune(engine: Engine, request: Request) -> Answer:
    """POST /containers/prune."""
    selection = parse_prune("containers", parse_filters(request.query.text("filters")), time.time_ns())

    def chosen(view: ContainerView) -> bool:
        return selection.chooses(view.container.config.labels, view.container.created)

    removed = await engine.containers.prune(chosen)
    return json_answer({"ContainersDeleted": list(removed.names) or None, "SpaceReclaimed": removed.space})


async def wait(engine: Engine, request: Request) -> None:
    """POST /containers/{id}/wait: the head goes out at once, and tells that the wait has begun."""
    condition = request.query.text("condition") if request.version >= (1, 30) else ""
    if condition not in _CONDITIONS:
        raise InvalidParameter(f'invalid condition: "{condition}"')
    ending = engine.containers.wait(request.variables["id"], condition or "not-running")
    outlet = await request.stream("application/json")
    result = await ending
    error = {"Message": result.error} if result.error else None
    await outlet.write(json_line({"Error": error, "StatusCode": result.code}))


async def top(engine: Engine, request: Request) -> Answer:
    """GET /containers/{id}/top."""
    titles, rows = await engine.containers.top(
        request.variables["id"], request.query.text("ps_args") or "-ef"
    )
    return json_answer({"Processes": [list(row) for row in rows], "Titles": list(titles)})


async def changes(engine: Engine, request: Request) -> Answer:
    """GET /containers/{id}/changes."""
    found = await engine.containers.changes(request.variables["id"])
    return json_answer([{"Path": path, "Kind": kind} for path, kind in found] or None)


def _path(request: Request) -> str:
    path = request.query.text("path")
    if not path:
        raise InvalidParameter("bad parameter: path cannot be empty")
    return path


def _stat_header(stat: PathStat) -> dict[str, str]:
    document = {
        "name": stat.name,
        "size": stat.size,
        "mode": stat.mode,
        "mtime": rfc3339(stat.modified),
        "linkTarget": stat.link_target,
    }
    return {PATH_STAT: base64.b64encode(json.dumps(document).encode()).decode()}


async def stat_archive(engine: Engine, request: Request) -> Answer:
    """HEAD /containers/{id}/archive."""
    stat = await engine.containers.stat_path(request.variables["id"], _path(request))
    return Answer(headers=_stat_header(stat))


async def get_archive(engine: Engine, request: Request) -> None:
    """GET /containers/{id}/archive."""
    stat, archive = await engine.containers.get_archive(request.variables["id"], _path(request))
    await send_archive(request, archive, headers=_stat_header(stat))


async def put_archive(engine: Engine, request: Request) -> Answer:
    """PUT /containers/{id}/archive."""
    await engine.containers.put_archive(
        request.variables["id"],
        _path(request),
        request.upload(),
        no_overwrite_dir_non_dir=request.query.truth("noOverwriteDirNonDir"),
        copy_owner=request.query.truth("copyUIDGID"),
    )
    return Answer()


async def export(engine: Engine, request: Request) -> None:
    """GET /containers/{id}/export."""
    archive = await engine.containers.export(request.variables["id"])
    await send_archive(request, archive, "application/octet-stream")


async def commit(engine: Engine, request: Request) -> Answer:
    """POST /commit."""
    query = request.query
    document = await read_json(request, required=False)
    command = container_parse.parse_commit(
        document, query.flat(), query.all("changes"), query.truth("pause", default=True)
    )
    image = await engine.containers.commit(query.text("container"), command)
    return json_answer({"Id": f"sha256:{image.id}"}, 201)
