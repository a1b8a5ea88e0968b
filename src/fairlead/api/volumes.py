"""Volumes: made, listed, shown, removed."""

import time

from fairlead.api.exchange import Answer, Request, json_answer, read_json
from fairlead.api.facade import Engine
from fairlead.dockerapi import volume as documents
from fairlead.dockerapi.filters import parse_filters
from fairlead.dockerapi.selection import check_volumes, parse_prune, shows_volume
from fairlead.model.container import Volume


async def index(engine: Engine, request: Request) -> Answer:
    """GET /volumes."""
    filters = parse_filters(request.query.text("filters"))
    check_volumes(filters)
    shown = [
        volume
        for volume in engine.volumes.list()
        if shows_volume(filters, volume, in_use=bool(engine.volumes.users(volume.name)))
    ]
    return json_answer(documents.render_list(shown))


async def inspect(engine: Engine, request: Request) -> Answer:
    """GET /volumes/{name}."""
    return json_answer(documents.render_volume(engine.volumes.inspect(request.variables["name"])))


async def create(engine: Engine, request: Request) -> Answer:
    """POST /volumes/create."""
    volume = await engine.volumes.create(documents.parse_create(await read_json(request)))
    return json_answer(documents.render_volume(volume), 201)


async def remove(engine: Engine, request: Request) -> Answer:
    """DELETE /volumes/{name}."""
    await engine.volumes.remove(request.variables["name"], force=request.query.truth("force"))
    return Answer(204)


async def prune(engine: Engine, request: Request) -> Answer:
    """POST /volumes/prune: from API 1.42 on anonymous ones only, unless the filter `all` is true."""
    filters = parse_filters(request.query.text("filters"))
    selection = parse_prune("volumes", filters, time.time_ns())
    anonymous_only = request.version >= (1, 42) and filters.truth("all") is not True

    def chosen(volume: Volume) -> bool:
        if anonymous_only and not volume.anonymous:
            return False
        return selection.chooses(volume.labels, volume.created)

    removed = await engine.volumes.prune(chosen)
    return json_answer({"VolumesDeleted": list(removed.names), "SpaceReclaimed": removed.space})
