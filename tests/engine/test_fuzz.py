"""A few of the requests that `make fuzz` makes in their thousands; always the same ones."""

from collections.abc import Iterator

import pytest

from bench import fuzz
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Host]:
    host = lab.host(1)
    host.start_engine()
    yield host
    host.stop_engine()


def test_every_answer_is_described_and_nothing_is_left(host: Host) -> None:
    report = fuzz.measure(host, 160, chance=1)
    assert report.requests > 100
    assert {200, 201, 400, 404} <= {status for _, status in report.statuses}
    assert report.wrong == []
    assert report.left == []
