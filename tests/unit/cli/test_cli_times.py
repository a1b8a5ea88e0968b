import time

import pytest

from fairlead.cli.events import line
from fairlead.cli.problems import Invalid
from fairlead.cli.times import calendar, go_time, local_iso, local_time, parse_time, timestamp

NOW = 1_700_000_000_500_000_000


@pytest.fixture(autouse=True)
def zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-2")
    time.tzset()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0s", "1700000000"),
        ("10m", "1699999400"),
        ("1700000000", "1700000000"),
        ("1700000000.25", "1700000000.25"),
        ("2023-11-14T22:13:20Z", "1700000000.000000000"),
        ("2023-11-14T22:13:20.5Z", "1700000000.500000000"),
        ("2023-11-14T23:13:20+01:00", "1700000000.000000000"),
        ("2023-11-15T00:13:20", "1700000000.000000000"),
        ("2023-11-15T00:13", "1699999980.000000000"),
        ("2023-11-15", "1699999200.000000000"),
    ],
)
def test_what_users_write(text: str, expected: str) -> None:
    assert timestamp(text, NOW) == expected


@pytest.mark.parametrize("text", ["x", "2023", "2023-13-01", "2023-11-14 22:00", "1x"])
def test_what_is_no_time(text: str) -> None:
    if text == "2023":
        assert timestamp(text, NOW) == text
        return
    with pytest.raises(Invalid, match="failed to parse value as time or duration"):
        timestamp(text, NOW)


def test_times_of_the_api() -> None:
    assert parse_time("1970-01-01T00:00:10.25Z") == 10.25
    assert parse_time("1970-01-01T01:00:00+01:00") == 0.0
    assert parse_time("nonsense") == 0.0


def test_as_go_prints_them() -> None:
    assert go_time("2026-11-21T04:35:39.502756575Z") == "2026-11-21 04:35:39.502756575 +0000 UTC"
    assert go_time("2026-11-21T04:35:39.500Z") == "2026-11-21 04:35:39.5 +0000 UTC"
    assert go_time("2026-11-21T04:35:39Z") == "2026-11-21 04:35:39 +0000 UTC"
    assert go_time("2026-11-21T04:35:39+02:00") == "2026-11-21 04:35:39 +0200 +0200"
    assert go_time("nonsense") == "nonsense"


def test_in_the_local_zone() -> None:
    assert local_time(0) == "1970-01-01 02:00:00 +0200 UTC"
    assert local_iso(0) == "1970-01-01T02:00:00+02:00"
    assert calendar("2026-05-07T21:09:36.000000000+00:00") == "Thu May  7 21:09:36 2026"
    assert calendar("unknown") == "unknown"


def test_the_line_of_an_event() -> None:
    event = {
        "Type": "container",
        "Action": "die",
        "Actor": {"ID": "c0ffee", "Attributes": {"name": "web", "exitCode": "0"}},
        "time": 1,
        "timeNano": 1_000_000_002,
    }
    assert line(event) == "1970-01-01T02:00:01.000000002+02:00 container die c0ffee (exitCode=0, name=web)"
    del event["Actor"]["Attributes"], event["timeNano"]  # type: ignore[attr-defined]
    assert line(event) == "1970-01-01T02:00:01.000000000+02:00 container die c0ffee"
