"""docker-py does with this engine what it does with Docker."""

import io
import tarfile
import threading
from collections.abc import Iterator

import docker
import pytest
from docker.errors import APIError, ContainerError, ImageNotFound, NotFound

from fairlead.lab.host import Host

REGISTRY = """version: 0.1
storage: {filesystem: {rootdirectory: STATE}}
http: {addr: "127.0.0.1:5000"}
"""


@pytest.fixture
def client(clean: Host) -> Iterator[docker.DockerClient]:
    made = docker.DockerClient(base_url=clean.docker_host)
    yield made
    made.close()


def test_run_returns_output_and_raises_on_failure(client: docker.DockerClient) -> None:
    assert client.containers.run("busybox", "echo hello", remove=True) == b"hello\n"
    with pytest.raises(ContainerError) as failure:
        client.containers.run("busybox", "sh -c 'echo why >&2; exit 3'", remove=True)
    assert failure.value.exit_status == 3
    assert b"why" in failure.value.stderr


def test_logs_follow_until_the_end(client: docker.DockerClient) -> None:
    container = client.containers.run(
        "busybox", "sh -c 'for i in 1 2 3; do echo $i; sleep 0.1; done'", detach=True
    )
    assert b"".join(container.logs(stream=True, follow=True)) == b"1\n2\n3\n"
    assert container.logs(tail=1) == b"3\n"
    assert container.wait()["StatusCode"] == 0


def test_exec_gives_streams_apart_and_the_exit_code(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", "sleep 1000", detach=True)
    result = container.exec_run("sh -c 'echo out; echo err >&2; exit 4'", demux=True)
    assert result.exit_code == 4
    assert result.output == (b"out\n", b"err\n")
    assert (
        container.exec_run("pwd", workdir="/tmp", user="nobody", environment={"A": "b"}).output == b"/tmp\n"
    )


def test_archives_go_in_and_come_out(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", "sleep 1000", detach=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("note.txt")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"hello"))
    assert container.put_archive("/tmp", packed.getvalue())
    assert container.exec_run("cat /tmp/note.txt").output == b"hello"
    pieces, stat = container.get_archive("/tmp/note.txt")
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        content = archive.extractfile("note.txt")
        assert content is not None
        assert content.read() == b"hello"
    assert (stat["name"], stat["size"]) == ("note.txt", 5)
    with pytest.raises(NotFound):
        container.get_archive("/tmp/absent")


def test_events_tell_a_life_in_order(client: docker.DockerClient) -> None:
    seen: list[str] = []
    stream = client.events(decode=True, filters={"type": "container"})

    def listen() -> None:
        for event in stream:
            seen.append(event["Action"])
            if event["Action"] == "destroy":
                return

    listener = threading.Thread(target=listen)
    listener.start()
    client.containers.run("busybox", "true", remove=True)
    listener.join(10)
    stream.close()
    assert [action for action in seen if action != "attach"] == ["create", "start", "die", "destroy"]


def test_stats_count_what_runs(client: docker.DockerClient) -> None:
    container = client.containers.run("busybox", "sh -c 'while true; do :; done'", detach=True)
    stats = container.stats(stream=False)
    container.kill()
    assert stats["cpu_stats"]["cpu_usage"]["total_usage"] > 0
    assert stats["memory_stats"]["usage"] > 0
    assert stats["networks"]["eth0"]["rx_bytes"] >= 0


def test_an_absent_image_is_not_found(client: docker.DockerClient) -> None:
    with pytest.raises(ImageNotFound):
        client.images.get("absent")
    with pytest.raises(NotFound):
        client.containers.get("absent")


def test_images_are_pushed_pulled_and_removed(client: docker.DockerClient, clean: Host) -> None:
    directory = clean.state / "registry"
    (clean.state / "registry.yml").write_text(REGISTRY.replace("STATE", str(directory)))
    registry = clean.start(["docker-registry", "serve", str(clean.state / "registry.yml")])
    try:
        clean.run(
            "for i in $(seq 100); do curl -sf http://127.0.0.1:5000/v2/ && break; sleep 0.1; done", check=True
        )
        image = client.images.get("busybox")
        assert image.tag("127.0.0.1:5000/team/busybox", "v1")
        pushed = list(client.api.push("127.0.0.1:5000/team/busybox", "v1", stream=True, decode=True))
        assert not [line for line in pushed if "error" in line], pushed
        client.images.remove("127.0.0.1:5000/team/busybox:v1")
        told = list(client.api.pull("127.0.0.1:5000/team/busybox", "v1", stream=True, decode=True))
        assert any("Pulling from" in line.get("status", "") for line in told)
        assert any(line.get("status", "").startswith("Status: ") for line in told)
        pulled = client.images.get("127.0.0.1:5000/team/busybox:v1")
        assert client.containers.run(pulled, "echo pulled", remove=True) == b"pulled\n"
        client.images.remove("127.0.0.1:5000/team/busybox:v1")
        with pytest.raises(APIError):
            client.images.pull("127.0.0.1:5000/team/absent", "v1")
    finally:
        registry.terminate()
        registry.wait()


def test_published_ports_are_shown(client: docker.DockerClient) -> None:
    container = client.containers.run("web", detach=True, ports={"80/tcp": ("127.0.0.1", 8088)})
    container.reload()
    assert container.ports == {"80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8088"}]}


def test_networks_connect_and_disconnect(client: docker.DockerClient) -> None:
    network = client.networks.create("blue", driver="bridge")
    container = client.containers.run("busybox", "sleep 1000", detach=True)
    network.connect(container, aliases=["other"])
    container.reload()
    assert set(container.attrs["NetworkSettings"]["Networks"]) == {"bridge", "blue"}
    assert b"eth1" in container.exec_run("ip -o link").output
    network.disconnect(container)
    assert b"eth1" not in container.exec_run("ip -o link").output
    container.remove(force=True)
    network.remove()


def test_an_image_that_was_removed_can_come_again(client: docker.DockerClient, clean: Host) -> None:
    archive = b"".join(client.images.get("web").save(named=True))
    for _ in range(2):
        client.images.remove("web", force=True)
        client.images.load(archive)
        assert client.containers.run("web", "echo again", remove=True) == b"again\n"
