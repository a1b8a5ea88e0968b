"""What Docker's API does not have: how the networks over several hosts stand."""

from fairlead.api.exchange import Answer, Request, json_answer
from fairlead.api.facade import Engine
from fairlead.dockerapi.overlay import render_status
from fairlead.model.errors import Unavailable


async def status(engine: Engine, request: Request) -> Answer:
    """GET /fairlead/overlay; `verify`: the kernel is compared with the store, and other hosts are asked."""
    found = await engine.overlay(request.query.truth("verify"))
    if found is None:
        raise Unavailable("cannot look at the cluster: this host is in none (--cluster-store)")
    return json_answer(render_status(found))
