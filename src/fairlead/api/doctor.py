"""What Docker's API does not have: whether the host is as the records say."""

from fairlead.api.exchange import Answer, Request, json_answer
from fairlead.api.facade import Engine
from fairlead.dockerapi.doctor import render_audit


async def audit(engine: Engine, request: Request) -> Answer:
    """GET /fairlead/audit."""
    return json_answer(render_audit(await engine.audit()))
