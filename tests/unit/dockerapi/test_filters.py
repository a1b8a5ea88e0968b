import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.dockerapi.filters import Filters, glob, parse_filters
from fairlead.model.errors import InvalidParameter


@pytest.mark.parametrize(
    "text",
    ['{"name": ["a", "b"], "id": []}', '{"name": {"a": true, "b": true, "c": false}}'],
)
def test_both_forms_mean_the_same(text: str) -> None:
    assert parse_filters(text) == Filters({"name": ("a", "b")})


def test_no_filters() -> None:
    assert parse_filters("") == parse_filters("{}") == Filters()


@pytest.mark.parametrize(
    "text", ["nonsense", "[]", '"a"', '{"name": "a"}', '{"name": [5]}', '{"name": 5}', "[" * 100_000]
)
def test_filters_that_are_none(text: str) -> None:
    with pytest.raises(InvalidParameter, match="invalid filter"):
        parse_filters(text)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(InvalidParameter):
        assert isinstance(parse_filters(text), Filters)


def test_an_unknown_filter_is_named() -> None:
    with pytest.raises(InvalidParameter, match="Invalid filter 'nonsense'"):
        parse_filters('{"nonsense": ["x"]}').require_known({"name"})


def test_values_are_alternatives() -> None:
    filters = Filters({"driver": ("bridge", "host")})
    assert filters.exact("driver", "host") and not filters.exact("driver", "null")
    assert filters.exact("unused", "anything")


def test_names_are_matched_as_regular_expressions() -> None:
    filters = Filters({"name": ("^we", "b.x$")})
    assert filters.matches("name", "web") and filters.matches("name", "x", "box")
    assert not filters.matches("name", "owed")
    assert not Filters({"name": ("(",)}).matches("name", "(")


def test_labels_must_all_be_there() -> None:
    labels = {"tier": "front", "empty": ""}
    assert Filters({"label": ("tier", "tier=front", "empty=")}).labels("label", labels)
    assert not Filters({"label": ("tier", "absent")}).labels("label", labels)
    assert not Filters({"label": ("tier=back",)}).labels("label", labels)
    assert Filters({"label!": ("tier=back",)}).without_labels("label!", labels)
    assert not Filters({"label!": ("tier",)}).without_labels("label!", labels)


@pytest.mark.parametrize(
    ("values", "truth"), [(("true",), True), (("1",), True), (("0",), False), (("False",), False), ((), None)]
)
def test_truths(values: tuple[str, ...], truth: bool | None) -> None:
    assert Filters({"dangling": values}).truth("dangling") is truth


@pytest.mark.parametrize("values", [("x",), ("true", "false"), ("",)])
def test_a_truth_that_is_none(values: tuple[str, ...]) -> None:
    with pytest.raises(InvalidParameter, match=r"Invalid filter 'dangling=\["):
        Filters({"dangling": values}).truth("dangling")


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("bus*", "busybox", True),
        ("bus*", "example.com/busybox", False),
        ("*/busybox", "example.com/busybox", True),
        ("busybo?:[a-l]*", "busybox:latest", True),
        ("busy.ox", "busybox", False),
        ("busybox", "busybox:latest", False),
    ],
)
def test_shell_patterns(pattern: str, text: str, fits: bool) -> None:
    assert glob(pattern, (text,)) is fits


def test_a_pattern_that_is_none() -> None:
    with pytest.raises(InvalidParameter, match="syntax error in pattern"):
        glob("[z-a]", ("x",))


def test_null_chooses_nothing() -> None:
    assert parse_filters("null").values == {}
