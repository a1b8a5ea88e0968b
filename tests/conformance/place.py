"""A virtual host with an engine, the images that the tests use, and a registry instead of Docker Hub."""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.lab.host import Host
from fairlead.lab.images import Layer, archive, busybox_layer
from fairlead.lab.lab import Lab

REGISTRY = "127.0.0.1:5000"
MIRROR = f"--registry-mirror=http://{REGISTRY}"
IMAGES = {
    "busybox:latest": {"Cmd": ["sh"]},
    "alpine:latest": {"Cmd": ["/bin/sh"]},
    "alpine:3.10": {"Cmd": ["/bin/sh"]},
    "hello-world:latest": {"Cmd": ["echo", "Hello from Docker!"]},
}
USERS = (
    b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
    b"postgres:x:70:70:postgres:/var/lib/postgresql:/bin/sh\n"
)


@contextmanager
def place(engine: str) -> Iterator[Host]:
    """The host, whose engine asks the registry as Docker Hub's mirror; `engine` is fairlead or dockerd."""
    with Lab(f"conformance-{engine}-{os.getpid()}") as lab:
        host = lab.host(1)
        with _registry(host):
            archives = {name: _archive(host.state, name) for name in IMAGES}
            for name, path in archives.items():
                copy = "skopeo copy -q --dest-tls-verify=false --insecure-policy"
                host.run(f"{copy} docker-archive:{path} docker://{REGISTRY}/library/{name}", check=True)
            host.start_engine(MIRROR, f"--insecure-registry={REGISTRY}", kind=engine)
            for path in archives.values():
                host.run(f"docker load -q -i {path}", check=True)
            try:
                yield host
            finally:
                host.stop_engine()


def _archive(directory: Path, name: str) -> Path:
    """Images differ by a file, so that taking one away does not take another's name along."""
    path = directory / f"{name.replace(':', '-')}.tar"
    own = Layer().file("/etc/image", name.encode()).directory("/var/opt").file("/etc/passwd", USERS)
    layers = [busybox_layer(), own]
    path.write_bytes(archive(name, layers, IMAGES[name]))
    return path


@contextmanager
def _registry(host: Host) -> Iterator[None]:
    configuration = host.state / "registry.yml"
    configuration.write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {host.state}/registry}}}}\n"
        f"log: {{level: error}}\nhttp: {{addr: '{REGISTRY}'}}\n"
    )
    serving = host.start(["docker-registry", "serve", str(configuration)])
    try:
        _wait_for(host, serving)
        yield
    finally:
        serving.terminate()
        serving.wait()


def _wait_for(host: Host, serving: "subprocess.Popen[bytes]") -> None:
    limit = time.monotonic() + 20
    while not host.run(f"curl -sf http://{REGISTRY}/v2/").ok:
        assert serving.poll() is None and time.monotonic() < limit, "the registry did not come up"
        time.sleep(0.05)
