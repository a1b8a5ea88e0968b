"""The engine as a whole: ping, version, info, events, disk usage; and the areas that it leaves out."""

import time
from collections.abc import Awaitable, Callable

from fairlead import __version__
from fairlead.api.exchange import JSON_TYPE, Answer, Request, closing, json_answer, json_line, read_json
from fairlead.api.facade import Engine
from fairlead.api.images import read_credentials
from fairlead.dockerapi import container_render, image, selection, system
from fairlead.dockerapi.events import render_event
from fairlead.dockerapi.filters import parse_filters
from fairlead.dockerapi.kinds import as_object
from fairlead.dockerapi.status import NOT_A_SWARM_MANAGER
from fairlead.dockerapi.times import parse_stamp
from fairlead.model.errors import InvalidParameter, NotFound, Unavailable, Unsupported

_NO_CACHE = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"}
# "1": the classic builder, the only protocol for builds that is planned here.
_PING = {**_NO_CACHE, "Builder-Version": "1", "Swarm": "inactive"}
_DISK_USAGE_TYPES = frozenset({"container", "image", "volume", "build-cache"})


async def ping(engine: Engine, request: Request) -> Answer:
    """GET and HEAD /_ping."""
    return Answer(
        body=b"" if request.method == "HEAD" else b"OK",
        content_type="text/plain; charset=utf-8",
        headers=_PING,
    )


async def version(engine: Engine, request: Request) -> Answer:
    """GET /version."""
    return json_answer(system.render_version(await engine.facts(), __version__))


async def info(engine: Engine, request: Request) -> Answer:
    """GET /info."""
    return json_answer(system.render_info(await engine.facts(), __version__, time.time_ns(), request.version))


async def events(engine: Engine, request: Request) -> None:
    """GET /events: a JSON object a line, for as long as the client listens or until `until`."""
    filters = parse_filters(request.query.text("filters"))
    since = parse_stamp(request.query.text("since"), "since")
    until = parse_stamp(request.query.text("until"), "until")
    if until and since > until:
        raise InvalidParameter(
            f"`since` time ({request.query.text('since')}) cannot be after `until` time"
            f" ({request.query.text('until')})"
        )
    async with closing(engine.events.subscribe(since, until)) as happened:
        outlet = await request.stream(JSON_TYPE)
        async for event in happened:
            if selection.shows_event(filters, event):
                await outlet.write(json_line(render_event(event)))


async def authenticate(engine: Engine, request: Request) -> Answer:
    """POST /auth."""
    document = as_object(await read_json(request), "")
    await engine.images.authenticate(read_credentials(document))
    return json_answer({"IdentityToken": "", "Status": "Login Succeeded"})


async def disk_usage(engine: Engine, request: Request) -> Answer:
    """GET /system/df; `type` (several) chooses what is counted."""
    wanted = frozenset(request.query.all("type")) if request.version >= (1, 42) else frozenset[str]()
    for kind in wanted - _DISK_USAGE_TYPES:
        raise InvalidParameter(f"unknown object type: {kind}")
    wanted = wanted or _DISK_USAGE_TYPES
    now, version = time.time_ns(), request.version
    images = await engine.images.list() if "image" in wanted else []
    containers = await engine.containers.list(size=True) if "container" in wanted else []
    usage = await engine.volumes.usage() if "volume" in wanted else {}
    stored = [view.image for view in images]
    shared = image.shared_sizes(stored)
    return json_answer(
        system.render_disk_usage(
            [image.render_summary(view, version, count=True, shared=shared[view.image.id]) for view in images]
            if "image" in wanted
            else None,
            [container_render.render_summary(view, version, now, size=True) for view in containers]
            if "container" in wanted
            else None,
            [(volume, *usage.get(volume.name, (0, 0))) for volume in engine.volumes.list()]
            if "volume" in wanted
            else None,
            image.layers_size(stored),
            version,
        )
    )


async def not_a_manager(engine: Engine, request: Request) -> Answer:
    """Everything about swarms, services, tasks, nodes, secrets and configs."""
    raise Unavailable(NOT_A_SWARM_MANAGER)


async def not_in_a_swarm(engine: Engine, request: Request) -> Answer:
    """POST /swarm/leave."""
    raise Unavailable("This node is not part of a swarm")


async def plugins(engine: Engine, request: Request) -> Answer:
    """GET /plugins: there are none."""
    return json_answer([])


async def no_plugin(engine: Engine, request: Request) -> Answer:
    """GET /plugins/{name}/json."""
    raise NotFound(f'plugin "{request.variables["name"]}" not found')


def left_out(what: str) -> Callable[[Engine, Request], Awaitable[Answer]]:
    """A handler for what this engine leaves out; `what` completes "cannot"."""

    async def refuse(engine: Engine, request: Request) -> Answer:
        raise Unsupported(f"cannot {what}")

    return refuse


async def build_prune(engine: Engine, request: Request) -> Answer:
    """POST /build/prune: there is no build cache."""
    return json_answer({"CachesDeleted": None, "SpaceReclaimed": 0})


async def describe(engine: Engine, request: Request) -> Answer:
    """GET /fairlead/openapi.json."""
    # Only here: the description is made of the table of routes, which names this handler.
    from fairlead.api.description import describe

    return json_answer(describe())
