"""What an exec inherits, and how events show its command."""

import asyncio

import pytest

from fairlead.boundary import ExecRequest
from fairlead.engine.execs import Execs
from fairlead.engine.references import References
from fairlead.model.records import Records
from tests.unit.engine.places import FakeEvents, FakeHost, bridge, container, context, place, write

WEB = container("web", exposed=["80/tcp"])
LINKED = container("linked", links=[(WEB.id, "site")])


@pytest.mark.parametrize(
    ("command", "action"),
    [(("true",), "exec_create: true "), (("ls", "-l", "/"), "exec_create: ls -l /")],
)
def test_a_blank_follows_the_program(command: tuple[str, ...], action: str) -> None:
    shared, events = context(FakeHost(), Records(containers={WEB.id: WEB})), FakeEvents()
    shared.events, shared.clock = events, FakeHost()  # type: ignore[assignment]
    asyncio.run(Execs(shared, References(shared)).create("web", ExecRequest(command=command)))
    assert events.told == [(f"container {action}", WEB.id)]


def test_it_is_told_where_targets_of_links_are_now() -> None:
    known = Records(networks={bridge().id: bridge()}, containers={WEB.id: WEB, LINKED.id: LINKED})
    sandbox, endpoint = place(WEB, bridge(), 9)
    write(known, sandbox, endpoint)
    shared = context(FakeHost(), known)
    completed = Execs(shared, References(shared))._completed(
        LINKED, ExecRequest(command=("env",), environment=("COLOUR=blue",))
    )
    assert "SITE_PORT_80_TCP_ADDR=172.17.0.9" in completed.environment
    assert completed.environment[-1] == "COLOUR=blue"
