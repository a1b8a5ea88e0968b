"""What a user is warned of when a container is made."""

import asyncio

import pytest

from fairlead.engine.creation import Creation
from fairlead.model.container import HostConfig, PortRequest
from fairlead.model.records import Records
from tests.unit.engine.places import FakeHost, context

OFF = "IPv4 forwarding is disabled. Networking will not work."
DISCARDED = "Published ports are discarded when using host network mode"


@pytest.mark.parametrize(
    ("mode", "forwards", "warnings"),
    [
        ("default", True, ()),
        ("default", False, (OFF,)),
        ("blue", False, (OFF,)),
        ("none", False, ()),
        ("host", False, (DISCARDED,)),
    ],
)
def test_warnings(mode: str, forwards: bool, warnings: tuple[str, ...]) -> None:
    nothing: object = None
    shared = context(FakeHost(forwards=forwards), Records())
    creation = Creation(shared, nothing, nothing, nothing)  # type: ignore[arg-type]
    host_config = HostConfig(network_mode=mode, port_bindings=(PortRequest(80, "tcp"),))
    assert asyncio.run(creation._warnings(host_config)) == warnings
