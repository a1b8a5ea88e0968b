"""etcd for a lab: a cluster of real members, one process each, for hosts that share networks.

All timing is etcd's own for a LAN, unless a caller wants elections to be quick.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CLIENTS, PEERS = 2379, 2380  # ports


@dataclass(frozen=True, slots=True)
class Tls:
    """Paths of a member's certificates; clients must show one that `ca` signed."""

    ca: str
    certificate: str
    key: str


def member_command(
    name: str,
    members: Mapping[str, str],
    data: Path,
    tls: Tls | None = None,
    more: Sequence[str] = (),
) -> list[str]:
    """The command of one member; `members` are all of them: the address of each by name."""
    address = members[name]
    clients = f"{'https' if tls else 'http'}://{address}:{CLIENTS}"
    peers = {each: f"http://{place}:{PEERS}" for each, place in members.items()}
    words = ["etcd", "--name", name, "--data-dir", str(data)]
    words += ["--listen-client-urls", clients, "--advertise-client-urls", clients]
    words += ["--listen-peer-urls", peers[name], "--initial-advertise-peer-urls", peers[name]]
    words += ["--initial-cluster", ",".join(f"{each}={url}" for each, url in peers.items())]
    if tls:
        words += ["--client-cert-auth", "--trusted-ca-file", tls.ca]
        words += ["--cert-file", tls.certificate, "--key-file", tls.key]
    return [*words, *more]
