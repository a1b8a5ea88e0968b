"""One suite for every Images: containers/storage with a real registry, and the fake."""

import asyncio
import gzip
import io
import os
import shutil
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fairlead.boundary import Images
from fairlead.images.packing import chain_ids
from fairlead.images.storage import ContainerStorage
from fairlead.lab.images import Layer, archive
from fairlead.model.errors import FairleadError, InvalidParameter, NotFound, Unauthorized
from fairlead.model.image import Credentials, ImageConfig, Origin
from tests.fakes.images import FakeImages, FakeRegistry
from tests.kernel.fresh_host import in_fresh_host
from tests.kernel.image_registry import PASSWORD, USER, registry

PROGRAMS = ("skopeo", "containers-storage", "docker-registry")
CONTAINER, OTHER = "c" * 64, "d" * 64
NOBODY = Credentials()

BASE = Layer().file("/bin/tool", b"#!/bin/true\n", 0o755).file("/etc/name", b"base\n").directory("/var/old")
BASE.link("/bin/alias", "tool")
UPPER = Layer().file("/www/index.html", b"hello\n")
SMALL = archive("small", [BASE], {"Cmd": ["tool"], "Labels": {"a": "b"}, "ExposedPorts": {"80/tcp": {}}})
LARGE = archive("large:v1", [BASE, UPPER], {"Cmd": ["serve"]})
BASE_SIZE = len(b"#!/bin/true\n") + len(b"base\n") + len("tool")


class World:
    """A store to be tried; `told` are the messages of its work."""

    def __init__(self, images: Images, open_registry: Callable[[bool], AbstractAsyncContextManager[str]]):
        self.images = images
        self.registry = open_registry
        self.told: list[Mapping[str, object]] = []

    async def tell(self, message: Mapping[str, object]) -> None:
        self.told.append(message)

    def streamed(self) -> list[object]:
        """The texts of the messages that have one."""
        return [message["stream"] for message in self.told if "stream" in message]

    async def load(self, content: bytes) -> None:
        await self.images.load(upload(content), self.tell)

    async def save(self, *references: str) -> bytes:
        return b"".join([piece async for piece in self.images.save(references)])


Case = Callable[[World], Coroutine[Any, Any, None]]
Play = Callable[[Case], None]

real = pytest.param(
    "real",
    marks=[
        pytest.mark.kernel,
        pytest.mark.skipif(
            os.geteuid() != 0 or not all(map(shutil.which, PROGRAMS)), reason="needs root and the programs"
        ),
    ],
)


@pytest.fixture(params=["fake", real])
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Play:
    """Runs a case with an empty store."""

    def with_fake(case: Case) -> None:
        @asynccontextmanager
        async def reached(locked: bool) -> AsyncIterator[str]:
            yield "127.0.0.1:5000"

        asyncio.run(case(World(FakeImages(tmp_path, FakeRegistry()), reached)))

    def with_storage(case: Case) -> None:
        async def body() -> None:
            images = ContainerStorage(tmp_path / "data", tmp_path / "exec")
            await case(World(images, lambda locked: registry(tmp_path / "registry", locked=locked)))
            assert list((tmp_path / "data/scratch").iterdir()) == []
            mounts = Path("/proc/self/mountinfo").read_text()
            assert str(tmp_path) not in mounts, "a mount is left over"

        in_fresh_host(body)

    return with_fake if request.param == "fake" else with_storage


async def upload(content: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(content), 5000):
        yield content[start : start + 5000]


async def refused(wanted: Awaitable[object], kind: type[FairleadError], message: str) -> None:
    """The call fails so."""
    with pytest.raises(kind) as caught:
        await wanted
    assert caught.value.message == message


def test_an_archive_is_loaded_and_its_image_found_in_every_way(play: Play) -> None:
    async def case(world: World) -> None:
        await world.load(SMALL)
        assert world.streamed() == ["Loaded image: small:latest\n"]
        (image,) = await world.images.list()
        assert (image.tags, image.digests, image.size) == (("small:latest",), (), BASE_SIZE)
        assert (image.config.cmd, image.config.labels) == (("tool",), {"a": "b"})
        assert image.config.exposed_ports == ("80/tcp",)
        assert len(image.layers) == 1
        ways = ("small", "small:latest", "docker.io/library/small", image.id, f"sha256:{image.id}")
        for reference in (*ways, image.id[:12], f"sha256:{image.id[:5]}"):
            assert await world.images.resolve(reference) == image

    play(case)


@pytest.mark.parametrize(
    ("reference", "kind", "message"),
    [
        ("absent", NotFound, "No such image: absent:latest"),
        ("absent:v1", NotFound, "No such image: absent:v1"),
        ("docker.io/library/absent", NotFound, "No such image: absent:latest"),
        ("small:v9", NotFound, "No such image: small:v9"),
        ("a" * 64, NotFound, f"No such image: sha256:{'a' * 64}"),
        (f"small@sha256:{'a' * 64}", NotFound, f"No such image: small@sha256:{'a' * 64}"),
        ("UPPER", InvalidParameter, "invalid reference format: repository name must be lowercase"),
        ("a b", InvalidParameter, "invalid reference format"),
        ("", InvalidParameter, "invalid reference format"),
    ],
)
def test_what_is_not_there_is_told_in_dockers_words(
    play: Play, reference: str, kind: type[FairleadError], message: str
) -> None:
    async def case(world: World) -> None:
        await refused(world.images.resolve(reference), kind, message)
        await world.load(SMALL)
        await refused(world.images.resolve(reference), kind, message)

    play(case)


def test_compressed_archives_are_loaded_too(play: Play) -> None:
    async def case(world: World) -> None:
        await world.load(gzip.compress(LARGE))
        assert (await world.images.resolve("large:v1")).config.cmd == ("serve",)

    play(case)


def test_a_name_moves_to_the_image_loaded_last(play: Play) -> None:
    async def case(world: World) -> None:
        await world.load(SMALL)
        old = await world.images.resolve("small")
        await world.load(archive("small", [BASE, UPPER], {}))
        told = f"The image small:latest already exists, renaming the old one with ID sha256:{old.id} to empty"
        assert world.streamed()[1:] == [f"{told} string\n", "Loaded image: small:latest\n"]
        assert (await world.images.resolve(old.id)).tags == ()
        assert (await world.images.resolve("small")).id != old.id

    play(case)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"garbage\n", "Error processing tar file(exit status 1): unexpected EOF"),
        (SMALL[:3000], "Error processing tar file(exit status 1): unexpected EOF"),
        (gzip.compress(SMALL)[:500], "Error processing tar file(exit status 1): unexpected EOF"),
        (BASE.tar(), "cannot load the archive: it has neither a manifest.json nor an index.json"),
        (
            Layer().file("manifest.json", b'{"a": 1}').tar(),
            "cannot load the archive: its list of images is malformed",
        ),
        (
            Layer().file("manifest.json", b'[{"Config": 1').tar(),
            "cannot load the archive: its list of images is malformed",
        ),
    ],
    ids=["garbage", "cut", "cut-compressed", "no-manifest", "no-list", "no-json"],
)
def test_unusable_archives_are_refused_and_change_nothing(play: Play, content: bytes, message: str) -> None:
    async def case(world: World) -> None:
        await refused(world.load(content), InvalidParameter, message)
        assert await world.images.list() == []

    play(case)


def test_an_upload_that_breaks_off_leaves_nothing(play: Play) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield SMALL[:20_000]
        raise ConnectionResetError("the client has gone")

    async def case(world: World) -> None:
        with pytest.raises(ConnectionResetError):
            await world.images.load(broken(), world.tell)
        with pytest.raises(ConnectionResetError):
            await world.images.import_(broken(), "made", "", ImageConfig())
        assert await world.images.list() == []

    play(case)


def test_names_are_given_and_taken_away(play: Play) -> None:
    async def case(world: World) -> None:
        images = world.images
        await world.load(SMALL)
        small = await images.resolve("small")
        for name in ("team/box:v2", "registry:5000/box", "localhost/box:v1"):
            await images.tag(small, name)
        tagged = await images.resolve("team/box:v2")
        assert tagged.id == small.id
        expected = ["localhost/box:v1", "registry:5000/box:latest", "small:latest", "team/box:v2"]
        assert sorted(tagged.tags) == expected
        await images.untag("small")
        await images.untag("registry:5000/box:latest")
        assert sorted((await images.resolve(small.id)).tags) == ["localhost/box:v1", "team/box:v2"]
        await refused(images.untag("small"), NotFound, "No such image: small:latest")
        await images.untag("localhost/box:v1")
        await images.untag("team/box:v2")
        assert [image.tags for image in await images.list()] == [()]

    play(case)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Bad", "invalid reference format: repository name must be lowercase"),
        ("bad name", "invalid reference format"),
        (f"box@sha256:{'a' * 64}", "refusing to create a tag with a digest reference"),
        ("sha256:abc", "refusing to create an ambiguous tag using digest algorithm as name"),
        ("", "invalid reference format"),
    ],
)
def test_names_that_no_image_may_have_are_refused(play: Play, name: str, message: str) -> None:
    async def case(world: World) -> None:
        await world.load(SMALL)
        small = await world.images.resolve("small")
        await refused(world.images.tag(small, name), InvalidParameter, message)
        assert (await world.images.resolve("small")).tags == ("small:latest",)

    play(case)


def test_layers_are_shared_and_go_with_their_last_image(play: Play) -> None:
    async def case(world: World) -> None:
        await world.load(SMALL)
        await world.load(LARGE)
        small, large = await world.images.resolve("small"), await world.images.resolve("large:v1")
        assert small.layers[0] == large.layers[0]
        assert large.size == small.size + len(b"hello\n")
        deleted = await world.images.remove(small)
        assert deleted == [f"sha256:{small.id}"]
        deleted = await world.images.remove(large)
        assert len(deleted) == 3
        assert (deleted[0], deleted[-1]) == (f"sha256:{large.id}", large.layers[0])
        assert await world.images.list() == []
        await refused(world.images.remove(large), NotFound, f"No such image: sha256:{large.id}")

    play(case)


def test_saved_images_are_the_same_when_loaded_again(play: Play) -> None:
    async def case(world: World) -> None:
        images = world.images
        await world.load(SMALL)
        await world.load(LARGE)
        await images.tag(await images.resolve("large:v1"), "large:v2")
        before = await images.list()
        content = await world.save("small", "large")
        with tarfile.open(fileobj=io.BytesIO(content)) as saved:
            layers = [name for name in saved.getnames() if name.endswith("layer.tar")]
        assert len(layers) == len(set(layers)) == 2
        for image in before:
            await images.remove(image)
        await world.load(content)
        assert await images.list() == before

    play(case)


def test_an_image_saved_by_its_id_has_no_name(play: Play) -> None:
    async def case(world: World) -> None:
        await world.load(SMALL)
        small = await world.images.resolve("small")
        content = await world.save(small.id[:12])
        await world.images.remove(small)
        await world.load(content)
        assert world.streamed()[-1] == f"Loaded image ID: sha256:{small.id}\n"
        assert (await world.images.resolve(small.id)).tags == ()

    play(case)


def test_saving_what_is_not_there_is_refused(play: Play) -> None:
    async def case(world: World) -> None:
        await refused(world.save("absent"), NotFound, "No such image: absent:latest")

    play(case)


def test_a_root_filesystem_becomes_an_image(play: Play) -> None:
    async def case(world: World) -> None:
        config = ImageConfig(env=("A=b",), cmd=("tool",), exposed_ports=("80/tcp",), labels={"x": "y"})
        image = await world.images.import_(upload(BASE.tar()), "made:v1", "by hand", config)
        assert (image.tags, image.config, image.comment) == (("made:v1",), config, "by hand")
        assert (await world.images.resolve("made:v1"), image.size) == (image, BASE_SIZE)
        (entry,) = await world.images.history(image)
        assert (entry.id, entry.comment, entry.size) == (image.id, "by hand", BASE_SIZE)
        other = await world.images.import_(upload(gzip.compress(UPPER.tar())), "", "", ImageConfig())
        assert other.tags == ()
        message = "Error processing tar file(exit status 1): unexpected EOF"
        bad = world.images.import_(upload(b"garbage\n"), "bad", "", ImageConfig())
        await refused(bad, InvalidParameter, message)
        bad = world.images.import_(upload(BASE.tar()), "BAD", "", ImageConfig())
        message = "invalid reference format: repository name must be lowercase"
        await refused(bad, InvalidParameter, message)
        assert len(await world.images.list()) == 2

    play(case)


def test_a_root_is_made_kept_and_deleted(play: Play) -> None:
    async def case(world: World) -> None:
        images = world.images
        await world.load(LARGE)
        image = await images.resolve("large:v1")
        root = await images.prepare(CONTAINER, image)
        other = await images.prepare(OTHER, image)
        assert (Path(root.path) / "etc/name").read_text() == "base\n"
        assert (Path(root.path) / "www/index.html").read_text() == "hello\n"
        (Path(root.path) / "mine").write_text("mine")
        assert await images.prepare(CONTAINER, image) == root
        assert await images.root(CONTAINER) == root
        await images.release(CONTAINER)
        await images.release(CONTAINER)
        assert await images.root(CONTAINER) == root
        assert (Path(root.path) / "mine").read_text() == "mine"
        assert not (Path(other.path) / "mine").exists()
        for _ in range(2):
            await images.discard(CONTAINER)
            await images.discard(OTHER)
        assert not Path(root.path).exists()
        gone = f"cannot use the root filesystem of {CONTAINER[:12]}: there is none"
        await refused(images.root(CONTAINER), NotFound, gone)
        fresh = await images.prepare(CONTAINER, image)
        assert not (Path(fresh.path) / "mine").exists()
        await images.discard(CONTAINER)

    play(case)


def test_changes_are_what_a_container_did(play: Play) -> None:
    async def case(world: World) -> None:
        images = world.images
        await world.load(SMALL)
        root = await images.prepare(CONTAINER, await images.resolve("small"))
        assert (await images.changes(root), await images.size(root)) == ([], 0)
        path = Path(root.path)
        (path / "etc/name").write_text("changed\n")
        (path / "etc/new").write_text("12345")
        (path / "bin/alias").unlink()
        (path / "deep/er").mkdir(parents=True)
        (path / "deep/er/file").write_text("1")
        changed = [
            ("/bin", 0),
            ("/bin/alias", 2),
            ("/deep", 1),
            ("/deep/er", 1),
            ("/deep/er/file", 1),
            ("/etc", 0),
            ("/etc/name", 0),
            ("/etc/new", 1),
        ]
        assert await images.changes(root) == changed
        assert await images.size(root) == len("changed\n") + 5 + 1
        await images.discard(CONTAINER)

    play(case)


def test_a_container_becomes_an_image(play: Play) -> None:
    async def case(world: World) -> None:
        images = world.images
        await world.load(SMALL)
        parent = await images.resolve("small")
        root = await images.prepare(CONTAINER, parent)
        (Path(root.path) / "etc/name").write_text("mine\n")
        (Path(root.path) / "bin/alias").unlink()
        config = replace(parent.config, cmd=("other", "words"))
        origin = Origin(CONTAINER, "small", ("edit", "it"))
        image = await images.commit(root, parent, "mine:v1", config, "Anna", "a comment", origin)
        assert image.origin == origin
        assert parent.origin is None
        assert (image.tags, image.config, image.author) == (("mine:v1",), config, "Anna")
        assert (image.comment, image.parent) == ("a comment", parent.id)
        assert image.layers[:-1] == parent.layers
        assert image.size == parent.size + len(b"mine\n")
        newest, oldest = await images.history(image)
        assert (newest.id, newest.comment, newest.created_by) == (image.id, "a comment", "edit it")
        assert (newest.tags, oldest.id, oldest.tags) == (("mine:v1",), parent.id, ("small:latest",))
        made = await images.prepare(OTHER, image)
        assert (Path(made.path) / "etc/name").read_text() == "mine\n"
        assert not os.path.lexists(Path(made.path) / "bin/alias")
        assert (Path(made.path) / "bin/tool").exists()
        await refused(
            images.commit(root, parent, "BAD", config, "", ""),
            InvalidParameter,
            "invalid reference format: repository name must be lowercase",
        )
        for container in (CONTAINER, OTHER):
            await images.discard(container)
        assert await images.remove(image) == [f"sha256:{image.id}", *chain_ids(image.layers)[-1:]]

    play(case)


def test_an_image_comes_back_from_a_registry(play: Play) -> None:
    async def case(world: World) -> None:
        images = world.images
        await world.load(LARGE)
        image = await images.resolve("large:v1")
        async with world.registry(False) as domain:
            name = f"{domain}/team/large:v1"
            await images.tag(image, name)
            await images.push(name, NOBODY, world.tell)
            last = world.told[-1]["aux"]
            assert isinstance(last, dict)
            digest = str(last["Digest"])
            assert world.told[-2] == {"status": f"v1: digest: {digest} size: {last['Size']}"}
            assert (await images.resolve(name)).digests == (f"{domain}/team/large@{digest}",)
            await images.remove(image)
            world.told.clear()
            pulled = await images.pull(name, NOBODY, world.tell)
            assert (pulled.id, pulled.layers, pulled.size) == (image.id, image.layers, image.size)
            assert (pulled.tags, pulled.digests) == ((name,), (f"{domain}/team/large@{digest}",))
            assert world.told[0] == {"status": "Pulling from team/large", "id": "v1"}
            newer = f"Status: Downloaded newer image for {name}"
            assert world.told[-2:] == [{"status": f"Digest: {digest}"}, {"status": newer}]
            world.told.clear()
            assert await images.pull(name, NOBODY, world.tell) == pulled
            assert len(world.told) == 3
            assert world.told[-1] == {"status": f"Status: Image is up to date for {name}"}
            exact = f"{domain}/team/large@{digest}"
            assert (await images.resolve(exact)).id == image.id
            await images.untag(name)
            assert ((await images.resolve(image.id)).tags, (await images.resolve(image.id)).digests) == (
                (),
                (),
            )
            world.told.clear()
            assert (await images.pull(exact, NOBODY, world.tell)).digests == (exact,)
            assert world.told[0] == {"status": "Pulling from team/large", "id": exact}

    play(case)


def test_what_a_registry_does_not_have_is_told_in_dockers_words(play: Play) -> None:
    async def case(world: World) -> None:
        images = world.images
        async with world.registry(False) as domain:
            name = f"{domain}/team/absent"
            unknown = f"manifest for {name}:v1 not found: manifest unknown: manifest unknown"
            await refused(images.pull(f"{name}:v1", NOBODY, world.tell), NotFound, unknown)
            reason = "name unknown: repository name not known to registry"
            unknown = f"repository {name} not found: {reason}"
            await refused(images.pull(name, NOBODY, world.tell), NotFound, unknown)
            assert world.told == [], "a client is told of a failure only while nothing else was told"
            message = f"An image does not exist locally with the tag: {domain}/box"
            await refused(images.push(f"{domain}/box:v1", NOBODY, world.tell), NotFound, message)
            await refused(images.push(f"{domain}/box", NOBODY, world.tell), NotFound, message)
        assert await images.list() == []

    play(case)


def test_a_registry_tells_what_it_has(play: Play) -> None:
    async def case(world: World) -> None:
        await world.load(SMALL)
        image = await world.images.resolve("small")
        async with world.registry(False) as domain:
            name = f"{domain}/team/box:v1"
            await world.images.tag(image, name)
            await world.images.push(name, NOBODY, world.tell)
            pushed = next(line["aux"] for line in world.told if "aux" in line)
            found = await world.images.look_up(name, NOBODY)
            assert {"Tag": "v1", "Digest": found.digest, "Size": found.size} == pushed
            assert found.media_type == "application/vnd.docker.distribution.manifest.v2+json"
            platforms = [(platform.architecture, platform.os) for platform in found.platforms]
            assert platforms == [(image.architecture, image.os)]
            for absent in (f"{domain}/team/box:v2", f"{domain}/team/none"):
                await refused(
                    world.images.look_up(absent, NOBODY), NotFound, "manifest unknown: manifest unknown"
                )

    play(case)


def test_credentials_are_taken_or_refused(play: Play) -> None:
    async def case(world: World) -> None:
        async with world.registry(True) as domain:
            await world.images.authenticate(Credentials(USER, PASSWORD, server=domain))
            message = f"login attempt to http://{domain}/v2/ failed with status: 401 Unauthorized"
            wrong = Credentials(USER, "guessed", server=domain)
            await refused(world.images.authenticate(wrong), Unauthorized, message)

    play(case)


def test_a_repository_is_pushed_with_all_its_tags(play: Play) -> None:
    async def case(world: World) -> None:
        images = world.images
        await world.load(SMALL)
        image = await images.resolve("small")
        async with world.registry(False) as domain:
            for tag in ("a", "b"):
                await images.tag(image, f"{domain}/many:{tag}")
            await images.push(f"{domain}/many", NOBODY, world.tell)
            sent = [message["aux"] for message in world.told if "aux" in message]
            assert [each["Tag"] for each in sent if isinstance(each, dict)] == ["a", "b"]
            await images.remove(image)
            for tag in ("a", "b"):
                assert (await images.pull(f"{domain}/many:{tag}", NOBODY, world.tell)).id == image.id
            await images.remove(image)
            world.told.clear()
            assert (await images.pull(f"{domain}/many", NOBODY, world.tell)).id == image.id
            pulled = [message["id"] for message in world.told if message.get("id") in ("a", "b")]
            assert pulled == ["a", "b"]
            newer = f"Status: Downloaded newer image for {domain}/many"
            assert world.told[-1] == {"status": newer}
            assert len((await images.resolve(image.id)).tags) == 2

    play(case)
