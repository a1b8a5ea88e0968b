"""What `build` sends: a directory as a tar, without what its .dockerignore leaves out.

Source of the patterns: the Dockerfile reference, ".dockerignore file"; the last one that fits a path
or a directory above it decides.
"""

import os
import re
import tarfile
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

from fairlead.cli.problems import Ending

_IGNORE = ".dockerignore"
_TAR_MAGIC = (257, b"ustar")
_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00")
STDIN_DOCKERFILE = ".dockerfile.from-outside"


class Ignored:
    """The patterns of one .dockerignore."""

    def __init__(self, lines: Iterable[str]):
        self._patterns: list[tuple[bool, re.Pattern[str]]] = []
        for line in lines:
            text = line.strip()
            if not text or line.startswith("#"):
                continue
            kept = text.startswith("!")
            clean = os.path.normpath(text.lstrip("!").strip()).lstrip("/")
            if clean not in ("", "."):
                self._patterns.append((kept, re.compile(_expression(clean), re.DOTALL)))

    @property
    def has_exceptions(self) -> bool:
        """Whether something in a directory that is left out may be sent all the same."""
        return any(kept for kept, _ in self._patterns)

    def leaves_out(self, path: str) -> bool:
        """Whether a path, relative to the context, is not sent."""
        parts = path.split("/")
        above = ["/".join(parts[:length]) for length in range(1, len(parts) + 1)]
        out = False
        for kept, pattern in self._patterns:
            if any(pattern.fullmatch(each) for each in above):
                out = not kept
        return out


def _expression(pattern: str) -> str:
    pieces = re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|\\.|.", pattern, re.DOTALL)
    wild = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        wild.get(piece) or (piece if len(piece) > 2 else re.escape(piece[-1:])) for piece in pieces
    )


def pack_directory(directory: str, dockerfile: str) -> tuple[IO[bytes], str]:
    """The directory as a tar, and the Dockerfile's path in it; "-" reads that from standard input.

    Ending in Docker's words for a directory or a Dockerfile that is not there.
    """
    root = Path(directory)
    if not root.is_dir():
        raise Ending(1, f'unable to prepare context: path "{directory}" not found')
    name, outside = _dockerfile(root, dockerfile)
    ignored = Ignored(_lines(root / _IGNORE))
    packed = tempfile.TemporaryFile()  # noqa: SIM115
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in _chosen(root, ignored, (name, _IGNORE)):
            archive.add(root / path, path, recursive=False, filter=_owned_by_root)
        if outside is not None:
            _add(archive, name, outside)
    packed.seek(0)
    return packed, name


def pack_stdin(stream: IO[bytes], dockerfile: str) -> tuple[IO[bytes], str]:
    """Standard input: a tar as it is, else a Dockerfile alone."""
    content = stream.read()
    packed = tempfile.TemporaryFile()  # noqa: SIM115
    place, magic = _TAR_MAGIC
    if content.startswith(_COMPRESSED) or content[place : place + len(magic)] == magic:
        packed.write(content)
    else:
        dockerfile = dockerfile or "Dockerfile"
        with tarfile.open(fileobj=packed, mode="w") as archive:
            _add(archive, dockerfile, content)
    packed.seek(0)
    return packed, dockerfile


def _dockerfile(root: Path, given: str) -> tuple[str, bytes | None]:
    """Its path in the context, and its content if it lies outside."""
    if given == "-":
        import sys

        return STDIN_DOCKERFILE, sys.stdin.buffer.read()
    path = Path(given) if given else root / "Dockerfile"
    if not path.exists():
        raise Ending(
            1,
            "unable to prepare context: unable to evaluate symlinks in Dockerfile path: "
            f"lstat {path.absolute()}: no such file or directory",
        )
    relative = os.path.relpath(path.absolute(), root.absolute())
    if relative.startswith("../"):
        return STDIN_DOCKERFILE, path.read_bytes()
    return relative, None


def _lines(path: Path) -> Sequence[str]:
    try:
        return path.read_text(encoding="utf-8-sig", errors="surrogateescape").splitlines()
    except OSError:
        return ()


def _chosen(root: Path, ignored: Ignored, always: Sequence[str]) -> Iterable[str]:
    """Paths to send, directories before what is in them."""
    for directory, inner, files in os.walk(root):
        here = os.path.relpath(directory, root)
        prefix = "" if here == "." else f"{here}/"
        links = [name for name in inner if os.path.islink(os.path.join(directory, name))]
        for name in sorted([*inner, *files]):
            path = prefix + name
            if path in always or not ignored.leaves_out(path):
                yield path
        needed = {each.split("/")[0] for each in always}
        inner[:] = sorted(
            name
            for name in inner
            if name not in links
            and (ignored.has_exceptions or name in needed or not ignored.leaves_out(prefix + name))
        )


def _owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    return member.replace(uid=0, gid=0, uname="", gname="", deep=False)


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    import io

    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
