"""Other people's clients, as `make clients` fetches them, on a whole engine in a virtual host."""

import os
from pathlib import Path

import pytest

from fairlead.lab import debian
from fairlead.lab.host import Host
from tests.engine.conftest import clean, host, lab

__all__ = ["clean", "clients", "host", "lab", "stocked"]
PROGRAMS = Path(__file__).parent / "programs"


@pytest.fixture(scope="session")
def clients() -> Path:
    """Where they are."""
    return Path(os.environ["FAIRLEAD_CLIENTS"])


@pytest.fixture(scope="module")
def stocked(host: Host) -> Host:
    """The host with real redis and nginx as well, by the names that clients ask for."""
    for archive in (debian.redis(), debian.nginx()):
        host.run("docker load -q", input=archive, check=True)
    return host
