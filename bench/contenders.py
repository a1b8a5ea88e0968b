"""The engines that are compared: how each is started and which client drives it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass

from fairlead.lab import images
from fairlead.lab.host import Host, Result

CLIENT_DEADLINE = 600.0  # seconds; a thousand ports take dockerd more than a minute


@dataclass(frozen=True, slots=True)
class Contender:
    """An engine in a virtual host of its own."""

    name: str
    host: Host
    client: tuple[str, ...]

    def command(self, words: str) -> list[str]:
        """The argv of a client command, given as in `run --rm busybox true`."""
        return [*self.client, *words.split()]

    def do(self, words: str) -> Result:
        """Run a client command, which must succeed."""
        return self.host.run(self.command(words), deadline=CLIENT_DEADLINE, check=True)

    def pid(self, container: str) -> int:
        """A running container's first process, as its host counts."""
        return int(self.do(f"inspect --format {{{{.State.Pid}}}} {container}").stdout)

    def address(self, container: str) -> str:
        """Its address on the default network."""
        found = "{{range.NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
        return self.do(f"inspect --format {found} {container}").stdout.strip()

    def inside(self, container: str) -> list[str]:
        """The start of a command line that runs a program of the host in a container's network."""
        return ["nsenter", "--target", str(self.pid(container)), "--net"]


def _with_docker_client(kind: str) -> Callable[[Host], Contender]:
    def start(host: Host) -> Contender:
        host.start_engine(kind=kind)
        return Contender(kind, host, ("docker",))

    return start


def _podman(host: Host) -> Contender:
    # Where version 1 and 2 of the control groups are both mounted, Debian's crun refuses to work;
    # hiding the second lets podman use the runtime it would use elsewhere.
    controllers = "/sys/fs/cgroup/unified/cgroup.controllers"
    host.run(f"test ! -e {controllers} || mount --bind /dev/null {controllers}", check=True)
    options = (
        f"--root {host.state}/podman --runroot /run/podman --tmpdir /run/libpod --cgroup-manager cgroupfs"
    )
    return Contender("podman", host, ("podman", *options.split(), "--events-backend", "file"))


KINDS: dict[str, Callable[[Host], Contender]] = {
    "fairlead": _with_docker_client("fairlead"),
    "dockerd": _with_docker_client("dockerd"),
    "podman": _podman,
}


def installed() -> list[str]:
    """Which of them this machine has."""
    return [name for name in KINDS if name == "fairlead" or shutil.which(name)]


def start(name: str, host: Host) -> Contender:
    """Start an engine in a host and give it the busybox image."""
    contender = KINDS[name](host)
    host.run([*contender.client, "load"], input=images.busybox(), check=True)
    return contender
