"""A new name is known to neighbours at once, and the old one is not any more."""

import asyncio
from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from fairlead.engine.context import Context
from fairlead.engine.references import References
from fairlead.engine.renaming import Renaming
from fairlead.engine.sandboxes import Sandboxes
from fairlead.model.endpoint import Attachment
from fairlead.model.errors import Conflict, Failed
from fairlead.model.host import NameKey, PointerKey
from fairlead.model.network import Network, Pool
from fairlead.model.records import Records
from tests.unit.engine.places import FakeEvents, FakeHost, container, context, place, write

BLUE = Network("b" * 64, "blue", "bridge", 0, 1, pools=(Pool(ip_network("172.17.0.0/16")),), phase="settled")
NAMED = container("web")
WEB = replace(
    NAMED,
    attachments=(Attachment("blue", aliases=("www",)),),
    config=replace(NAMED.config, hostname="webhost"),
)


def running(host: FakeHost) -> Context:
    """An engine in which web runs on the network blue."""
    known = Records(networks={BLUE.id: BLUE}, containers={WEB.id: WEB})
    sandbox, endpoint = place(WEB, BLUE, 2)
    write(known, sandbox, replace(endpoint, names=("web", "www")))
    shared = context(host, known)
    shared.events = FakeEvents()  # type: ignore[assignment]
    return shared


def test_neighbours_find_the_new_name() -> None:
    host = FakeHost()
    shared = running(host)
    asyncio.run(Renaming(shared, References(shared), Sandboxes(shared)).rename("web", "site"))
    names = {key.name for key, value in host.there.items() if isinstance(key, NameKey) and value}
    assert names == {"site", "www", WEB.id[:12], "webhost"}
    assert host.there[PointerKey(BLUE.id, ip_address("172.17.0.2"))] == "site"
    assert shared.records.containers[WEB.id].name == "site"


def test_a_taken_name_changes_nothing() -> None:
    host = FakeHost()
    shared = running(host)
    other = container("other")
    write(shared.records, other)
    with pytest.raises(Conflict, match="allocating new name"):
        asyncio.run(Renaming(shared, References(shared), Sandboxes(shared)).rename("web", "other"))
    assert shared.records.containers[WEB.id] == WEB
    assert host.there == {}


def test_a_name_that_neighbours_cannot_be_told_is_taken_back() -> None:
    class Broken(FakeHost):
        async def perform(self, steps: object) -> None:
            raise Failed("no resolver")

    shared = running(Broken())
    with pytest.raises(Failed, match="no resolver"):
        asyncio.run(Renaming(shared, References(shared), Sandboxes(shared)).rename("web", "site"))
    assert shared.records.containers[WEB.id].name == "web"
    assert shared.events.told == []  # type: ignore[attr-defined]
