from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dockerapi.container_status import describe_status
from fairlead.dockerapi.times import (
    HOUR,
    MINUTE,
    NEVER,
    SECOND,
    duration,
    human_duration,
    parse_moment,
    parse_stamp,
    rfc3339,
    rfc3339_fixed,
)
from fairlead.model.container import ContainerState, Health
from fairlead.model.errors import InvalidParameter

DAY = 24 * HOUR
NOON = int(datetime(2026, 11, 21, 12, tzinfo=UTC).timestamp()) * SECOND


@pytest.mark.parametrize(
    ("span", "words"),
    [
        (0, "Less than a second"),
        (SECOND - 1, "Less than a second"),
        (SECOND, "1 second"),
        (59 * SECOND, "59 seconds"),
        (60 * SECOND, "About a minute"),
        (2 * MINUTE, "2 minutes"),
        (59 * MINUTE + 59 * SECOND, "59 minutes"),
        (HOUR, "About an hour"),
        (89 * MINUTE, "About an hour"),
        (90 * MINUTE, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
    ],
)
def test_a_duration_in_words(span: int, words: str) -> None:
    assert human_duration(span) == words


def test_a_time_has_the_digits_that_it_needs() -> None:
    assert rfc3339(0) == NEVER == "0001-01-01T00:00:00Z"
    assert rfc3339(NOON) == "2026-11-21T12:00:00Z"
    assert rfc3339(NOON + 1_500_000) == "2026-11-21T12:00:00.0015Z"
    assert rfc3339_fixed(NOON + 1_500_000) == "2026-11-21T12:00:00.001500000Z"


@given(st.integers(1, 4_000_000_000 * SECOND))
def test_a_time_that_is_written_and_read_is_the_same(time: int) -> None:
    assert parse_moment(rfc3339(time), 0) == time
    assert parse_moment(rfc3339_fixed(time), 0) == time
    assert parse_stamp(f"{time // SECOND}.{time % SECOND:09d}", "since") == time


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("1795262400", 1795262400 * SECOND),
        ("10m", NOON - 10 * MINUTE),
        ("1h30m", NOON - 90 * MINUTE),
        ("2026-11-21", NOON - 12 * HOUR),
        ("2026-11-21T11", NOON - HOUR),
        ("2026-11-21T11:30", NOON - 30 * MINUTE),
        ("2026-11-21T11:59:30", NOON - 30 * SECOND),
        ("2026-11-21T14:00:00+02:00", NOON),
        ("2026-11-21T12:00:00.5Z", NOON + SECOND // 2),
    ],
)
def test_a_moment_in_all_its_forms(text: str, moment: int) -> None:
    assert parse_moment(text, NOON) == moment


@pytest.mark.parametrize("text", ["zork", "", "2026-13-01", "10x", "m", "2026-11-21T25"])
def test_a_moment_that_is_none(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_moment(text, NOON)


@pytest.mark.parametrize("text", ["zork", "1.x", "0x10", "9" * 30])
def test_a_stamp_that_is_none(text: str) -> None:
    with pytest.raises(InvalidParameter, match="since"):
        parse_stamp(text, "since")


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("1.5s", 1_500_000_000), ("100ms", 100_000_000), ("-1h", -HOUR), ("1h1ns", HOUR + 1), ("5", None)],
)
def test_go_durations(text: str, nanoseconds: int | None) -> None:
    assert duration(text) == nanoseconds


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (ContainerState(), "Created"),
        (ContainerState("running", started=NOON - 5 * SECOND), "Up 5 seconds"),
        (ContainerState("paused", started=NOON - 7 * SECOND), "Up 7 seconds (Paused)"),
        (
            ContainerState("running", started=NOON - 2 * MINUTE, health=Health("healthy")),
            "Up 2 minutes (healthy)",
        ),
        (
            ContainerState("running", started=NOON, health=Health()),
            "Up Less than a second (health: starting)",
        ),
        (
            ContainerState("exited", exit_code=3, started=1, finished=NOON - 10 * SECOND),
            "Exited (3) 10 seconds ago",
        ),
        (
            ContainerState("restarting", exit_code=1, started=1, finished=NOON - SECOND),
            "Restarting (1) 1 second ago",
        ),
        (ContainerState("removing"), "Removal In Progress"),
        (ContainerState("dead"), "Dead"),
        # Never started, though a start was tried and failed.
        (ContainerState("created", exit_code=128, error="no such network"), "Created"),
    ],
)
def test_the_words_of_docker_ps(state: ContainerState, words: str) -> None:
    assert describe_status(state, NOON) == words
