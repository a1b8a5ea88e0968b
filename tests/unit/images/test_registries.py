"""Which registries need no TLS, what skopeo is told of mirrors, and where secrets are written."""

import asyncio
import base64
import json
import tomllib
from pathlib import Path

import pytest

from fairlead.images.registries import Registries, registry_domain, write_credentials
from fairlead.model.image import Credentials


@pytest.mark.parametrize(
    ("domain", "insecure"),
    [
        ("127.0.0.1:5000", True),
        ("127.5.6.7", True),
        ("[::1]:5000", True),
        ("10.1.2.3:5000", True),
        ("10.2.2.3:5000", False),
        ("plain.test:5000", True),
        ("plain.test", False),
        ("whole.test:5000", True),
        ("url.test:80", True),
        ("docker.io", False),
    ],
)
def test_insecure_registries(domain: str, insecure: bool) -> None:
    listed = ("10.1.0.0/16", "plain.test:5000", "whole.test", "http://url.test:80/")
    assert asyncio.run(Registries(listed).insecure(domain)) == insecure


@pytest.mark.parametrize(
    ("server", "domain"),
    [
        ("", "docker.io"),
        ("https://index.docker.io/v1/", "docker.io"),
        ("docker.io", "docker.io"),
        ("r.test:5000", "r.test:5000"),
        ("http://r.test:5000/v2/", "r.test:5000"),
    ],
)
def test_addresses_of_registries(server: str, domain: str) -> None:
    assert registry_domain(server) == domain


def test_a_name_is_as_insecure_as_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    async def lookup(self: object, host: str, *_: object, **__: object) -> list[object]:
        return [(2, 1, 6, "", ({"near.test": "10.0.0.9", "far.test": "11.0.0.9"}[host], 0))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", lookup)
    registries = Registries(("10.0.0.0/8",))
    assert asyncio.run(registries.insecure("near.test:5000"))
    assert not asyncio.run(registries.insecure("far.test:5000"))


def test_mirrors_stand_before_docker_hub() -> None:
    text = Registries(
        ("10.0.0.1:5000",), ("https://a.test/", "http://b.test:5000", "https://10.0.0.1:5000")
    ).text()
    (registry,) = tomllib.loads(text)["registry"]
    assert registry["location"] == "docker.io"
    found = [(mirror["location"], mirror["insecure"]) for mirror in registry["mirror"]]
    assert found == [("a.test", False), ("b.test:5000", True), ("10.0.0.1:5000", True)]
    assert Registries().text() == ""


def test_credentials_are_written_for_one_registry_and_for_root_alone(tmp_path: Path) -> None:
    path = tmp_path / "auth.json"
    write_credentials(path, {"r.test:5000": Credentials("anna", 'se"cret')})
    content = json.loads(path.read_text())
    assert content == {"auths": {"r.test:5000": {"auth": base64.b64encode(b'anna:se"cret').decode()}}}
    assert path.stat().st_mode & 0o777 == 0o600
    write_credentials(path, {"r.test": Credentials(identity_token="token")})
    entry = json.loads(path.read_text())["auths"]["r.test"]
    assert entry["identitytoken"] == "token"
    write_credentials(path, {"r.test": Credentials()})
    assert json.loads(path.read_text()) == {"auths": {}}
