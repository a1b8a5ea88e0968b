"""Paths inside a root: read and written as Docker does it, and never outside the root."""

import asyncio
import contextlib
import io
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fairlead.images.archive import PathArchives, go_mode
from fairlead.images.scope import Scope
from fairlead.model.errors import FairleadError, InvalidParameter, NotFound

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a secret next to it that nothing may reach."""
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "root"
    for name in ("d/e", "etc"):
        (root / name).mkdir(parents=True)
    (root / "d/f").write_text("content")
    (root / "etc/passwd").write_text("inside")
    (root / "relative").symlink_to("d")
    (root / "absolute").symlink_to("/d")
    (root / "escape").symlink_to("../../../../../../.." + str(tmp_path))
    (root / "dangling").symlink_to("/nowhere/else")
    (root / "loop").symlink_to("loop")
    return root


async def upload(content: bytes, size: int = 700) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def tar(*members: tuple[str, bytes, str | bytes], **values: int) -> bytes:
    """A tar of (name, type, content or link target)."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, detail in members:
            member = tarfile.TarInfo(name)
            member.type, member.mode = kind, 0o644
            member.uid, member.gid = os.getuid(), os.getgid()
            for key, value in values.items():
                setattr(member, key, value)
            if isinstance(detail, bytes):
                member.size = len(detail)
                archive.addfile(member, io.BytesIO(detail))
            else:
                member.linkname = detail
                archive.addfile(member)
    return buffer.getvalue()


def put(root: Path, path: str, content: bytes, keep_kinds: bool = False) -> None:
    asyncio.run(PathArchives().put(str(root), path, upload(content), keep_kinds, False))


def got(root: Path, path: str) -> tarfile.TarFile:
    async def collect() -> bytes:
        _, pieces = await PathArchives().get(str(root), path)
        return b"".join([piece async for piece in pieces])

    return tarfile.open(fileobj=io.BytesIO(asyncio.run(collect())))


REG, DIR, SYM, LNK = tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


# What dockerd 20.10 tells in X-Docker-Container-Path-Stat.
@pytest.mark.parametrize(
    ("path", "name", "kind", "target"),
    [
        ("/d/f", "f", 0, ""),
        ("d/f", "f", 0, ""),
        ("/d", "d", 1 << 31, ""),
        ("/d/", "d", 1 << 31, ""),
        ("/d/.", ".", 1 << 31, ""),
        ("/", "/", 1 << 31, ""),
        (".", ".", 1 << 31, ""),
        ("/d/e/../f", "f", 0, ""),
        ("/relative", "relative", 1 << 27, "/d"),
        ("/absolute", "absolute", 1 << 27, "/d"),
        ("/absolute/f", "f", 0, ""),
        ("/relative/", "relative", 1 << 31, ""),
        ("/dangling", "dangling", 1 << 27, "/nowhere/else"),
        ("/../../d/f", "f", 0, ""),
    ],
)
def test_stat_says_what_docker_says(root: Path, path: str, name: str, kind: int, target: str) -> None:
    status = asyncio.run(PathArchives().stat(str(root), path))
    assert (status.name, status.mode >> 20 << 20, status.link_target) == (name, kind, target)


def test_stat_has_size_mode_and_time(root: Path) -> None:
    os.chmod(root / "d/f", 0o2751)
    os.utime(root / "d/f", ns=(5, 1_600_000_000_123_456_789))
    status = asyncio.run(PathArchives().stat(str(root), "/d/f"))
    assert (status.size, status.mode, status.modified) == (7, 0o751 | 1 << 22, 1_600_000_000_123_456_789)


def test_kinds_in_gos_bits() -> None:
    assert go_mode(0o100644) == 0o644
    assert go_mode(0o041777) == 0o777 | 1 << 31 | 1 << 20
    assert go_mode(0o020666) == 0o666 | 1 << 26 | 1 << 21
    assert go_mode(0o104755) == 0o755 | 1 << 23


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("/absent", NotFound, "Could not find the file /absent"),
        ("/dangling/x", NotFound, "Could not find the file /dangling/x"),
        ("/dangling/", NotFound, "Could not find the file /dangling/"),
        ("/d/f/x", InvalidParameter, "lstat /d/f/x: not a directory"),
        ("/d/f/", InvalidParameter, "lstat /d/f/: not a directory"),
        ("/loop/x", InvalidParameter, "lstat /loop/x: too many levels of symbolic links"),
        ("", InvalidParameter, "bad parameter: path cannot be empty"),
        ("/a\0b", InvalidParameter, "bad parameter: path holds a null byte"),
    ],
)
def test_what_is_not_there_is_named(root: Path, path: str, kind: type[FairleadError], message: str) -> None:
    with pytest.raises(kind) as caught:
        asyncio.run(PathArchives().stat(str(root), path))
    assert caught.value.message == message


def test_a_link_out_of_the_root_ends_inside_it(root: Path) -> None:
    for path in ("/escape/secret", "/escape/root/d/f", "/d/e/../../../secret"):
        with pytest.raises(NotFound):
            asyncio.run(PathArchives().stat(str(root), path))
    with Scope(str(root)) as scope:
        assert scope.target("/escape/secret") == f"{root.parent}/secret"  # as a path inside


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/d", ["d", "d/e", "d/f"]),
        ("/d/.", [".", "./e", "./f"]),
        ("/absolute/", ["absolute", "absolute/e", "absolute/f"]),
        ("/absolute", ["absolute"]),
        ("/d/f", ["f"]),
        ("/etc", ["etc", "etc/passwd"]),
    ],
)
def test_get_names_members_after_the_last_component(root: Path, path: str, names: list[str]) -> None:
    assert got(root, path).getnames() == names


def test_get_of_the_root_names_members_from_the_root(root: Path) -> None:
    names = got(root, "/").getnames()
    assert {"/d", "/d/f", "/etc/passwd"} <= set(names)
    assert names[0] == ""  # "/", which tarfile reads so


def test_get_keeps_what_a_file_is(root: Path) -> None:
    os.link(root / "d/f", root / "d/g")
    os.mkfifo(root / "d/pipe")
    os.chmod(root / "d/f", 0o4711)
    archive = got(root, "/d")
    first, second = archive.getmember("d/f"), archive.getmember("d/g")
    assert (first.type, first.mode) == (REG, 0o4711)
    assert (second.type, second.linkname) == (LNK, "d/f")
    assert archive.getmember("d/pipe").type == tarfile.FIFOTYPE
    assert archive.extractfile("d/f").read() == b"content"  # type: ignore[union-attr]


def test_names_that_are_no_text_survive(root: Path) -> None:
    odd = b"\xff\xfe\n'"
    (root / "d" / os.fsdecode(odd)).write_text("odd")
    put(root, "/etc", b"".join([asyncio.run(_collected(root, "/d"))]))
    assert (root / "etc/d" / os.fsdecode(odd)).read_text() == "odd"


async def _collected(root: Path, path: str) -> bytes:
    _, pieces = await PathArchives().get(str(root), path)
    return b"".join([piece async for piece in pieces])


def test_members_are_in_order_each_directory_before_what_is_in_it(root: Path) -> None:
    for path in ("d/b/x/y", "d/a", "d/c"):
        (root / path).mkdir(parents=True)
    (root / "d/b/0").write_text("")
    names = ["d", "d/a", "d/b", "d/b/0", "d/b/x", "d/b/x/y", "d/c", "d/e", "d/f"]
    assert got(root, "/d").getnames() == names


def test_export_has_everything_without_a_prefix(root: Path) -> None:
    async def collect() -> bytes:
        return b"".join([piece async for piece in await PathArchives().export(str(root))])

    with tarfile.open(fileobj=io.BytesIO(asyncio.run(collect()))) as archive:
        names = archive.getnames()
    assert {"d", "d/f", "etc/passwd", "absolute"} <= set(names)


def test_a_reader_that_goes_away_ends_the_archive(root: Path) -> None:
    (root / "large").write_bytes(bytes(8 << 20))

    async def take_one() -> None:
        pieces = await PathArchives().export(str(root))
        async for _ in pieces:
            break
        await pieces.aclose()  # type: ignore[attr-defined]

    asyncio.run(asyncio.wait_for(take_one(), 10))


def test_put_creates_what_the_archive_holds(root: Path) -> None:
    put(
        root,
        "/d",
        tar(("new/", DIR, ""), ("new/file", REG, b"abc"), ("link", SYM, "../x"), ("hard", LNK, "new/file")),
    )
    assert (root / "d/new/file").read_bytes() == b"abc"
    assert os.readlink(root / "d/link") == "../x"
    assert (root / "d/hard").samefile(root / "d/new/file")


def test_put_keeps_mode_and_time_also_of_directories(root: Path) -> None:
    content = tar(("new", DIR, ""), ("new/file", REG, b"abc"), mode=0o2750, mtime=1_600_000_000)
    put(root, "/d", content)
    for path in ("d/new", "d/new/file"):
        status = os.stat(root / path)
        assert (status.st_mode & 0o7777, status.st_mtime) == (0o2750, 1_600_000_000)


@needs_root
def test_put_keeps_owners_devices_and_set_id_bits(root: Path) -> None:
    put(root, "/d", tar(("owned", REG, b"x"), uid=1234, gid=2345, mode=0o6711))
    put(root, "/d", tar(("null", tarfile.CHRTYPE, ""), devmajor=1, devminor=3))
    status = os.stat(root / "d/owned")
    assert (status.st_uid, status.st_gid, status.st_mode & 0o7777) == (1234, 2345, 0o6711)
    assert os.stat(root / "d/null").st_rdev == os.makedev(1, 3)


@needs_root
def test_capabilities_travel(root: Path) -> None:
    granted = b"\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
    os.setxattr(root / "d/f", "security.capability", granted)
    put(root, "/etc", asyncio.run(_collected(root, "/d/f")))
    assert os.getxattr(root / "etc/f", "security.capability") == granted


@pytest.mark.parametrize("compression", ["gz", "bz2", "xz"])
def test_put_takes_compressed_archives(root: Path, compression: str) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{compression}") as archive:  # type: ignore[call-overload]
        member = tarfile.TarInfo("file")
        member.size, member.uid, member.gid = 3, os.getuid(), os.getgid()
        archive.addfile(member, io.BytesIO(b"abc"))
    put(root, "/d", buffer.getvalue())
    assert (root / "d/file").read_bytes() == b"abc"


def test_put_follows_links_inside_the_root_only(root: Path) -> None:
    put(root, "/d", tar(("out", SYM, "/etc"), ("out/evil", REG, b"abc")))
    assert (root / "etc/evil").read_bytes() == b"abc"
    put(root, "/absolute", tar(("through", REG, b"abc")))
    assert (root / "d/through").exists()
    inner = root / str(root.parent)[1:]
    inner.mkdir(parents=True)
    put(root, "/d", tar(("up", SYM, f"../../../../..{root.parent}"), ("up/secret", REG, b"overwritten")))
    assert (inner / "secret").read_bytes() == b"overwritten"
    assert (root.parent / "secret").read_text() == "secret"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tar(("../../evil", REG, b"x")), '"../../evil" is outside of "/d"'),
        (tar(("a/../../evil", REG, b"x")), '"a/../../evil" is outside of "/d"'),
        (tar(("hard", LNK, "../../../etc/passwd")), 'invalid hardlink "hard" -> "../../../etc/passwd"'),
        (b"garbage\n", "unexpected EOF"),
        (tar(("file", REG, b"x" * 5000))[:3000], "unexpected EOF"),
        (b"\x1f\x8b" + b"broken" * 100, "unexpected EOF"),
    ],
)
def test_hostile_and_broken_archives_are_refused(root: Path, content: bytes, reason: str) -> None:
    with pytest.raises(InvalidParameter) as caught:
        put(root, "/d", content)
    assert caught.value.message == f"Error processing tar file(exit status 1): {reason}"
    assert sorted(each.name for each in root.parent.iterdir()) == ["root", "secret"]


def test_absolute_names_land_below_the_directory(root: Path) -> None:
    put(root, "/d", tar(("/abs/file", REG, b"abc")))
    assert (root / "d/abs/file").read_bytes() == b"abc"


def test_an_empty_upload_is_an_empty_archive(root: Path) -> None:
    put(root, "/d", b"")
    assert sorted(each.name for each in (root / "d").iterdir()) == ["e", "f"]


@pytest.mark.parametrize(
    ("member", "message"),
    [
        (("e", REG, b"x"), 'cannot overwrite directory "/d/e" with non-directory "/d"'),
        (("f", DIR, ""), 'cannot overwrite non-directory "/d/f" with directory "/d"'),
    ],
)
def test_kinds_are_kept_when_asked_for(root: Path, member: tuple[str, bytes, str], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message.replace("(", r"\(")):
        put(root, "/d", tar(member), keep_kinds=True)
    put(root, "/d", tar(member))
    assert (root / "d" / member[0]).is_dir() == (member[1] == DIR)


@pytest.mark.parametrize(
    ("path", "kind", "message"),
    [
        ("/absent", NotFound, "Could not find the file /absent"),
        ("/dangling", NotFound, "Could not find the file /dangling"),
        ("/d/f", InvalidParameter, "extraction point is not a directory"),
    ],
)
def test_put_needs_a_directory(root: Path, path: str, kind: type[FairleadError], message: str) -> None:
    with pytest.raises(kind) as caught:
        put(root, path, tar(("x", REG, b"x")))
    assert caught.value.message == message


def test_an_upload_that_breaks_off_is_told(root: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield tar(("file", REG, b"x" * 100_000))[:50_000]
        raise ConnectionResetError("the client has gone")

    with pytest.raises(ConnectionResetError):
        asyncio.run(PathArchives().put(str(root), "/d", broken(), False, False))


names = st.lists(
    st.sampled_from(["..", ".", "d", "e", "escape", "absolute", "x", "/"]), min_size=1, max_size=5
)
entries = st.tuples(
    names.map("/".join),
    st.sampled_from([REG, DIR, SYM, LNK]),
    names.map("/".join),
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(entries, max_size=6), st.sampled_from(["/", "/d", "/escape", "/absolute/e"]))
def test_nothing_is_ever_written_outside(
    tmp_path_factory: pytest.TempPathFactory, members: list[tuple[str, bytes, str]], path: str
) -> None:
    outer = tmp_path_factory.mktemp("outer")
    fresh = outer / "root"
    (fresh / "d/e").mkdir(parents=True)
    (fresh / "absolute").symlink_to("/d")
    (fresh / "escape").symlink_to("../../../../../../../../../.." + str(outer))
    (outer / "secret").write_text("secret")
    before = os.stat(outer).st_mtime_ns
    content = tar(*((n, kind, b"evil" if kind == REG else detail) for n, kind, detail in members))
    with contextlib.suppress(FairleadError):
        put(fresh, path, content)
    assert os.stat(outer).st_mtime_ns == before
    assert (outer / "secret").read_text() == "secret"
