"""etcd's JSON: what is sent, and what answers mean."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fairlead.boundary.cluster import Changes, Entry, Unchanged, Write
from fairlead.store.etcd_json import Batch, Lines, complaint, decode, encode, entry, prefix_range, transaction


@given(some.text(min_size=1), some.text())
def test_a_prefix_covers_what_begins_with_it_and_nothing_else(prefix: str, other: str) -> None:
    bounds = {name: base64.b64decode(text) for name, text in prefix_range(prefix).items()}

    def covered(key: str) -> bool:
        return bounds["key"] <= key.encode() < bounds["range_end"]

    assert covered(prefix) and covered(prefix + other)
    assert covered(other) == other.startswith(prefix)


@given(some.text())
def test_text_comes_back(text: str) -> None:
    assert decode(encode(text)) == text


@given(
    some.lists(some.dictionaries(some.text(), some.integers(), max_size=2), max_size=4), some.integers(1, 7)
)
def test_documents_are_found_however_they_are_cut(documents: list[dict[str, int]], size: int) -> None:
    data = b"".join(json.dumps(document).encode() + b"\n" for document in documents)
    lines = Lines()
    found = [each for start in range(0, len(data), size) for each in lines.feed(data[start : start + size])]
    assert found == documents


def test_a_transaction_compares_the_last_changes() -> None:
    made = transaction([Unchanged("a", 7)], [Write("a", "x", 5), Write("b", None)])
    assert made["compare"] == [
        {"key": "YQ==", "target": "MOD", "result": "EQUAL", "mod_revision": "7"},
    ]
    assert made["success"] == [
        {"request_put": {"key": "YQ==", "value": "eA==", "lease": "5"}},
        {"request_delete_range": {"key": "Yg=="}},
    ]
    assert "request_range" in transaction([Unchanged("a", 7)], [])["success"][0]


def test_what_is_left_out_is_nothing() -> None:
    assert entry({"key": "YQ==", "mod_revision": "9223372036854775807"}) == ("a", Entry("", 2**63 - 1))


def event(key: str, revision: int, value: str | None) -> dict[str, object]:
    pair = {"key": encode(key), "mod_revision": str(revision)}
    if value is None:
        return {"type": "DELETE", "kv": pair}
    return {"kv": pair | {"value": encode(value)}}


def test_fragments_are_one_batch_and_the_last_word_counts() -> None:
    batch = Batch()
    header = {"revision": "99"}
    first = [event("a", 7, "1"), event("b", 7, "1")]
    assert batch.add({"header": header, "fragment": True, "events": first}) is None
    rest = [event("a", 7, None), event("c", 8, "2")]
    changes = batch.add({"header": header, "events": rest})
    assert changes == Changes(8, {"a": None, "b": Entry("1", 7), "c": Entry("2", 8)})
    assert batch.add({"header": header}) == Changes(99, {})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"error": "no", "message": "no", "code": 5}, ("no", 5)),
        ({"code": 5, "message": "no", "details": []}, ("no", 5)),
        ({"error": {"grpc_code": 14, "http_code": 503, "message": "no leader"}}, ("no leader", 14)),
        ({"error": {"code": 14, "message": "no leader"}}, ("no leader", 14)),
        ({"error": "no"}, ("no", -1)),
        ("no", ("no", -1)),
    ],
)
def test_complaints_of_all_versions_are_read(document: object, said: tuple[str, int]) -> None:
    assert complaint(document) == said
