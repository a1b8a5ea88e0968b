"""`fairlead cp`: files and directories between a container and this machine, as tar archives."""

import os
import posixpath
import stat
import tarfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import RawIOBase
from typing import Any, BinaryIO

from fairlead.cli.commands import Arguments, command
from fairlead.cli.copy_paths import End, keep_ending, names_content, resolve, split, split_argument
from fairlead.cli.files import check_output
from fairlead.cli.flags import Flag, Values
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.session import Session
from fairlead.cli.units import human_size
from fairlead.client.errors import Refused

# The bits of a mode as Go counts them, which the API uses.
_GO_DIRECTORY, _GO_LINK = 1 << 31, 1 << 27
_GO_SPECIAL = 1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19


@command(
    "cp [OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\ncp [OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH",
    Flag("archive", "Archive mode (copy all uid/gid information)", short="a"),
    Flag("follow-link", "Always follow symbol link in SRC_PATH", short="L"),
    Flag(
        "quiet",
        "Suppress progress output during copy. Progress output is automatically suppressed if no terminal is "
        "attached",
        short="q",
    ),
    arguments=Arguments(2, 2, "containers"),
    aliases=("container cp", "cp"),
    more="Use '-' as the source to read a tar archive from stdin\n"
    "and extract it to a directory destination in a container.\n"
    "Use '-' as the destination to stream a tar archive of a\n"
    "container source to stdout.",
)
def cp(session: Session, values: Values, words: list[str]) -> None:
    """Copy into or out of a container."""
    if not words[0]:
        raise Ending(1, "source can not be empty")
    if not words[1]:
        raise Ending(1, "destination can not be empty")
    source, source_path = split_argument(words[0])
    target, target_path = split_argument(words[1])
    if source and target:
        raise Ending(1, "copying between containers is not supported")
    if not source and not target:
        raise Ending(1, "must specify at least one container source")
    follow = values.yes("follow-link")
    if source:
        size, shown = _from_container(session, source, source_path, target_path, follow)
    else:
        size, shown = _to_container(session, source_path, target, target_path, follow, values.yes("archive"))
    quiet = values.yes("quiet") if values.given("quiet") else not session.interactive(1)
    if not quiet and shown:
        session.complain(f"Successfully copied {human_size(size, 3)} to {shown}")


# --- out of a container ---------------------------------------------------------------------------


def _from_container(
    session: Session, container: str, source: str, target: str, follow: bool
) -> tuple[int, str]:
    if target != "-":
        target = keep_ending(os.path.abspath(target), target)
        try:
            check_output(target)
        except Invalid as problem:
            raise Ending(1, str(problem)) from None
    wanted = source
    if follow:
        source = _followed(session, container, source)
    answer, found = session.client.containers.download(container, source)
    if target == "-":
        for piece in answer.pieces():
            session.output.write(piece)
        return 0, ""
    there = End(target, os.path.exists(target), os.path.isdir(target))
    # After a link was followed the entry still gets the name that was asked for.
    named = wanted if follow and not names_content(source) else source
    directory, name = resolve(End(named, True, bool(found["mode"] & _GO_DIRECTORY)), there)
    reader = _Reader(answer.pieces())
    _unpack(reader, directory, split(source)[1], name)
    return reader.size, target


def _followed(session: Session, container: str, path: str) -> str:
    try:
        found = session.client.containers.path_stat(container, path)
    except Refused:
        return path
    if not found.get("mode", 0) & _GO_LINK:
        return path
    link = str(found["linkTarget"])
    whole = link if link.startswith("/") else posixpath.join(split(path)[0], link)
    return keep_ending(posixpath.normpath(whole), path)


class _Reader(RawIOBase):
    """Bytes that come in pieces, as a file; how many there were."""

    def __init__(self, pieces: Iterator[bytes]):
        super().__init__()
        self._pieces, self._left, self.size = pieces, b"", 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._left:
            self._left = next(self._pieces, b"")
        taken = self._left[: len(buffer)]
        buffer[: len(taken)] = taken
        self._left = self._left[len(taken) :]
        self.size += len(taken)
        return len(taken)


# Who owned a file in the container is nobody here: None leaves the owner alone.
_NOBODY: dict[str, Any] = {"uid": None, "gid": None, "uname": None, "gname": None}


def _unpack(archive: BinaryIO | RawIOBase, directory: str, old: str, new: str) -> None:
    """Unpack into a directory, what is named `old` as `new`; nothing lands outside of it."""

    def one(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo:
        kept = member.replace(
            name=renamed(member.name, old, new),
            linkname=renamed(member.linkname, old, new) if member.islnk() else member.linkname,
            deep=False,
            **_NOBODY,
        )
        _check_kind(kept, os.path.join(path, kept.name))
        return tarfile.tar_filter(kept, path).replace(mode=member.mode, deep=False)

    try:
        with tarfile.open(fileobj=archive, mode="r|*") as tar:
            tar.extractall(directory, filter=one)
        # What follows the archive's own end belongs to the answer all the same.
        while archive.read(65536):
            pass
    except tarfile.TarError as problem:
        raise Ending(1, f"cannot unpack the archive in {directory}: {problem}") from None


def _check_kind(member: tarfile.TarInfo, path: str) -> None:
    if not os.path.lexists(path):
        return
    is_directory = os.path.isdir(path) and not os.path.islink(path)
    if is_directory and not member.isdir():
        raise Ending(1, f'cannot overwrite directory "{path}" with non-directory "{path}"')
    if not is_directory and member.isdir() and not os.path.isdir(path):
        raise Ending(1, f'cannot overwrite non-directory "{path}" with directory "{path}"')


def renamed(name: str, old: str, new: str) -> str:
    """The name of an entry in an archive when its first part, `old`, is to be `new`."""
    if old == new:
        return name
    if old in ("/", "."):
        rest = name.removeprefix(old).lstrip("/") if name != old else ""
        return f"{new}/{rest}".rstrip("/")
    if name == old or name.startswith(f"{old}/"):
        return new + name[len(old) :]
    return name


# --- into a container -----------------------------------------------------------------------------


def _to_container(
    session: Session, source: str, container: str, target: str, follow: bool, owners: bool
) -> tuple[int, str]:
    containers = session.client.containers
    there = _target(session, container, target)
    if source == "-":
        if not there.is_directory:
            raise Ending(1, f'destination "{container}:{target}" must be a directory')
        import sys

        containers.upload(container, there.path, sys.stdin.buffer, owners)
        return 0, ""
    path = keep_ending(os.path.abspath(source), source)
    real = os.path.realpath(path) if follow else path
    try:
        here = os.lstat(real.rstrip("/") or "/") if not real.endswith("/") else os.stat(real)
    except OSError as problem:
        raise Ending(1, f"lstat {real}: {(problem.strerror or str(problem)).lower()}") from None
    directory, name = resolve(End(path, True, stat.S_ISDIR(here.st_mode)), there)
    with _packed(real, name) as (archive, sent):
        containers.upload(container, directory, archive, owners)
    return sum(sent), f"{container}:{there.path}"


def _target(session: Session, container: str, path: str) -> End:
    containers = session.client.containers
    try:
        found = containers.path_stat(container, path)
        whole = path
        if found["mode"] & _GO_LINK:
            link = str(found["linkTarget"])
            whole = link if link.startswith("/") else posixpath.join(split(path)[0], link)
            found = containers.path_stat(container, whole)
    except Refused:
        # It may be that it is to be created; whether it can be, the upload shows.
        return End(path)
    if found["mode"] & _GO_SPECIAL:
        reason = "got a device" if found["mode"] & (1 << 26) else "got an irregular file"
        raise Ending(1, f'destination "{container}:{path}" must be a directory or a regular file: {reason}')
    return End(whole, True, bool(found["mode"] & _GO_DIRECTORY))


@contextmanager
def _packed(path: str, name: str) -> Iterator[tuple[Iterable[bytes], list[int]]]:
    """A tar archive of what is at `path`, under `name`, made while it is read; and how many bytes it had."""
    reading, writing = os.pipe()
    problems: list[OSError] = []
    sent: list[int] = []

    def pack() -> None:
        try:
            with os.fdopen(writing, "wb") as pipe, tarfile.open(fileobj=pipe, mode="w|") as tar:
                tar.add(path.rstrip("/") or "/", arcname=name)
        except BrokenPipeError:
            pass
        except OSError as problem:
            problems.append(problem)

    worker = threading.Thread(target=pack, daemon=True)
    worker.start()
    with os.fdopen(reading, "rb") as pipe:

        def pieces() -> Iterator[bytes]:
            while piece := pipe.read1(65536):
                sent.append(len(piece))
                yield piece

        try:
            yield pieces(), sent
        finally:
            pipe.close()
            worker.join()
    if problems:
        problem = problems[0]
        raise Ending(1, f"{problem.filename or path}: {(problem.strerror or str(problem)).lower()}")
