"""Which registries are reached how: without verified TLS, through mirrors, with whose credentials."""

import asyncio
import base64
import ipaddress
import json
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from fairlead.dockerapi.reference import DEFAULT_DOMAIN
from fairlead.model.image import Credentials

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_ALWAYS_INSECURE = ("127.0.0.0/8", "::1/128")  # as in Docker: nobody is between us and ourselves


class Registries:
    """The settings --insecure-registry and --registry-mirror."""

    def __init__(self, insecure: Sequence[str] = (), mirrors: Sequence[str] = ()):
        """`insecure` are hosts (`registry:5000`) and subnets in CIDR notation, `mirrors` URLs."""
        self._hosts = set()
        self._networks: list[_Network] = []
        for entry in (*insecure, *_ALWAYS_INSECURE):
            try:
                self._networks.append(ipaddress.ip_network(entry))
            except ValueError:
                self._hosts.add(entry.removeprefix("http://").removeprefix("https://").rstrip("/"))
        self._mirrors = tuple(mirrors)

    def text(self, unverified: Sequence[str] = (), *, short_names: bool = False) -> str:
        """The registries.conf for skopeo: the mirrors stand before Docker Hub alone, as in Docker.

        `unverified` are domains to be reached without verified TLS; with `short_names` a name
        without a domain is one of Docker Hub.

        Source of the format: containers-registries.conf(5).
        """
        lines = []
        if short_names:
            lines += [f"unqualified-search-registries = [{json.dumps(DEFAULT_DOMAIN)}]\n"]
            lines += ['short-name-mode = "disabled"\n']
        for domain in unverified:
            lines.append(f"[[registry]]\nlocation = {json.dumps(domain)}\ninsecure = true\n")
        if self._mirrors:
            lines.append(f"[[registry]]\nlocation = {json.dumps(DEFAULT_DOMAIN)}\n")
        for place, insecure in self.mirrors:
            lines.append(
                f"[[registry.mirror]]\nlocation = {json.dumps(place)}\ninsecure = {json.dumps(insecure)}\n"
            )
        return "".join(lines)

    @property
    def mirrors(self) -> tuple[tuple[str, bool], ...]:
        """The mirrors' domains, and whether they are reached without verified TLS."""
        places = [mirror.rpartition("://") for mirror in self._mirrors]
        return tuple(
            (place.rstrip("/"), scheme == "http" or self._listed(place.rstrip("/")))
            for scheme, _, place in places
        )

    async def insecure(self, domain: str) -> bool:
        """Whether a registry may be reached without verified TLS, or without TLS at all."""
        if domain == DEFAULT_DOMAIN:
            return False
        if self._listed(domain):
            return True
        host = _host(domain)
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            return False
        return any(self._covers(str(address[4][0])) for address in found)

    def _listed(self, domain: str) -> bool:
        return domain in self._hosts or _host(domain) in self._hosts or self._covers(_host(domain))

    def _covers(self, address: str) -> bool:
        try:
            parsed = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)


def write_credentials(path: Path, credentials: Mapping[str, Credentials]) -> None:
    """Write a file for --authfile that holds these credentials, by domain, and no others.

    Source of the format: containers-auth.json(5).
    """
    path.touch(mode=0o600)
    entries = {domain: entry for domain, each in credentials.items() if (entry := _entry(each))}
    path.write_text(json.dumps({"auths": entries}))


def _entry(credentials: Credentials) -> dict[str, str]:
    entry = {}
    if credentials.username or credentials.identity_token:
        pair = f"{credentials.username or '<token>'}:{credentials.password}"
        entry["auth"] = base64.b64encode(pair.encode()).decode()
    if credentials.identity_token:
        entry["identitytoken"] = credentials.identity_token
    return entry


def registry_domain(server: str) -> str:
    """The domain in what clients send as a registry's address: a domain or a URL, "" for Docker Hub."""
    domain = server.rpartition("://")[2].partition("/")[0]
    return DEFAULT_DOMAIN if domain in ("", "index.docker.io") else domain


def _host(domain: str) -> str:
    if domain.startswith("["):
        return domain[1:].partition("]")[0]
    return domain.partition(":")[0]
