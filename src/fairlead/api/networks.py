"""Networks: made, listed, shown, removed; containers connected and disconnected."""

import time
from dataclasses import replace

from fairlead.api.exchange import Answer, Request, json_answer, read_json
from fairlead.api.facade import Engine
from fairlead.dockerapi import network as documents
from fairlead.dockerapi.filters import parse_filters
from fairlead.dockerapi.selection import check_networks, parse_prune, shows_network
from fairlead.model.errors import InvalidParameter, NotFound
from fairlead.model.views import NetworkView


async def index(engine: Engine, request: Request) -> Answer:
    """GET /networks."""
    filters = parse_filters(request.query.text("filters"))
    check_networks(filters)
    return json_answer(
        [
            documents.render_network(view, request.version, listed=True)
            for view in engine.networks.list()
            if shows_network(filters, view)
        ]
    )


async def inspect(engine: Engine, request: Request) -> Answer:
    """GET /networks/{id}."""
    reference, scope = request.variables["id"], request.query.text("scope")
    view = engine.networks.inspect(reference)
    if scope and scope != view.network.scope:
        raise NotFound(f"network {reference} not found")
    return json_answer(documents.render_network(view, request.version))


async def create(engine: Engine, request: Request) -> Answer:
    """POST /networks/create."""
    command = documents.parse_create(await read_json(request), request.version)
    identity, warning = await engine.networks.create(command)
    return json_answer({"Id": identity, "Warning": warning}, 201)


async def connect(engine: Engine, request: Request) -> Answer:
    """POST /networks/{id}/connect."""
    container, attachment = documents.parse_connect(await read_json(request))
    network = _meant(engine, request)
    _require_name(container)
    await engine.connections.connect(network, container, replace(attachment, network=network))
    return Answer()


async def disconnect(engine: Engine, request: Request) -> Answer:
    """POST /networks/{id}/disconnect."""
    container, force = documents.parse_disconnect(await read_json(request))
    network = _meant(engine, request)
    _require_name(container)
    await engine.connections.disconnect(network, container, force)
    return Answer()


def _meant(engine: Engine, request: Request) -> str:
    """The network's id; as it was named where there is none: one that does not run may be meant for it."""
    try:
        return _known(engine, request)
    except NotFound:
        return request.variables["id"]


def _known(engine: Engine, request: Request) -> str:
    """The id of the network in the path; NotFound comes before any complaint about the container."""
    return engine.networks.inspect(request.variables["id"]).network.id


def _require_name(container: str) -> None:
    if not container:
        raise InvalidParameter('invalid name or ID supplied: ""')


async def remove(engine: Engine, request: Request) -> Answer:
    """DELETE /networks/{id}."""
    await engine.networks.remove(request.variables["id"])
    return Answer(204)


async def prune(engine: Engine, request: Request) -> Answer:
    """POST /networks/prune."""
    selection = parse_prune("networks", parse_filters(request.query.text("filters")), time.time_ns())

    def chosen(view: NetworkView) -> bool:
        return selection.chooses(view.network.labels, view.network.created)

    removed = await engine.networks.prune(chosen)
    return json_answer({"NetworksDeleted": list(removed.names) or None})
