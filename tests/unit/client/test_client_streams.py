import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.client.errors import ConnectionLost
from fairlead.client.streams import STDERR, STDOUT, Frames, documents

values = st.dictionaries(
    st.text(max_size=5), st.integers() | st.text(max_size=8) | st.lists(st.none()), max_size=4
)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in zip(places, places[1:], strict=False)]


@given(
    st.lists(values, max_size=5),
    st.lists(st.integers(0, 1000), max_size=9),
    st.sampled_from(["", "\n", "\r\n "]),
)
def test_documents_come_out_however_they_are_cut(found: list[object], cuts: list[int], between: str) -> None:
    data = "".join(json.dumps(value, ensure_ascii=False) + between for value in found).encode()
    assert list(documents(pieces(data, cuts))) == found


def test_a_document_is_there_as_soon_as_it_ends() -> None:
    arrived = []

    def stream() -> object:
        yield b'{"a": 1}\n{"b"'
        arrived.append("second piece")
        yield b": 2}"

    taken = documents(stream())  # type: ignore[arg-type]
    assert next(taken) == {"a": 1}
    assert not arrived
    assert next(taken) == {"b": 2}


@pytest.mark.parametrize("data", [b'{"a": ', b"not json}", b'{"a": 1} x'])
def test_a_stream_that_ends_inside_a_document_is_said(data: bytes) -> None:
    with pytest.raises(ConnectionLost):
        list(documents([data]))


frames = st.lists(st.tuples(st.sampled_from([STDOUT, STDERR]), st.binary(max_size=20)), max_size=8)


@given(frames, st.lists(st.integers(0, 1000), max_size=9))
def test_frames_give_each_stream_its_bytes(found: list[tuple[int, bytes]], cuts: list[int]) -> None:
    data = b"".join(
        bytes([number, 0, 0, 0]) + len(content).to_bytes(4, "big") + content for number, content in found
    )
    reader = Frames()
    said = [part for piece in pieces(data, cuts) for part in reader.feed(piece)]
    for stream in (STDOUT, STDERR):
        expected = b"".join(content for number, content in found if number == stream)
        assert b"".join(content for number, content in said if number == stream) == expected


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(ConnectionLost, match="Unrecognized input header: 104"):
        list(Frames().feed(b"hello world"))
