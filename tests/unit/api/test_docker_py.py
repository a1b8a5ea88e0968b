"""docker-py, a client that many programs are built on, against the server."""

import io
import tarfile
import threading
from collections.abc import Iterator

import docker
import pytest
from docker.errors import APIError, ImageNotFound, NotFound

from tests.unit.api.serving import Serving


@pytest.fixture(params=["1.24", "1.41", "1.48", "auto"])
def client(api: Serving, request: pytest.FixtureRequest) -> Iterator[docker.DockerClient]:
    connected = docker.DockerClient(base_url=f"unix://{api.path}", version=request.param, timeout=10)
    yield connected
    connected.close()


def test_run_and_its_output(client: docker.DockerClient) -> None:
    assert client.containers.run("busybox", ["echo", "hi"]) == b"hi\n"
    with pytest.raises(docker.errors.ContainerError) as caught:
        client.containers.run("busybox", ["fail"], stderr=True)
    assert caught.value.exit_status == 3


def test_a_life(client: docker.DockerClient) -> None:
    box = client.containers.run(
        "busybox", ["sleep"], name="box", detach=True, ports={"80/tcp": 8080}, labels={"a": "b"}
    )
    assert client.containers.get("box").status == "running"
    assert [each.name for each in client.containers.list(filters={"label": "a=b"})] == ["box"]
    box.reload()
    assert box.attrs["HostConfig"]["PortBindings"] == {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]}
    box.pause()
    box.unpause()
    box.rename("crate")
    box.update(mem_limit="10m", memswap_limit="20m")
    assert box.top()["Titles"] == ["PID", "CMD"]
    assert box.diff()[0]["Path"] == "/etc"
    assert box.stats(stream=False)["name"] == "/crate"
    box.stop()
    assert box.wait()["StatusCode"] == 137
    box.remove()
    with pytest.raises(NotFound):
        client.containers.get("crate")


def test_exec(client: docker.DockerClient) -> None:
    box = client.containers.run("busybox", ["sleep"], name="box", detach=True)
    assert box.exec_run(["echo", "hi"]) == (0, b"hi\n")
    assert box.exec_run(["fail"], demux=True) == (3, (None, b"failed\n"))
    code, pieces = box.exec_run(["echo", "hi"], stream=True)
    assert code is None and b"".join(pieces) == b"hi\n"
    box.remove(force=True)


def test_exec_on_a_socket(client: docker.DockerClient) -> None:
    box = client.containers.run("busybox", ["sleep"], name="box", detach=True)
    _, stream = box.exec_run(["cat"], stdin=True, socket=True, tty=True)
    stream._sock.sendall(b"hello")
    assert stream._sock.recv(5) == b"hello"
    stream._sock.close()
    box.remove(force=True)


def test_attach_and_logs(client: docker.DockerClient) -> None:
    box = client.containers.create("busybox", ["cat"], stdin_open=True)
    stream = box.attach_socket(params={"stdin": 1, "stdout": 1, "stream": 1})
    box.start()
    stream._sock.sendall(b"line\n")
    assert stream._sock.recv(100) == b"\x01\0\0\0\0\0\0\x05line\n"
    followed = box.logs(stream=True, follow=True)
    assert next(followed) == b"line\n"
    box.kill()
    assert list(followed) == []
    assert box.logs(tail=1) == b"line\n"
    stream._sock.close()


def test_archives(client: docker.DockerClient) -> None:
    box = client.containers.create("busybox", ["sleep"])
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        member = tarfile.TarInfo("file")
        member.size = 5
        tar.addfile(member, io.BytesIO(b"hello"))
    assert box.put_archive("/tmp", packed.getvalue())
    pieces, stat = box.get_archive("/tmp")
    assert b"".join(pieces) == packed.getvalue() and stat["size"] == len(packed.getvalue())
    with pytest.raises(NotFound):
        box.get_archive("/absent")


def test_images(client: docker.DockerClient) -> None:
    image = client.images.get("busybox")
    assert image.tags == ["busybox:latest"]
    assert image.tag("reg:5000/box", "1")
    assert len(client.images.list()) == 1
    messages = list(client.api.pull("nginx", tag="1", stream=True, decode=True))
    assert messages[-1] == {"status": "Status: Downloaded newer image"}
    assert client.images.pull("other", tag="2").tags == ["other:2"]
    assert client.images.load(b"image loaded:1")[0].tags == ["loaded:1"]
    assert b"".join(image.save()) == b"image " + image.id.encode()
    assert "The push refers to" in client.images.push("reg:5000/box", tag="1")
    client.images.remove("loaded:1")
    with pytest.raises(ImageNotFound):
        client.images.get("loaded:1")
    with pytest.raises(APIError):
        client.images.pull("absent", tag="1")


def test_networks_and_volumes(client: docker.DockerClient) -> None:
    pool = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet="10.10.0.0/24")])
    blue = client.networks.create("blue", ipam=pool, labels={"a": "b"})
    assert blue.attrs["IPAM"]["Config"] == [{"Subnet": "10.10.0.0/24"}]
    assert [each.name for each in client.networks.list(names=["blue"])] == ["blue"]
    box = client.containers.create("busybox", ["sleep"])
    blue.connect(box, aliases=["db"])
    blue.disconnect(box)
    blue.remove()
    data = client.volumes.create("data", labels={"a": "b"})
    assert [each.name for each in client.volumes.list()] == ["data"]
    data.remove()


def test_events(client: docker.DockerClient, api: Serving) -> None:
    events = client.events(decode=True)
    api.until(lambda: len(api.engine.events.listeners) == 1)
    making = threading.Thread(target=client.networks.create, args=("blue",))
    making.start()
    assert next(events)["Action"] == "create"
    making.join()
    events.close()


def test_the_system(client: docker.DockerClient) -> None:
    assert client.ping()
    assert client.version()["ApiVersion"] == "1.48"
    assert client.info()["Name"] == "host"
    if client.api._version != "1.24":  # docker-py knows no df there
        assert client.df()["LayersSize"] == 1000
    assert client.login("me", "secret")["Status"] == "Login Succeeded"
