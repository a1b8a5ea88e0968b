"""etcd for a lab: a cluster of real members, one process each, for hosts that share networks.

All timing is etcd's own for a LAN, unless a caller wants elections to be quick.
"""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fairlead.lab import control_groups
from fairlead.lab.host import Host
from fairlead.model.errors import Failed, InvalidParameter

CLIENTS, PEERS = 2379, 2380  # ports
READY = 60.0  # seconds
PAUSE = 0.1
ADVERTISED = "eth0:2376"


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


class Etcd:
    """The members on the first hosts of a lab, `count` of them; `tls`: the certificates of each, if any."""

    def __init__(self, hosts: Sequence[Host], count: int, tls: Sequence[Tls] = ()):
        if not 1 <= count <= len(hosts):
            raise InvalidParameter(
                f"cannot start {count} members of etcd: 1 to {len(hosts)} are possible, one on a host"
            )
        self.hosts = tuple(hosts[:count])
        self._tls = dict(zip((host.name for host in self.hosts), tls, strict=False))

    @property
    def engine_flags(self) -> list[str]:
        """What an engine must be told to be one of the cluster.

        With TLS it shows the first member's certificate.
        """
        addresses = ",".join(f"{host.address}:{CLIENTS}" for host in self.hosts)
        options = ["kv.insecure=true"]
        if tls := self._tls.get(self.hosts[0].name):
            options = [f"kv.cacertfile={tls.ca}", f"kv.certfile={tls.certificate}", f"kv.keyfile={tls.key}"]
        words = [word for option in options for word in ("--cluster-store-opt", option)]
        return ["--cluster-store", f"etcd://{addresses}", *words, "--cluster-advertise", ADVERTISED]

    def start(self) -> None:
        """Start all members and wait until each reads what all agree on.  Failed with the end of a log."""
        for host in self.hosts:
            self.start_member(host)
        for host in self.hosts:
            self.wait(host)

    def start_member(self, host: Host) -> None:
        """Start one member, also again: its data is still there."""
        members = {each.name: each.address for each in self.hosts}
        with _log(host).open("ab") as log:
            command = member_command(host.name, members, host.state / "etcd", self._tls.get(host.name))
            host.start(command, output=log, errors=log)

    def wait(self, host: Host) -> None:
        """Until a member answers.  Failed with the end of its log when it does not."""
        limit = time.monotonic() + READY
        command = self.control(host, "endpoint", "health")
        while not host.run(command).ok:
            if time.monotonic() > limit:
                said = "\n".join(_log(host).read_text(errors="replace").splitlines()[-10:])
                raise Failed(f"cannot start etcd in {host.name}:\n{said}")
            time.sleep(PAUSE)

    def control(self, host: Host, *words: str) -> list[str]:
        """The command that asks the member on this host something with etcdctl."""
        tls = self._tls.get(host.name)
        shown = [f"--cacert={tls.ca}", f"--cert={tls.certificate}", f"--key={tls.key}"] if tls else []
        scheme = "https://" if tls else ""
        return ["etcdctl", f"--endpoints={scheme}{host.address}:{CLIENTS}", *shown, *words]

    def kill(self, host: Host) -> None:
        """End one member as a power failure does."""
        if pid := member_pid(host):
            os.kill(pid, signal.SIGKILL)
            while member_pid(host) == pid:
                time.sleep(PAUSE / 10)


def member_pid(host: Host) -> int:
    """The member on a host as the machine counts processes; 0 when none runs."""
    for pid in control_groups.processes(host.group):
        try:
            name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue
        if name == "etcd" and rest.split()[0] not in "ZX":
            return pid
    return 0


def _log(host: Host) -> Path:
    return host.state / "etcd.log"
