import json

import pytest

from fairlead.client.address import Address
from fairlead.client.errors import ClientError, Refused
from fairlead.client.transport import Transport, _lower, _query_text, _refusal, filter_text, quoted


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, ""),
        ({"a": None, "b": False, "c": ""}, ""),
        ({"a": True, "b": 0, "c": "x y"}, "?a=1&b=0&c=x%20y"),
        ({"names": ["a:1", "b"]}, "?names=a%3A1&names=b"),
        ({"path": "/etc/ä"}, "?path=%2Fetc%2F%C3%A4"),
    ],
)
def test_queries(query: dict[str, object], text: str) -> None:
    assert _query_text(query) == text  # type: ignore[arg-type]


def test_filters() -> None:
    assert filter_text(None) is None
    assert filter_text({}) is None
    assert json.loads(filter_text({"name": ["a", "b"]}) or "") == {"name": {"a": True, "b": True}}


def test_a_name_stays_one_segment() -> None:
    assert quoted("a/b?c#d") == "a%2Fb%3Fc%23d"
    with pytest.raises(ClientError, match="invalid container name or ID: value is empty"):
        quoted(" ")


@pytest.mark.parametrize(
    ("theirs", "ours"), [("1.41", "1.41"), ("1.99", "1.48"), ("", "1.24"), ("2.0", "1.48")]
)
def test_the_lower_version_is_used(theirs: str, ours: str) -> None:
    assert _lower(theirs) == ours


def test_versions_compare_as_numbers() -> None:
    transport = Transport(Address("unix:///x", path="/x"), "1.9")
    assert transport.older_than(1, 10)
    assert not transport.older_than(1, 9)


class Answer:
    def __init__(self, status: int, content: bytes):
        self.status, self._content = status, content

    def read(self) -> bytes:
        return self._content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"message": "No such container: x"}\n', "No such container: x"),
        (b"404 page not found\n", "404 page not found"),
        (b'{"other": 1}', '{"other": 1}'),
        (b"[1]", "[1]"),
        (b"", "GET /x answered 404 without a reason"),
    ],
)
def test_refusals_in_the_daemons_words(content: bytes, message: str) -> None:
    refused = _refusal(Answer(404, content), "GET /x")  # type: ignore[arg-type]
    assert isinstance(refused, Refused)
    assert refused.not_found
    assert refused.message == message
    assert str(refused) == f"Error response from daemon: {message}"
