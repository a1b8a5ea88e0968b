"""A lab: hosts on a LAN, made by `up`, gone without a trace after `down`.

`down` does not trust that `up` was finished, or that anything ended as it should: it ends the
processes of the lab's control groups, and everything else goes with those or lies in the lab's
state directory.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from fairlead import process
from fairlead.lab import addresses, control_groups
from fairlead.lab.host import Host
from fairlead.model.errors import Conflict, Failed, InvalidParameter, NotFound

STATE_ROOT = Path(os.environ.get("FAIRLEAD_LAB_STATE", "/var/lib/fairlead-lab"))
OUTSIDE = "outside"
CREATOR = "creator"  # file with process id and start time
MAXIMUM_HOSTS = 200
PATIENCE = 0.5  # seconds that what ends by itself may take
GONE = 20.0  # seconds that killed processes and their mounts may take to go


class Lab:
    """Hosts named host1, host2, ... and the outside.  As a context manager: up and down."""

    def __init__(self, name: str = "lab", hosts: int = 1):
        if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}", name):
            raise InvalidParameter(
                f"cannot name a lab {name!r}: use up to 31 small letters, digits and hyphens"
            )
        if not 1 <= hosts <= MAXIMUM_HOSTS:
            raise InvalidParameter(f"cannot make a lab of {hosts} hosts: 1 to {MAXIMUM_HOSTS} are possible")
        self.name, self.state = name, STATE_ROOT / name
        self.outside = Host(name, OUTSIDE, addresses.GATEWAY, self.state / OUTSIDE)
        self.hosts = [
            Host(name, f"host{number}", addresses.host_address(number), self.state / f"host{number}")
            for number in range(1, hosts + 1)
        ]

    @classmethod
    def attach(cls, name: str = "lab") -> "Lab":
        """The lab of that name which somebody made.  NotFound if there is none."""
        groups = control_groups.children(name)
        if not groups:
            raise NotFound(f"cannot find a lab named {name}: start it with `fairlead lab up --name {name}`")
        return cls(name, max(1, len(groups - {OUTSIDE})))

    @staticmethod
    def names() -> list[str]:
        """Every lab of which there is anything: processes, control groups or files."""
        files = {path.name for path in STATE_ROOT.iterdir()} if STATE_ROOT.is_dir() else set()
        return sorted(files | control_groups.children())

    def host(self, number: int) -> Host:
        """Host `number`, counted from 1."""
        return self.hosts[number - 1]

    def find(self, name: str) -> Host:
        """A host, or the outside, by name.  NotFound if there is none."""
        for host in (*self.hosts, self.outside):
            if host.name == name:
                return host
        names = ", ".join(host.name for host in (*self.hosts, self.outside))
        raise NotFound(f"cannot find {name} in the lab {self.name}: there are {names}")

    def __enter__(self) -> "Lab":
        for name in self.names():
            if _is_abandoned(STATE_ROOT / name):
                Lab(name).down()
        return self.up(bound=True)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.down()

    def up(self, bound: bool = False) -> "Lab":
        """Make the hosts.  Conflict if the lab is there already; nothing is left if it cannot be made.

        `bound` to the process that makes it: if that is killed, the next lab that is used as a
        context manager, whoever uses it, takes this one down first.
        """
        if os.geteuid() != 0:
            raise Failed("cannot make a lab: it takes root to make namespaces")
        if self.name in self.names():
            raise Conflict(
                f"cannot make the lab {self.name}: it is there already (`fairlead lab down` ends it)"
            )
        try:
            self.state.mkdir(parents=True)
            if bound:
                (self.state / CREATOR).write_text(f"{os.getpid()} {start_time(os.getpid())}")
            self._build()
        except BaseException:
            self.down()
            raise
        return self

    def down(self) -> None:
        """End all its processes and remove what they leave.  Fine when there is nothing."""
        limit = time.monotonic() + GONE
        # With its first process a host ends, and what waited around it outside ends by itself.
        names = control_groups.children(self.name)
        first = {Host(self.name, name, "", self.state / name).pid for name in names} - {0}
        killed: set[int] = set()
        while running := control_groups.processes(self.name):
            if time.monotonic() > limit:
                raise Failed(f"cannot take the lab {self.name} down: processes {sorted(running)} do not end")
            patient = first and time.monotonic() < limit - GONE + PATIENCE
            for pid in first if patient else running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                killed.add(pid)
            time.sleep(0.005)
        # They hold nothing any more; some are entries that a parent elsewhere has yet to read.
        polite = time.monotonic() + PATIENCE
        while any(map(_lives, killed)) and time.monotonic() < polite:
            time.sleep(0.005)
        for host in (*self.hosts, self.outside):
            host.reap()
        self._insist(lambda: control_groups.remove(self.name), limit)
        self._insist(lambda: shutil.rmtree(self.state) if self.state.exists() else None, limit)
        with contextlib.suppress(OSError):  # other labs are in it
            STATE_ROOT.rmdir()

    def _insist(self, remove: Callable[[], object], limit: float) -> None:
        """Remove what stays busy until the last mount of the ended processes has gone."""
        while True:
            try:
                remove()
                return
            except OSError as error:
                if time.monotonic() > limit:
                    raise Failed(f"cannot take the lab {self.name} down: {error}") from error
                time.sleep(0.02)

    def _build(self) -> None:
        self.outside.boot()
        lan = ["link set lo up", "link add lan type bridge"]
        lan += [f"address add {address} dev lan nodad" for address in addresses.OUTSIDE_ADDRESSES]
        lan += [
            f"address add {addresses.INTERNET}/32 dev lo",
            f"address add {addresses.INTERNET_IPV6}/128 dev lo",
        ]
        self._configure(self.outside, [*lan, "link set lan up"])
        self._start_services()
        for number, host in enumerate(self.hosts, 1):
            host.boot()
            self._connect(number, host)

    def _connect(self, number: int, host: Host) -> None:
        """Plug a host into the LAN."""
        port, mac = f"to-{host.name}", addresses.host_mac(number)
        self._configure(
            self.outside,
            [
                f"link add {port} type veth peer name eth0 address {mac} netns {host.pid}",
                f"link set {port} master lan up",
            ],
        )
        host.run("sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.eth0.accept_ra=0", check=True)
        self._configure(
            host,
            [
                "link set lo up",
                f"address add {host.address}/24 dev eth0",
                f"address add {addresses.host_address_ipv6(number)}/64 dev eth0 nodad",
                "link set eth0 up",
                f"route add default via {addresses.GATEWAY}",
                f"route add ::/0 via {addresses.GATEWAY_IPV6}",
            ],
        )

    @staticmethod
    def _configure(host: Host, commands: list[str]) -> None:
        # Only the network namespace is entered: `netns PID` must mean the machine's process.
        argv = ["nsenter", "--target", str(host.pid), "--net", "ip", "-batch", "-"]
        process.call(argv, input="\n".join(commands).encode(), check=True)

    def _start_services(self) -> None:
        command = [sys.executable, "-m", "fairlead.lab.outside", str(len(self.hosts))]
        with (self.outside.state / "services.log").open("wb") as log:
            services = self.outside.start(command, output=subprocess.PIPE, errors=log)
        assert services.stdout is not None
        with services.stdout as answer:
            if answer.readline() != b"ready\n":
                raise Failed(f"cannot start the outside's services: see {self.outside.state}/services.log")


def _lives(pid: int) -> bool:
    """Whether a process is more than an entry that its parent has not read yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def start_time(pid: int) -> str:
    """When a process started, in the kernel's ticks; "" when it has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""


def _is_abandoned(state: Path) -> bool:
    """Whether a lab was bound to a process that has gone."""
    try:
        pid, started = (state / CREATOR).read_text().split()
    except (OSError, ValueError):
        return False
    return start_time(int(pid)) != started
