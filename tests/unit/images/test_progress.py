"""skopeo's lines become Docker's messages."""

import pytest

from fairlead.images.progress import Blob, Blobs, read_line, step


@pytest.mark.parametrize(
    ("line", "blob"),
    [
        ("Copying blob c4bfbe950c77 done", Blob("c4bfbe950c77", done=True)),
        (
            "Copying blob c4bfbe950c77 skipped: already exists",
            Blob("c4bfbe950c77", done=True, skipped=True),
        ),
        (
            "Copying blob c4bfbe950c77 [====>---] 1.5MiB / 3.0MiB",
            Blob("c4bfbe950c77", current=1572864, total=3145728),
        ),
        (
            "Copying blob c4bfbe950c77 [========] 373.0b / 1.0KiB | 2.0 MiB/s",
            Blob("c4bfbe950c77", current=373, total=1024),
        ),
        ("Copying blob c4bfbe950c77 .", None),
        ("Copying blob c4bfbe950c77", None),
        ("Copying config ae3b3e0a70 [====] 573.0b / 573.0b", None),
        ("Getting image source signatures", None),
        ("", None),
    ],
)
def test_lines(line: str, blob: Blob | None) -> None:
    assert read_line(line) == blob


def test_each_piece_of_news_is_told_once() -> None:
    lines = [
        "Copying blob c4bfbe950c77 [=>  ] 1.0MiB / 2.0MiB",
        "Copying blob c4bfbe950c77 [=>  ] 1.0MiB / 2.0MiB",
        "Copying blob c4bfbe950c77 done",
        "Copying blob c4bfbe950c77 done",
        "Copying blob c4bfbe950c77 [==>] 2.0MiB / 2.0MiB",
        "Copying blob 111111111111 skipped: already exists",
    ]
    blobs = Blobs()
    news = [blob for line in lines if (blob := blobs.take(line))]
    assert [(blob.digits[0], blob.done) for blob in news] == [("c", False), ("c", True), ("1", True)]
    assert blobs.skipped("sha256:" + "1" * 64)
    assert not blobs.skipped("sha256:c4bfbe950c77" + "0" * 52)


# Recorded from dockerd 20.10.24.
@pytest.mark.parametrize(
    ("current", "total", "bar"),
    [
        (43008, 1984172, "[=>                                                 ]  43.01kB/1.984MB"),
        (1068635, 1068635, "[==================================================>]  1.069MB/1.069MB"),
        (2129920, 1984172, "[==================================================>]   2.13MB"),
    ],
)
def test_bars_are_drawn_as_dockers(current: int, total: int, bar: str) -> None:
    message = step("Pushing", "5577b5326e08", current, total)
    assert message["progress"] == bar
    assert message["progressDetail"] == {"current": current, "total": total}


def test_a_step_without_amounts_has_empty_detail() -> None:
    assert step("Pushed", "5577b5326e08") == {"status": "Pushed", "progressDetail": {}, "id": "5577b5326e08"}
