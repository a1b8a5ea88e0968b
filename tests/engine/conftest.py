"""A whole engine in a virtual host, with images; one for each test module."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.lab import images
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab


@pytest.fixture(scope="module")
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    name = (
        f"engine-{os.getpid()}-{Path(request.module.__file__).stem.removeprefix('test_').replace('_', '-')}"
    )
    with Lab(name[:31]) as made:
        yield made


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Host]:
    """A host with a running engine and the images busybox and web."""
    host = lab.host(1)
    host.start_engine()
    for archive in (images.busybox(), images.web()):
        host.run("docker load -q", input=archive, check=True)
    yield host
    host.stop_engine()


@pytest.fixture
def clean(host: Host) -> Iterator[Host]:
    """The host, emptied of containers, volumes and networks after the test."""
    yield host
    host.run("docker ps -aq | xargs -r docker rm -f; docker volume prune -af; docker network prune -f")
