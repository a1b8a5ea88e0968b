"""What people do with testcontainers-python, one thing after the other; run by its own Python."""

import tempfile
import urllib.request
from pathlib import Path

from testcontainers.community.nginx import NginxContainer
from testcontainers.community.redis import RedisContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.image import DockerImage
from testcontainers.core.network import Network
from testcontainers.core.wait_strategies import (
    HealthcheckWaitStrategy,
    HttpWaitStrategy,
    LogMessageWaitStrategy,
    PortWaitStrategy,
)


def busybox(command):
    """A container of busybox that ends at once when it is told to."""
    return DockerContainer("busybox").with_command(command).with_kwargs(init=True)


def redis():
    for password in (None, "secret"):
        with RedisContainer(password=password) as container:
            client = container.get_client(decode_responses=True)
            client.set("key", "value")
            assert client.get("key") == "value"
            client.close()


def nginx():
    with NginxContainer() as container:
        url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(80)}/"
        assert b"Welcome to nginx!" in urllib.request.urlopen(url).read()


def network():
    with Network() as made:
        with RedisContainer().with_network(made).with_network_aliases("store"):
            with busybox("sleep 100").with_network(made) as container:
                code, output = container.exec(
                    ["sh", "-c", "printf 'PING\\r\\nQUIT\\r\\n' | nc -w 2 store 6379"]
                )
                assert b"PONG" in output, output


def waiting():
    with DockerContainer("web").with_exposed_ports(80).waiting_for(HttpWaitStrategy(80).for_status_code(200)):
        pass
    with DockerContainer("web").with_exposed_ports(80).waiting_for(PortWaitStrategy(80)):
        pass
    with busybox("sh -c 'sleep 1; echo ready; sleep 100'").waiting_for(
        LogMessageWaitStrategy("ready")
    ) as late:
        assert b"ready" in late.get_logs()[0]
    check = {"test": ["CMD", "true"], "interval": 500_000_000}
    healthy = DockerContainer("busybox").with_command("sleep 100").with_kwargs(init=True, healthcheck=check)
    with healthy.waiting_for(HealthcheckWaitStrategy()):
        pass


def files():
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        (directory / "note").write_text("hello")
        mounted = busybox("sleep 100").with_volume_mapping(name, "/mnt").with_env("COLOUR", "green")
        with mounted.with_copy_into_container(b"bytes", "/tmp/copied") as container:
            assert container.exec("cat /mnt/note").output == b"hello"
            assert container.exec("cat /tmp/copied").output == b"bytes"
            assert b"COLOUR=green\n" in container.exec("env").output
        (directory / "Dockerfile").write_text("FROM busybox\nRUN echo built > /built\nCMD cat /built\n")
        with DockerImage(path=name, tag="built:1") as image:
            with DockerContainer(str(image)).waiting_for(LogMessageWaitStrategy("built")):
                pass


for story in (redis, nginx, network, waiting, files):
    story()
    print(f"{story.__name__}: fine")
