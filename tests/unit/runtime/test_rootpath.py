"""Paths in a root filesystem: resolved inside it, whatever links say."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.model.errors import StartFailed
from fairlead.runtime.rootpath import Root


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "outside").write_text("secret")
    (tmp_path / "root/etc").mkdir(parents=True)
    yield tmp_path


def test_files_are_read(place: Path) -> None:
    (place / "root/etc/passwd").write_bytes(b"root:\xff")
    with Root(str(place / "root")) as root:
        assert root.read("/etc/passwd") == "root:\ufffd"
        assert root.read("/etc/none") == "" and root.read("/etc") == ""


@pytest.mark.parametrize(
    "target", ["/outside", "../../outside", "../../../../../../{place}/outside", "{place}/outside"]
)
def test_links_stay_inside(place: Path, target: str) -> None:
    (place / "root/etc/passwd").symlink_to(target.format(place=place))
    (place / "root/outside").write_text("inside")
    with Root(str(place / "root")) as root:
        assert root.read("/etc/passwd") in ("inside", "")


def test_a_pipe_is_not_waited_for(place: Path) -> None:
    os.mkfifo(place / "root/etc/passwd")
    with Root(str(place / "root")) as root:
        assert root.read("/etc/passwd") == ""


def test_directories_are_made_inside(place: Path) -> None:
    (place / "root/link").symlink_to("/etc")
    (place / "root/up").symlink_to("..")
    with Root(str(place / "root")) as root:
        root.ensure_directory("/a/b/../c/")
        root.ensure_directory("/link/sub")
        root.ensure_directory("/up/new")
        root.ensure_directory("/")
    assert (place / "root/a/c").is_dir() and not (place / "root/a/b").exists()
    assert (place / "root/etc/sub").is_dir() and (place / "root/new").is_dir()
    assert sorted(each.name for each in place.iterdir()) == ["outside", "root"]


def test_what_is_in_the_way_is_named(place: Path) -> None:
    (place / "root/etc/file").write_text("")
    (place / "root/dangling").symlink_to("/nowhere")
    with Root(str(place / "root")) as root:
        with pytest.raises(StartFailed, match="Cannot mkdir: /etc/file is not a directory"):
            root.ensure_directory("/etc/file")
        with pytest.raises(StartFailed, match="Cannot mkdir: /etc/file/sub is not a directory"):
            root.ensure_directory("/etc/file/sub")
        with pytest.raises(StartFailed, match="cannot make the directory /dangling"):
            root.ensure_directory("/dangling/sub")
