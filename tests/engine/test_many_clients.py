"""A short form of `python -m bench concurrency`: clients at once, some of which go in the middle of a call."""

from bench import concurrency
from fairlead.lab.host import Host


def test_every_client_finds_its_own_as_it_should_be(host: Host) -> None:
    report = concurrency.drive(host, concurrency.Course(clients=8, steps=12, lock=False), print)
    assert report.wrong == []
    assert report.calls > 8 * 12
    assert report.vanished > 0
