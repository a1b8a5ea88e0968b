import pytest

from fairlead.cli.units import ellipsis, human_binary_size, human_duration, human_size, short_id

MINUTE, HOUR, DAY = 60, 3600, 86400


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1000, "1kB"),
        (1984172, "1.984MB"),
        (1e9, "1GB"),
        (123456789, "123.5MB"),
        (10**27, "1000YB"),
    ],
)
def test_sizes(size: float, text: str) -> None:
    assert human_size(size) == text


def test_sizes_with_three_digits_and_in_powers_of_two() -> None:
    assert human_size(1984172, 3) == "1.98MB"
    assert human_binary_size(844 * 1024) == "844KiB"
    assert human_binary_size(23.54 * 1024**3) == "23.54GiB"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.9, "Less than a second"),
        (1.9, "1 second"),
        (59, "59 seconds"),
        (60, "About a minute"),
        (119, "About a minute"),
        (120, "2 minutes"),
        (59 * MINUTE + 59, "59 minutes"),
        (HOUR, "About an hour"),
        (89 * MINUTE, "About an hour"),
        (90 * MINUTE, "2 hours"),
        (47 * HOUR, "47 hours"),
        (2 * DAY, "2 days"),
        (13 * DAY, "13 days"),
        (14 * DAY, "2 weeks"),
        (59 * DAY, "8 weeks"),
        (60 * DAY, "2 months"),
        (729 * DAY, "24 months"),
        (730 * DAY, "2 years"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_ids_and_long_texts() -> None:
    assert short_id("sha256:" + "0123456789abcdef" * 4) == "0123456789ab"
    assert short_id("abc") == "abc"
    assert [ellipsis("hello", length) for length in (6, 5, 4, 1, 0)] == ["hello", "hello", "hel…", "h", ""]
