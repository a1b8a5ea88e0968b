"""What is looked up in the records is what a walk over all of them finds, whatever was changed or refused."""

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.engine.ledger import Ledger, drop, put
from fairlead.model.container import Config, Container, HostConfig
from fairlead.model.endpoint import Endpoint, PublishedPort, Sandbox
from fairlead.model.errors import Failed
from fairlead.model.network import Network
from fairlead.model.records import Record, RecordChange, Records

IDS, NAMES = st.sampled_from("abcd"), st.sampled_from(["web", "box", "db"])
HOST = ip_address("0.0.0.0")
PORTS = st.builds(
    PublishedPort, st.just("tcp"), st.just(HOST), st.integers(80, 84), st.just(1), st.integers(1, 3)
)
NETWORKS = st.builds(Network, IDS, NAMES, st.just("bridge"), st.just(0), st.integers(0, 99))
ENDPOINTS = st.builds(
    lambda identity, network, container, sequence, ports: Endpoint(
        identity, network, container, "", sequence, "", "", "", ports=tuple(ports)
    ),
    IDS,
    IDS,
    IDS,
    st.integers(0, 99),
    st.lists(PORTS, max_size=2),
)
SANDBOXES = st.builds(Sandbox, IDS, IDS, NAMES)
CONTAINERS = st.builds(
    lambda identity, name, targets: Container(
        identity, name, 0, "", Config(), HostConfig(), links=tuple((each, "alias") for each in targets)
    ),
    IDS,
    NAMES,
    st.lists(IDS, max_size=2),
)
RECORDS = st.one_of(NETWORKS, ENDPOINTS, SANDBOXES, CONTAINERS)
CHANGES = st.lists(st.one_of(RECORDS.map(put), RECORDS.map(drop)), min_size=1, max_size=4)


class Disk:
    """A store that refuses when it is told to."""

    refuses = False

    async def load(self) -> Records:
        return Records()

    async def commit(self, changes: Sequence[RecordChange]) -> None:
        if self.refuses:
            raise Failed("cannot write: the disk is full")


def ids(found: Sequence[Record | None]) -> list[str]:
    return sorted(each.id for each in found if each is not None)  # type: ignore[union-attr]


def one_of(found: Record | None, walked: Sequence[Record]) -> bool:
    return found in walked if walked else found is None


def looked_up_as_walked(records: Records) -> bool:
    containers, endpoints = records.containers.values(), records.endpoints.values()
    sandboxes, networks = records.sandboxes.values(), records.networks.values()
    return all(
        [
            *(
                ids(records.endpoints_of(key))
                == ids([each for each in endpoints if each.container_id == key])
                and ids(records.endpoints_on(key)) == ids([e for e in endpoints if e.network_id == key])
                and one_of(records.sandbox_of(key), [each for each in sandboxes if each.container_id == key])
                and ids(records.linked_to(key))
                == ids([each for each in containers if key in dict(each.links)])
                for key in "abcd"
            ),
            *(
                one_of(records.network_named(key), [each for each in networks if each.name == key])
                and one_of(records.sandbox_named(key), [each for each in sandboxes if each.name == key])
                and one_of(records.container_named(key), [each for each in containers if each.name == key])
                for key in ("web", "box", "db")
            ),
            *(
                one_of(
                    records.publisher(("tcp", HOST, number)),
                    [
                        each
                        for each in endpoints
                        if any(port.host_port <= number < port.host_port + port.count for port in each.ports)
                    ],
                )
                for number in range(80, 88)
            ),
            records.last_sequence
            >= max((each.sequence for each in (*containers, *endpoints, *networks)), default=0),
        ]
    )


@given(st.lists(st.tuples(CHANGES, st.booleans()), max_size=12))
def test_look_ups_find_what_a_walk_finds(batches: list[tuple[list[RecordChange], bool]]) -> None:
    disk = Disk()
    ledger = Ledger(disk)
    for changes, disk.refuses in batches:
        before = [dict(ledger.records.table(kind)) for kind in (Network, Endpoint, Sandbox, Container)]
        if disk.refuses:
            with pytest.raises(Failed):
                asyncio.run(ledger.commit(*changes))
            after = [dict(ledger.records.table(kind)) for kind in (Network, Endpoint, Sandbox, Container)]
            assert after == before
        else:
            asyncio.run(ledger.commit(*changes))
        assert looked_up_as_walked(ledger.records)
    again = Records(
        networks=ledger.records.networks,
        endpoints=ledger.records.endpoints,
        sandboxes=ledger.records.sandboxes,
        containers=ledger.records.containers,
    )
    assert looked_up_as_walked(again)
