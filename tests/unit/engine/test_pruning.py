"""Pruned networks are those that no running container is on; the event comes even when none is."""

import asyncio
from dataclasses import replace
from ipaddress import ip_network

from fairlead.engine.networks import Networks
from fairlead.engine.sandboxes import Sandboxes
from fairlead.model.container import ContainerState
from fairlead.model.endpoint import Attachment
from fairlead.model.network import Network, Pool
from fairlead.model.records import Records
from tests.unit.engine.places import FakeEvents, FakeHost, bridge, container, context, place, write

BLUE = Network("b" * 64, "blue", "bridge", 0, 1, pools=(Pool(ip_network("172.18.0.0/16")),), phase="settled")
RED = Network("c" * 64, "red", "bridge", 0, 2, pools=(Pool(ip_network("172.19.0.0/16")),), phase="settled")


def test_networks_without_a_running_container_go() -> None:
    predefined = replace(bridge(), predefined=True)
    known = Records(networks={each.id: each for each in (predefined, BLUE, RED)})
    runs = replace(container("web"), attachments=(Attachment("blue"),))
    ended = replace(container("old"), attachments=(Attachment("red"),), state=ContainerState("exited"))
    known.containers = {each.id: each for each in (runs, ended)}
    sandbox, endpoint = place(runs, BLUE, 2)
    write(known, sandbox, endpoint)
    shared, events = context(FakeHost(), known), FakeEvents()
    shared.events = events  # type: ignore[assignment]
    networks = Networks(shared, Sandboxes(shared))
    assert asyncio.run(networks.prune(lambda view: True)).names == ("red",)
    assert set(known.networks) == {predefined.id, BLUE.id}
    assert asyncio.run(networks.prune(lambda view: True)).names == ()
    assert events.told == [("network destroy", RED.id), ("network prune", ""), ("network prune", "")]
