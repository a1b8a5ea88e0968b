"""Ports, signals, policies, sizes, versions, detach keys, frames, statuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dockerapi.detach import DEFAULT_KEYS, DetachFilter, parse_detach_keys
from fairlead.dockerapi.frames import STDERR, frame
from fairlead.dockerapi.options import check_restart_policy, parse_signal, parse_size
from fairlead.dockerapi.status import message_of, status_of
from fairlead.dockerapi.version import Version, parse_version
from fairlead.model import errors
from fairlead.model.container import RestartPolicy
from fairlead.model.errors import InvalidParameter


@pytest.mark.parametrize(
    ("text", "number"),
    [("KILL", 9), ("SIGKILL", 9), ("sigterm", 15), ("15", 15), ("RTMIN", 34), ("SIGRTMIN+3", 37), ("64", 64)],
)
def test_signals(text: str, number: int) -> None:
    assert parse_signal(text) == number


@pytest.mark.parametrize("text", ["ZORK", "", "0", "65", "-9", "SIG", "9999999999", "¹"])
def test_a_signal_that_is_none(text: str) -> None:
    with pytest.raises(InvalidParameter, match=f"Invalid signal: {text}"):
        parse_signal(text)


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        (RestartPolicy("sometimes"), "invalid restart policy 'sometimes'"),
        (RestartPolicy("always", 3), "maximum retry count cannot be used with restart policy 'always'"),
        (RestartPolicy("on-failure", -3), "maximum retry count cannot be negative"),
    ],
)
def test_a_restart_policy_that_makes_no_sense(policy: RestartPolicy, complaint: str) -> None:
    with pytest.raises(InvalidParameter, match=complaint):
        check_restart_policy(policy)


@pytest.mark.parametrize(
    ("text", "size"), [("10m", 10 << 20), ("1GB", 1 << 30), ("512", 512), ("1.5k", 1536)]
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


def test_versions_are_compared_by_number() -> None:
    assert Version(1, 9) < Version(1, 24) < parse_version("1.41")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("1.99", "client version 1.99 is too new. Maximum supported API version is 1.48"),
        ("1.11", "client version 1.11 is too old. Minimum supported API version is 1.24, please upgrade"),
        ("2", "invalid API version"),
    ],
)
def test_a_version_that_is_not_served(text: str, complaint: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        parse_version(text)
    assert caught.value.message.startswith(complaint)


def test_detach_keys_are_named() -> None:
    assert parse_detach_keys("") == DEFAULT_KEYS == bytes((16, 17))
    assert parse_detach_keys("ctrl-a,x,ctrl-\\,DEL") == bytes((1, ord("x"), 28, 127))


@pytest.mark.parametrize("text", ["zork", "ctrl-", "ctrl-1", "a,,b", "ä"])
def test_detach_keys_that_are_none(text: str) -> None:
    with pytest.raises(InvalidParameter):
        parse_detach_keys(text)


@pytest.mark.parametrize(
    ("keys", "typed", "passed", "detached"),
    [
        (DEFAULT_KEYS, [b"ls\n"], b"ls\n", False),
        (DEFAULT_KEYS, [b"ls\x10\x11more"], b"ls", True),
        (DEFAULT_KEYS, [b"\x10", b"\x11"], b"", True),
        (DEFAULT_KEYS, [b"\x10x"], b"\x10x", False),
        (DEFAULT_KEYS, [b"\x10\x10\x11"], b"\x10", True),
        (b"aab", [b"aaab"], b"a", True),
        (b"aab", [b"aac"], b"aac", False),
        (b"x", [b"abxc"], b"ab", True),
    ],
)
def test_the_keys_are_found_and_the_rest_passes(
    keys: bytes, typed: list[bytes], passed: bytes, detached: bool
) -> None:
    looking = DetachFilter(keys)
    results = [looking.feed(piece) for piece in typed]
    assert (b"".join(content for content, _ in results), results[-1][1]) == (passed, detached)


@given(st.binary(min_size=1, max_size=3), st.lists(st.binary(max_size=5), max_size=6))
def test_how_input_is_cut_into_pieces_makes_no_difference(keys: bytes, pieces: list[bytes]) -> None:
    looking, passed, detached = DetachFilter(keys), b"", False
    for piece in pieces:
        content, detached = looking.feed(piece)
        passed += content
        if detached:
            break
    whole = b"".join(pieces)
    where = whole.find(keys)
    assert detached == (where >= 0)
    if detached:
        assert passed == whole[:where]
    else:
        assert whole.startswith(passed) and keys.startswith(whole[len(passed) :])


def test_a_frame_says_where_it_comes_from_and_how_long_it_is() -> None:
    assert frame(STDERR, b"failed") == b"\x02\0\0\0\0\0\0\x06failed"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.InvalidParameter("x"), 400),
        (errors.Unauthorized("x"), 401),
        (errors.Forbidden("x"), 403),
        (errors.NotFound("x"), 404),
        (errors.Conflict("x"), 409),
        (errors.NotModified("x"), 304),
        (errors.Unsupported("x"), 501),
        (errors.Unavailable("x"), 503),
        (errors.Failed("x"), 500),
        (errors.PortTaken("x"), 500),
        (errors.StartFailed("x", 127), 400),
        (errors.StartFailed("x", 126), 400),
        (errors.StartFailed("x"), 500),
        (ValueError("secret"), 500),
    ],
)
def test_every_error_has_its_status(error: Exception, status: int) -> None:
    assert status_of(error) == status


def test_no_error_class_is_forgotten_by_the_table() -> None:
    classes = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    ours = [kind for kind in classes if errors.FairleadError in kind.__bases__]
    assert [kind for kind in ours if status_of(kind("x")) == 500] == [errors.Failed]


def test_an_error_that_is_not_ours_shows_nothing_of_its_inside() -> None:
    assert "secret" not in message_of(ValueError("secret"))
