"""Every record comes back as it was written; damaged text never comes back as something else."""

from ipaddress import IPv4Address, IPv4Interface, IPv6Address, ip_network

import pytest

from fairlead.model.container import (
    Config,
    Container,
    ContainerState,
    Health,
    HealthResult,
    HostConfig,
    PortRequest,
)
from fairlead.model.endpoint import Attachment, Endpoint, PublishedPort, Sandbox
from fairlead.model.network import Network, Pool
from fairlead.model.records import HostRecord
from fairlead.store.formats import decode, encode

RECORDS = [
    HostRecord(engine_id="x"),
    Network(
        "a" * 64,
        "blue",
        "bridge",
        1,
        2,
        pools=(
            Pool(
                ip_network("10.0.0.0/24"),
                ip_network("10.0.0.128/25"),
                IPv4Address("10.0.0.1"),
                {"x": IPv6Address("::1")},
            ),
        ),
        labels={"quote": "'\"\n"},
    ),
    Endpoint(
        "e" * 64,
        "a" * 64,
        "c" * 64,
        "s" * 64,
        3,
        "eth0",
        "vethabcdef0",
        "02:42:0a:00:00:02",
        IPv4Interface("10.0.0.2/24"),
        ports=(PublishedPort("tcp", IPv6Address("::"), 80, 8080, 3),),
    ),
    Sandbox("s" * 64, "c" * 64, "web", links=(("db", "n", "redis"),)),
    Container(
        "c" * 64,
        "web",
        5,
        "f" * 64,
        Config(image="busybox", cmd=("sleep", "1"), entrypoint=None, env=("A=b",)),
        HostConfig(port_bindings=(PortRequest(80, "tcp", "", "8080"),), console_size=(1, 2), init=None),
        attachments=(Attachment("bridge", ipv4=IPv4Address("10.0.0.9")),),
        state=ContainerState(health=Health("healthy", 0, (HealthResult(1, 2, 0, "fine"),))),
    ),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_a_record_comes_back_as_it_was(record: object) -> None:
    assert decode(type(record), encode(record)) == record  # type: ignore[arg-type]


def test_an_unknown_field_is_dropped_and_a_missing_one_takes_its_default() -> None:
    assert decode(HostRecord, '{"id": "host", "later": 1}') == HostRecord()


@pytest.mark.parametrize("text", ["", "[]", '{"id": 5}', '{"id": "a"', "null"])
def test_damage_is_an_error(text: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError, AttributeError)):
        decode(Network, text)
