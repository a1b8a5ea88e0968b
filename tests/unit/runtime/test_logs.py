"""Log files: read as they were written, chosen as asked."""

import asyncio
import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlead.boundary import LogLine, LogQuery
from fairlead.model.container import LogConfig
from fairlead.model.errors import InvalidParameter
from fairlead.runtime import logs
from fairlead.runtime.changes import Changes
from fairlead.runtime.logreader import read
from fairlead.runtime.logs import Joiner, Parser, Piece, Rotation

SECOND = 1_000_000_000


def write(path: Path, *entries: tuple[int, str, str, str]) -> None:
    """Lines of (seconds, stream, tag, text)."""
    with path.open("a") as file:
        for seconds, stream, tag, text in entries:
            file.write(f"1970-01-01T00:00:{seconds:02d}.000000000+00:00 {stream} {tag} {text}\n")


def lines(path: Path, **query: object) -> list[bytes]:
    over = asyncio.Event()
    over.set()

    async def gather() -> list[bytes]:
        asked = LogQuery(**query)  # type: ignore[arg-type]
        with contextlib.closing(Changes()) as watched:
            return [line.content async for line in read(str(path), asked, over, watched)]

    return asyncio.run(gather())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            b"2026-11-21T04:31:27.519198379+00:00 stdout F Seccomp:\t2",
            Piece(LogLine(1, 1_795_235_487_519_198_379, b"Seccomp:\t2\n"), True),
        ),
        (
            b"2026-11-21T06:31:27.519198379+02:00 stderr P a  b",
            Piece(LogLine(2, 1_795_235_487_519_198_379, b"a  b"), False),
        ),
        (
            b"2026-11-20T23:01:27.000000001-05:30 stdout F ",
            Piece(LogLine(1, 1_795_235_487_000_000_001, b"\n"), True),
        ),
        (b"2026-11-21T04:31:27.5", None),
        (b"2026-11-21T04:31:27.519198379+00:00 stdin F x", None),
        (b"2026-11-21T04:31:27.519198379+00:00 stdout X x", None),
        (b"not-a-time-at-all-but-as-long-as-one stdout F x", None),
        (b"", None),
    ],
)
def test_parsing(text: bytes, expected: Piece | None) -> None:
    parser = Parser()
    assert parser.piece(text) == expected
    assert parser.piece(text) == expected


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_passed_over(text: bytes) -> None:
    Parser().piece(text)


@given(
    st.lists(
        st.tuples(
            st.sampled_from((1, 2)), st.binary(max_size=9).filter(lambda b: b"\n" not in b), st.booleans()
        )
    )
)
def test_joined_pieces_are_the_output_again(given_pieces: list[tuple[int, bytes, bool]]) -> None:
    joiner = Joiner()
    pieces = [
        Piece(LogLine(stream, time, text + b"\n" if whole else text), whole)
        for time, (stream, text, whole) in enumerate(given_pieces)
    ]
    gathered = [line for piece in pieces for line in joiner.add(piece)]
    assert all(line.content.endswith(b"\n") for line in gathered)
    gathered += joiner.rest()
    for stream in (1, 2):
        written = b"".join(piece.line.content for piece in pieces if piece.line.stream == stream)
        assert b"".join(line.content for line in gathered if line.stream == stream) == written


def test_long_lines_come_in_pieces_of_dockers_size() -> None:
    joiner, sizes = Joiner(), []
    for number in range(5):
        content = b"x" * 8192 if number < 4 else b"\n"
        piece = Piece(LogLine(1, number, content), number == 4)
        sizes += [len(line.content) for line in joiner.add(piece)]
    assert sizes == [16384, 16384, 1]


def test_reading_several_files_and_their_tail(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(tmp_path / "log.2", (1, "stdout", "F", "one"), (2, "stderr", "F", "two"))
    write(tmp_path / "log.1", (3, "stdout", "P", "thr"), (4, "stdout", "F", "ee"))
    write(path, (5, "stdout", "F", "four"), (6, "stdout", "P", "unfinished"))
    every = [b"one\n", b"two\n", b"three\n", b"four\n", b"unfinished"]
    assert lines(path) == every
    assert lines(path, tail=1) == every[3:]
    assert lines(path, tail=2) == every[2:]
    assert lines(path, tail=3) == every[1:]
    assert lines(path, tail=4) == lines(path, tail=1000) == every
    assert lines(path, tail=0) == []
    assert lines(path, stderr=False, tail=3) == every[2:], "the tail is counted before streams are chosen"
    assert lines(path, since=3 * SECOND, until=5 * SECOND) == every[2:4]
    assert lines(path, stdout=False) == [b"two\n"]
    assert lines(tmp_path / "none") == []


@given(st.lists(st.sampled_from(["F", "P"]), max_size=12), st.integers(0, 14))
def test_a_tail_is_the_end_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory, tags: list[str], count: int
) -> None:
    path = tmp_path_factory.mktemp("tail") / "log"
    write(path, *((number, "stdout", tag, str(number)) for number, tag in enumerate(tags)))
    if not tags:
        return
    every = lines(path)
    unfinished = not every[-1].endswith(b"\n")
    wanted = count + unfinished if count else 0
    assert lines(path, tail=count) == (every[-wanted:] if wanted else [])


def test_what_is_being_written_is_left_for_later(tmp_path: Path) -> None:
    path = tmp_path / "log"
    write(path, (1, "stdout", "F", "whole"))
    with path.open("a") as file:
        file.write("1970-01-01T00:00:02.000000000+00:00 stdout F hal")
    assert lines(path) == [b"whole\n"]
    assert lines(path, tail=1) == [b"whole\n"]


def test_rotating_keeps_so_many_files(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for generation in range(5):
        write(path, (generation, "stdout", "F", str(generation)))
        if generation < 4:
            logs.rotate(str(path), 3)
    assert logs.files(str(path)) == [f"{path}.2", f"{path}.1", str(path)]
    assert lines(path) == [b"2\n", b"3\n", b"4\n"]
    logs.rotate(str(path), 1)
    assert os.path.exists(path), "one file alone is not moved"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, Rotation(0, 1)),
        ({"max-size": "10m", "max-file": "3"}, Rotation(10_000_000, 3)),
        ({"max-size": "10k"}, Rotation(10_000, 1)),
        ({"max-size": "1.5G"}, Rotation(1_500_000_000, 1)),
        ({"max-size": "500"}, Rotation(500, 1)),
        ({"max-size": "-1"}, Rotation(0, 1)),
    ],
)
def test_rotation(options: dict[str, str], expected: Rotation) -> None:
    assert logs.rotation(LogConfig(options=options)) == expected


def test_the_driver_local_is_bounded_by_itself() -> None:
    assert logs.rotation(LogConfig("local")) == Rotation(20_000_000, 5)
    assert logs.rotation(LogConfig("local", {"max-size": "1k"})) == Rotation(1000, 5)


@pytest.mark.parametrize("options", [{"max-size": "big"}, {"max-size": "1k", "max-file": "0"}])
def test_wrong_options_are_refused(options: dict[str, str]) -> None:
    with pytest.raises(InvalidParameter):
        logs.rotation(LogConfig(options=options))
