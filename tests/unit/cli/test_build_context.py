"""What a build sends, and what its .dockerignore keeps back."""

import io
import tarfile
from pathlib import Path
from typing import IO

import pytest

from fairlead.cli.build_context import Ignored, pack_directory, pack_stdin
from fairlead.cli.problems import Ending


def names(packed: IO[bytes]) -> list[str]:
    with tarfile.open(fileobj=packed) as archive:
        assert {member.uid for member in archive} <= {0}
        return archive.getnames()


@pytest.mark.parametrize(
    ("lines", "out", "sent"),
    [
        (["*.md", "!README.md"], ["a.md"], ["README.md", "in/a.md"]),
        (["**/*.md"], ["a.md", "in/deep/a.md"], ["a.mdx"]),
        (["build/"], ["build", "build/x/y"], ["in/build"]),
        (["/in/?.c", "in/[xy].h"], ["in/a.c", "in/x.h"], ["in/aa.c", "in/z.h"]),
        (["*", "!keep", "keep/not"], ["other", "keep/not/this"], ["keep", "keep/this"]),
        (["# *", "", "."], [], ["anything"]),
        (["a\\*b"], ["a*b"], ["axb"]),
        (["x/**"], ["x/a", "x/a/b"], ["x", "y"]),
    ],
)
def test_patterns(lines: list[str], out: list[str], sent: list[str]) -> None:
    ignored = Ignored(lines)
    assert [path for path in out if not ignored.leaves_out(path)] == []
    assert [path for path in sent if ignored.leaves_out(path)] == []


def test_a_directory_is_sent_with_its_dockerfile_whatever_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in ("in/File", "in/kept", "lost", ".dockerignore"):
        (tmp_path / name).write_text("")
    (tmp_path / ".dockerignore").write_text("*\n!in/kept\n")
    (tmp_path / "loop").symlink_to(".")
    packed, name = pack_directory(str(tmp_path), str(tmp_path / "in/File"))
    assert name == "in/File"
    assert sorted(names(packed)) == [".dockerignore", "in/File", "in/kept"]


def test_a_dockerfile_from_elsewhere_is_sent_along(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "Other").write_text("FROM scratch\n")
    packed, name = pack_directory(str(tmp_path / "context"), str(tmp_path / "Other"))
    assert names(packed) == [name]


def test_standard_input_is_a_context_or_a_dockerfile() -> None:
    packed, name = pack_stdin(io.BytesIO(b"FROM scratch\n"), "")
    assert (name, names(packed)) == ("Dockerfile", ["Dockerfile"])
    packed.seek(0)
    again, name = pack_stdin(packed, "other")
    assert (name, names(again)) == ("other", ["Dockerfile"])


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Ending, match='path "/nowhere" not found'):
        pack_directory("/nowhere", "")
    with pytest.raises(Ending, match="unable to evaluate symlinks in Dockerfile path: lstat .*/Dockerfile"):
        pack_directory(str(tmp_path), "")
