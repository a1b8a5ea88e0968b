"""Images on the real tools: the shared store, real registries, overlay mounts, and failures."""

import asyncio
import hashlib
import io
import json
import os
import shutil
import subprocess
import tarfile
import urllib.request
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fairlead.images.archive import PathArchives
from fairlead.images.storage import ContainerStorage
from fairlead.lab.images import Layer, archive
from fairlead.model.errors import Conflict, Failed, InvalidParameter, NotFound
from fairlead.model.image import Credentials, Image, ImageConfig, Platform
from tests.kernel.fresh_host import in_fresh_host
from tests.kernel.image_registry import PASSWORD, USER, registry

pytestmark = pytest.mark.skipif(
    not all(map(shutil.which, ("skopeo", "containers-storage", "docker-registry", "podman", "buildah"))),
    reason="needs the programs",
)
CONTAINER = "c" * 64
NOBODY = Credentials()
BASE = Layer().file("/bin/tool", b"#!/bin/true\n", 0o755).file("/etc/name", b"base\n").file("/old/file", b"1")


async def upload(content: bytes) -> AsyncIterator[bytes]:
    yield content


class Messages(list[Mapping[str, object]]):
    """A progress that keeps what it is told."""

    async def __call__(self, message: Mapping[str, object]) -> None:
        self.append(message)

    def of(self, identity: str) -> list[str]:
        """The statuses of one layer, each once."""
        return list(dict.fromkeys(str(each["status"]) for each in self if each.get("id") == identity))


class Store:
    """A storage in a directory, and the other programs on it."""

    def __init__(self, directory: Path, mirrors: tuple[str, ...] = ()):
        self.data, self.run = directory / "data", directory / "exec"
        self._mirrors = mirrors
        self.told = Messages()
        self.open()

    def open(self) -> None:
        """A new adapter on the same directories, as a daemon that starts."""
        self.images = ContainerStorage(self.data, self.run, registry_mirrors=self._mirrors)

    async def load(self, *layers: Layer, name: str = "small") -> Image:
        await self.images.load(upload(archive(name, list(layers), {"Cmd": ["tool"]})), self.told)
        return await self.images.resolve(name)

    def tool(self, *argv: str) -> str:
        """Run podman, buildah or skopeo on the store, as docs tell."""
        environment = {**os.environ, "CONTAINERS_STORAGE_CONF": str(self.run / "storage.conf")}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def nothing_left(self) -> None:
        """No scratch, no mount."""
        assert list((self.data / "scratch").iterdir()) == []
        assert str(self.data / "roots") not in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("by_flags", [False, True], ids=["storage.conf", "--root"])
def test_podman_and_buildah_work_on_the_same_store(tmp_path: Path, by_flags: bool) -> None:
    async def body() -> None:
        store = Store(Path("/run"))  # Podman refuses a run root of more than 50 characters
        flags = ["--root", str(store.data / "storage"), "--runroot", str(store.run / "storage")]
        extra = flags if by_flags else []
        small = await store.load(BASE)
        assert store.tool("podman", *extra, "image", "inspect", "--format", "{{.Id}}", "small") == small.id
        store.tool("podman", *extra, "tag", "small", "localhost/theirs:v1")
        assert (await store.images.resolve("localhost/theirs:v1")).id == small.id
        working = store.tool("buildah", *extra, "from", "--name", "w", "localhost/theirs:v1")
        made = tmp_path / "made"
        made.write_text("made\n")
        store.tool("buildah", *extra, "copy", working, str(made), "/made")
        store.tool("buildah", *extra, "config", "--cmd", "serve", "--port", "81", working)
        store.tool("buildah", *extra, "commit", working, "localhost/built:v1")
        store.tool("buildah", *extra, "rm", working)
        built = await store.images.resolve("localhost/built:v1")
        assert (built.config.cmd, built.config.exposed_ports) == (("serve",), ("81",))
        root = await store.images.prepare(CONTAINER, built)
        assert (Path(root.path) / "made").read_text() == "made\n"
        await store.images.discard(CONTAINER)
        assert len(await store.images.list()) == 2
        again = b"".join([piece async for piece in store.images.save(["localhost/built:v1"])])
        await store.images.remove(built)
        assert "built" not in store.tool("podman", *extra, "images", "--noheading")
        await store.images.load(upload(again), store.told)
        assert (await store.images.resolve("localhost/built:v1")).id == built.id

    in_fresh_host(body)


def test_an_image_of_a_podman_container_is_not_removed(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        small = await store.load(BASE)
        store.tool("podman", "create", "--name", "theirs", "--network", "none", "small", "tool")
        with pytest.raises(Conflict, match=f"unable to delete {small.id[:12]}"):
            await store.images.remove(small)
        assert await store.images.resolve("small") == small
        store.tool("podman", "rm", "theirs")
        await store.images.remove(small)

    in_fresh_host(body)


def test_oci_archives_are_loaded_with_their_names(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        small = await store.load(BASE)
        for name, wanted in (("localhost/oci:v1", ("localhost/oci:v1",)), ("justatag", ())):
            path = tmp_path / f"{len(wanted)}.tar"
            store.tool("skopeo", "copy", f"containers-storage:@{small.id}", f"oci-archive:{path}:{name}")
            fresh = Store(tmp_path / f"fresh{len(wanted)}")
            await fresh.images.load(upload(path.read_bytes()), fresh.told)
            (loaded,) = await fresh.images.list()
            assert (loaded.tags, loaded.config.cmd, loaded.layers) == (wanted, ("tool",), small.layers)
            fresh.nothing_left()

    in_fresh_host(body)


def test_layers_travel_once_and_every_step_is_told(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        async with registry(tmp_path / "registry") as domain:
            upper = Layer().file("/large", os.urandom(3 << 20))
            small = await store.load(BASE, name=f"{domain}/small:v1")
            large = await store.load(BASE, upper, name=f"{domain}/large:v1")
            store.told.clear()
            await store.images.push(f"{domain}/small:v1", NOBODY, store.told)
            short = small.layers[0].removeprefix("sha256:")[:12]
            assert [step for step in store.told.of(short) if step != "Pushing"] == ["Preparing", "Pushed"]
            store.told.clear()
            await store.images.push(f"{domain}/small:v1", NOBODY, store.told)
            assert store.told.of(short) == ["Preparing", "Layer already exists"]
            await store.images.push(f"{domain}/large:v1", NOBODY, store.told)
            await store.images.remove(small)
            await store.images.remove(large)
            store.told.clear()
            await store.images.pull(f"{domain}/small:v1", NOBODY, store.told)
            (first,) = {str(each["id"]) for each in store.told if each["status"] == "Pulling fs layer"}
            assert store.told.of(first)[-2:] == ["Download complete", "Pull complete"]
            store.told.clear()
            await store.images.pull(f"{domain}/large:v1", NOBODY, store.told)
            assert store.told.of(first) == ["Already exists"]
            (second,) = {str(each["id"]) for each in store.told if each["status"] == "Pulling fs layer"}
            assert store.told.of(second)[-2:] == ["Download complete", "Pull complete"]
            assert len(list((store.data / "storage/overlay").glob("*/diff"))) == 2
            store.nothing_left()

    in_fresh_host(body)


def test_a_locked_registry_wants_credentials_that_nobody_else_sees(tmp_path: Path) -> None:
    async def body() -> None:
        seen = _watch_skopeo(tmp_path)
        store = Store(tmp_path)
        async with registry(tmp_path / "registry", locked=True) as domain:
            name = f"{domain}/team/small:v1"
            small = await store.load(BASE, name=name)
            right, wrong = Credentials(USER, PASSWORD), Credentials(USER, "guessed")
            place = f"http://{domain}/v2/team/small/manifests/v1"
            nobody = f'Head "{place}": no basic auth credentials'
            for credentials, message in ((NOBODY, nobody), (wrong, "unauthorized: authentication required")):
                for call in (store.images.push, store.images.pull):
                    with pytest.raises(Failed) as caught:
                        await call(name, credentials, store.told)
                    assert caught.value.message == message
            await store.images.push(name, right, store.told)
            await store.images.remove(small)
            assert (await store.images.pull(name, right, store.told)).id == small.id
            arguments = seen.read_text()
            assert "--authfile=" in arguments and PASSWORD not in arguments and "guessed" not in arguments
            store.nothing_left()

    in_fresh_host(body)


def _watch_skopeo(directory: Path) -> Path:
    """Put a skopeo first in the search path that notes its arguments; the file with the notes."""
    directory = directory / "bin"
    directory.mkdir()
    notes, wrapper = directory / "notes", directory / "skopeo"
    wrapper.write_text(f'#!/bin/sh\necho "$@" >> {notes}\nexec {shutil.which("skopeo")} "$@"\n')
    wrapper.chmod(0o755)
    os.environ["PATH"] = f"{directory}:{os.environ['PATH']}"
    return notes


def test_docker_hub_is_asked_through_a_mirror(tmp_path: Path) -> None:
    async def body() -> None:
        async with registry(tmp_path / "registry") as domain:
            first = Store(tmp_path / "first")
            small = await first.load(BASE, name=f"{domain}/library/small:v1")
            await first.images.push(f"{domain}/library/small:v1", NOBODY, first.told)
            store = Store(tmp_path, mirrors=(f"http://{domain}/",))
            pulled = await store.images.pull("small:v1", NOBODY, store.told)
            assert (pulled.id, pulled.tags) == (small.id, ("small:v1",))
            assert pulled.digests[0].startswith("small@sha256:")

    in_fresh_host(body)


def test_a_list_of_platforms_is_pulled_as_this_machines_or_as_asked(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        async with registry(tmp_path / "registry") as domain:
            name = f"{domain}/multi"
            small = await store.load(BASE, name=f"{name}:one")
            other = await store.load(Layer().file("/etc/name", b"other\n"), name=f"{name}:two")
            pushed = []
            for tag in ("one", "two"):
                await store.images.push(f"{name}:{tag}", NOBODY, store.told)
                pushed.append(str(store.told[-1]["aux"]["Digest"]))  # type: ignore[index]
            digest = _put_list(domain, "multi", dict(zip(("amd64", "arm64"), pushed, strict=True)))
            await store.images.remove(small)
            await store.images.remove(other)
            by_tag = await store.images.pull(f"{name}:all", NOBODY, store.told)
            assert (by_tag.id, by_tag.digests) == (small.id, (f"{name}@{digest}",))
            elsewhere = await store.images.pull(f"{name}:all", NOBODY, store.told, Platform("arm64", "linux"))
            assert (elsewhere.id, elsewhere.tags) == (other.id, (f"{name}:all",))
            with pytest.raises(NotFound, match="no matching manifest for linux/s390x in the manifest list"):
                await store.images.pull(f"{name}:all", NOBODY, store.told, Platform("s390x"))
            await store.images.remove(by_tag)
            await store.images.remove(elsewhere)
            by_digest = await store.images.pull(f"{name}@{digest}", NOBODY, store.told)
            assert (by_digest.id, by_digest.digests) == (small.id, (f"{name}@{digest}",))
            assert (await store.images.resolve(f"{name}@{digest}")).id == small.id

    in_fresh_host(body)


def _put_list(domain: str, repository: str, digests: Mapping[str, str]) -> str:
    """Put a list of platforms, by architecture, as the tag `all`; its digest."""
    kind = "application/vnd.docker.distribution.manifest.v2+json"
    manifests = []
    for architecture, digest in digests.items():
        place = f"http://{domain}/v2/{repository}/manifests/{digest}"
        with urllib.request.urlopen(_request(place, kind)) as answer:
            size = len(answer.read())
        platform = {"architecture": architecture, "os": "linux"}
        manifests.append({"mediaType": kind, "size": size, "digest": digest, "platform": platform})
    document = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.list.v2+json",
        "manifests": manifests,
    }
    content = json.dumps(document).encode()
    request = _request(f"http://{domain}/v2/{repository}/manifests/all", "")
    request.method, request.data = "PUT", content
    request.add_header("Content-Type", str(document["mediaType"]))
    urllib.request.urlopen(request).close()
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _request(url: str, accepted: str) -> urllib.request.Request:
    return urllib.request.Request(url, headers={"Accept": accepted})


def test_a_registry_that_is_not_there_is_named_as_docker_does(tmp_path: Path) -> None:
    async def body() -> None:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        store = Store(tmp_path)
        with pytest.raises(Failed) as caught:
            await store.images.pull("127.0.0.1:5009/small:v1", NOBODY, store.told)
        refused = "dial tcp 127.0.0.1:5009: connect: connection refused"
        assert caught.value.message == f'Get "http://127.0.0.1:5009/v2/": {refused}'
        store.nothing_left()

    in_fresh_host(body)


def test_a_pull_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    async def body() -> None:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        store = Store(tmp_path)
        asked = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.set()
            await reader.read()
            writer.close()

        async with await asyncio.start_server(silent, "127.0.0.1", 5000):
            pull = asyncio.create_task(store.images.pull("127.0.0.1:5000/small:v1", NOBODY, store.told))
            await asyncio.wait_for(asked.wait(), 20)
            pull.cancel()
            with pytest.raises(asyncio.CancelledError):
                await pull
        store.nothing_left()
        children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        assert children == [], "a program outlives the pull"

    in_fresh_host(body)


def test_what_a_killed_engine_left_is_cleared(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        (store.data / "scratch/unfinished").mkdir()
        (store.data / "scratch/unfinished/received").write_text("half an upload")
        store.open()
        store.nothing_left()

    in_fresh_host(body)


def test_roots_outlive_the_daemon(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        image = await store.load(BASE)
        root = await store.images.prepare(CONTAINER, image)
        (Path(root.path) / "mine").write_text("mine")
        store.open()
        assert await store.images.root(CONTAINER) == root
        assert await store.images.prepare(CONTAINER, image) == root
        mounts = Path("/proc/self/mountinfo").read_text()
        assert mounts.count(f" {root.path} ") == 1
        assert (Path(root.path) / "mine").read_text() == "mine"
        await store.images.discard(CONTAINER)
        store.nothing_left()

    in_fresh_host(body)


def test_a_root_has_the_mount_points_that_are_nobodys_change(tmp_path: Path) -> None:
    async def body() -> None:
        os.umask(0o077)
        store = Store(tmp_path)
        image = await store.load(BASE)
        root = await store.images.prepare(CONTAINER, image)
        path = Path(root.path)
        for directory in ("dev/pts", "dev/shm", "proc", "sys"):
            assert (path / directory).is_dir() and os.stat(path / directory).st_mode & 0o777 == 0o755
        for file in (".dockerenv", "dev/console", "etc/hosts", "etc/hostname", "etc/resolv.conf"):
            assert (path / file).read_bytes() == b"" and os.stat(path / file).st_mode & 0o777 == 0o755
        assert os.readlink(path / "etc/mtab") == "/proc/mounts"
        assert os.stat(path).st_mode & 0o7777 == 0o755
        assert (await store.images.changes(root), await store.images.size(root)) == ([], 0)
        await store.images.discard(CONTAINER)

    in_fresh_host(body)


def test_an_image_cannot_reach_the_host_through_its_mount_points(tmp_path: Path) -> None:
    async def body() -> None:
        outside = tmp_path / "outside"
        (outside / "etc").mkdir(parents=True)
        (outside / "etc/hosts").write_text("host")
        store = Store(tmp_path)
        hostile = Layer().link("/etc", f"{outside}/etc").link("/dev", str(outside)).file("/proc", b"")
        hostile.link("/sys", str(outside)).directory("/bin")
        image = await store.load(hostile)
        root = await store.images.prepare(CONTAINER, image)
        assert (outside / "etc/hosts").read_text() == "host"
        assert sorted(each.name for each in outside.rglob("*")) == ["etc", "hosts"]
        for name in ("etc", "dev", "proc", "sys"):
            assert (Path(root.path) / name).is_dir() and not (Path(root.path) / name).is_symlink()
        await store.images.discard(CONTAINER)

    in_fresh_host(body)


def test_as_many_layers_as_docker_allows(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path / ("long" * 20))
        layers = [Layer().file(f"/file{number}", b"x") for number in range(125)]
        image = await store.load(*layers)
        root = await store.images.prepare(CONTAINER, image)
        found = {name for name in os.listdir(root.path) if name.startswith("file")}
        assert len(found) == len(root.lower) - 1 == 125
        await store.images.discard(CONTAINER)

    in_fresh_host(body)


def test_odd_directories_are_mounted_too(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path / "with 'odd' characters")
        image = await store.load(BASE)
        root = await store.images.prepare(CONTAINER, image)
        assert (Path(root.path) / "etc/name").read_text() == "base\n"
        await store.images.discard(CONTAINER)

    in_fresh_host(body)


def test_a_busy_root_is_let_go_without_waiting_for_ever(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        root = await store.images.prepare(CONTAINER, await store.load(BASE))
        with open(Path(root.path) / "etc/name") as held:
            await store.images.discard(CONTAINER)
            assert held.read() == "base\n"
        store.nothing_left()
        assert not Path(root.path).exists()

    in_fresh_host(body)


def test_a_committed_layer_deletes_and_keeps_as_the_container_did(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        parent = await store.load(BASE)
        root = await store.images.prepare(CONTAINER, parent)
        path = Path(root.path)
        (path / "bin/tool").unlink()
        shutil.rmtree(path / "old")
        (path / "old").mkdir()
        (path / "old/new").write_text("new")
        os.link(path / "old/new", path / "linked")
        os.mkfifo(path / "pipe")
        os.mknod(path / "null", 0o020666, os.makedev(1, 3))
        os.chown(path / "pipe", 12, 34)
        os.chmod(path / "linked", 0o4755)
        granted = bytes.fromhex("0100000200040000000000000000000000000000")
        os.setxattr(path / "linked", "security.capability", granted)
        image = await store.images.commit(root, parent, "mine", replace(parent.config), "", "")
        content = b"".join([piece async for piece in store.images.save(["mine"])])
        names = _layer_names(content, image.layers[-1])
        assert {"bin/.wh.tool", "old/.wh..wh..opq", "old/new", "linked", "pipe", "null"} <= set(names)
        assert not any("hosts" in name or "dockerenv" in name for name in names)
        await store.images.discard(CONTAINER)
        await store.images.remove(image)
        await store.images.load(upload(content), store.told)
        made = Path((await store.images.prepare(CONTAINER, await store.images.resolve("mine"))).path)
        assert not (made / "bin/tool").exists()
        assert os.listdir(made / "old") == ["new"]
        assert (made / "old/new").samefile(made / "linked")
        assert (os.stat(made / "pipe").st_uid, os.stat(made / "pipe").st_gid) == (12, 34)
        assert os.stat(made / "linked").st_mode & 0o7777 == 0o4755
        assert os.getxattr(made / "linked", "security.capability") == granted
        await store.images.discard(CONTAINER)

    in_fresh_host(body)


def _layer_names(content: bytes, digest: str) -> list[str]:
    """The names in one layer of a saved archive."""
    with tarfile.open(fileobj=io.BytesIO(content)) as saved:
        layer = saved.extractfile(f"{digest.removeprefix('sha256:')}/layer.tar")
        assert layer is not None
        with tarfile.open(fileobj=layer) as members:
            return members.getnames()


def test_an_exported_container_is_imported_again(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        image = await store.load(BASE)
        root = await store.images.prepare(CONTAINER, image)
        (Path(root.path) / "mine").write_text("mine")
        exported = await PathArchives().export(root.path)
        made = await store.images.import_(exported, "flat", "", ImageConfig())
        await store.images.discard(CONTAINER)
        root = await store.images.prepare(CONTAINER, made)
        assert len(made.layers) == 1
        assert (Path(root.path) / "mine").read_text() == "mine"
        assert (Path(root.path) / "bin/tool").stat().st_mode & 0o777 == 0o755
        await store.images.discard(CONTAINER)

    in_fresh_host(body)


def test_many_at_once(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        await asyncio.gather(
            *(store.load(BASE, Layer().file("/n", b"%d" % number), name=f"n:{number}") for number in range(6))
        )
        images = await store.images.list()
        assert sorted(tag for image in images for tag in image.tags) == [f"n:{number}" for number in range(6)]
        identities = [f"{number:064d}" for number in range(12)]
        pairs = zip(identities, images * 2, strict=True)
        await asyncio.gather(*(store.images.prepare(identity, image) for identity, image in pairs))
        await asyncio.gather(*(store.images.discard(identity) for identity in identities))
        await asyncio.gather(*(store.images.remove(image) for image in images))
        assert list((store.data / "storage/overlay").glob("*/diff")) == []
        assert [each.name for each in (store.data / "roots").iterdir()] == ["base"]
        assert list((store.data / "roots/base").iterdir()) == []
        store.nothing_left()

    in_fresh_host(body)


def test_looking_at_images_starts_no_program(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        image = await store.load(BASE)
        os.environ["PATH"] = str(tmp_path / "nowhere")
        store.open()
        assert await store.images.resolve("small") == image
        assert await store.images.list() == [image]
        assert len(await store.images.history(image)) == 1
        await store.images.prepare(CONTAINER, image)
        await store.images.discard(CONTAINER)

    in_fresh_host(body)


def test_hostile_layers_stay_in_their_place(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        for layer in (Layer().file("../../evil", b"x"), Layer().link("/out", "/").file("/out/evil", b"x")):
            image = await store.load(layer)
            root = await store.images.prepare(CONTAINER, image)
            await store.images.discard(CONTAINER)
            assert not Path("/evil").exists()
            assert not Path(root.path).exists()
            inside = store.data / "storage/overlay"
            assert all(path.is_relative_to(inside) for path in tmp_path.rglob("evil"))

    in_fresh_host(body)


@pytest.mark.parametrize("fault", ["no-tar", "other-digest", "other-count", "no-layer"])
def test_images_that_are_not_what_they_say_are_refused(tmp_path: Path, fault: str) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        with pytest.raises(InvalidParameter, match=r"^Error processing tar file\(exit status 1\): "):
            await store.images.load(upload(_faulty(fault)), store.told)
        assert await store.images.list() == []
        store.nothing_left()

    in_fresh_host(body)


def _faulty(fault: str) -> bytes:
    layer = b"no tar" * 1000 if fault == "no-tar" else BASE.tar()
    digest = "0" * 64 if fault == "other-digest" else hashlib.sha256(layer).hexdigest()
    layers = [] if fault == "other-count" else [f"sha256:{digest}"]
    config = json.dumps({"config": {}, "rootfs": {"type": "layers", "diff_ids": layers}}).encode()
    manifest = [{"Config": "config.json", "RepoTags": ["faulty:v1"], "Layers": ["layer.tar"]}]
    files = Layer().file("config.json", config).file("manifest.json", json.dumps(manifest).encode())
    return (files if fault == "no-layer" else files.file("layer.tar", layer)).tar()


def test_a_root_that_lost_its_image_says_so(tmp_path: Path) -> None:
    async def body() -> None:
        store = Store(tmp_path)
        image = await store.load(BASE)
        await store.images.remove(image)
        with pytest.raises(NotFound, match="missing from the storage"):
            await store.images.prepare(CONTAINER, image)
        assert [each.name for each in (store.data / "roots").iterdir()] == ["base"]

    in_fresh_host(body)


def test_paths_of_a_running_container_are_seen_with_its_mounts(tmp_path: Path) -> None:
    async def body() -> None:
        script = "mount -t tmpfs none /mnt && echo inside >/mnt/file && echo ready && exec sleep 60"
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE
        )
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        try:
            root, archives = f"/proc/{process.pid}/root", PathArchives()
            status, pieces = await archives.get(root, "/mnt/file")
            content = b"".join([piece async for piece in pieces])
            assert (status.name, status.size, b"inside\n" in content) == ("file", 7, True)
            await archives.put(root, "/mnt", upload(Layer().file("new", b"put").tar()), False, False)
            assert Path(f"{root}/mnt/new").read_bytes() == b"put"
            assert not Path("/mnt/new").exists()
        finally:
            process.kill()
            process.wait()

    in_fresh_host(body)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    async def body() -> None:
        tmp_path.mkdir(exist_ok=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(tmp_path)], check=True)
        store = Store(tmp_path)
        large = archive("large", [Layer().file("/large", os.urandom(2 << 20))], {})
        with pytest.raises(Failed, match="cannot keep the upload: No space left on device"):
            await store.images.load(upload(large), store.told)
        assert await store.images.list() == []
        store.nothing_left()

    in_fresh_host(body)
