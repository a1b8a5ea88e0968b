"""A virtual host whose daemon can be killed, or fail, at a point."""

import json
import os
import time
from collections.abc import Callable

from bench.crash_operations import START, Operation
from bench.crash_points import Point
from fairlead.client import Client
from fairlead.client.address import parse_address
from fairlead.client.errors import ClientError
from fairlead.lab import images
from fairlead.lab.engine import command_of
from fairlead.lab.host import Host, Result
from fairlead.lab.traces import Traces, look
from fairlead.model.errors import FairleadError

SETTLE = 10.0  # seconds for what the kernel takes away by itself
BEHIND = 10.0  # seconds for what is done behind the client's back
PAUSE = 0.03
PREDEFINED = ("bridge", "host", "none")
# What the daemon makes once for all: docker0's first link, the rules of the first network with IPv6.
ONCE = (
    "docker network create --ipv6 --subnet fd00:7::/64 first; docker run --rm --network first busybox true; "
    "docker run --rm busybox true; docker network rm first"
)


def until(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait for it; whether it came about."""
    limit = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > limit:
            return False
        time.sleep(PAUSE)
    return True


class CrashHost:
    """One host, whose daemon is killed again and again."""

    def __init__(self, host: Host):
        self._host = host
        self._faults = host.state / "faults"
        self._faults.mkdir(exist_ok=True)
        self._serial = 0
        self._client = Client(parse_address(host.docker_host), version="1.41")

    def prepare(self) -> None:
        """Give the daemon images, and let it make what it makes only once."""
        self.arm(None)
        self.start()
        for archive in (images.busybox(), images.web()):
            self._host.run("docker load -q", input=archive, check=True)
        self.do(ONCE)
        until(lambda: "NO-CARRIER" in self._host.run("ip link show docker0").stdout, SETTLE)
        self.stop()

    def start(self, *flags: str) -> None:
        """Start the daemon.  Failed when it does not come up."""
        words = command_of("fairlead", self._host)
        self._host.start_engine(*flags, command=f"env FAIRLEAD_FAULT={self._faults} {words}")

    def stop(self) -> None:
        """End the daemon in order."""
        self._host.stop_engine()

    def kill(self) -> None:
        """See that no daemon runs."""
        self._host.kill_engine()

    def run(self, command: str) -> Result:
        """Run a command there."""
        return self._host.run(command)

    def do(self, command: str) -> None:
        """Run commands there that succeed, every one.  Failed otherwise."""
        self._host.run(f"set -e; {command}", check=True)

    def traces(self) -> Traces:
        """All that the host carries."""
        return look(self._host)

    def first_address(self) -> str:
        """The address that the next container gets: another one means that a lease has leaked."""
        return self._host.run("docker run --rm busybox hostname -i", check=True).stdout

    # -- faults ----------------------------------------------------------------------------------

    def arm(self, point: Point | None, share: float = 0.5) -> None:
        """Let it happen there from now on, nothing for None; what was passed is forgotten."""
        self._serial += 1
        fault = point.fault(share) if point is not None else {"point": ""}
        (self._faults / "passed").write_text("")
        (self._faults / "next").write_text(json.dumps({"serial": self._serial, "fault": fault}))
        os.replace(self._faults / "next", self._faults / "armed")

    def passed(self) -> list[str]:
        """What the daemon has passed since then."""
        return (self._faults / "passed").read_text().splitlines()

    def met(self, point: Point) -> bool:
        """Whether it has come by."""
        return any(line.startswith(f"{point.name}\t") for line in self.passed())

    def broken_off(
        self, operation: Operation, point: Point | None, share: float
    ) -> tuple[bool, Result | None]:
        """Do it with a fault: whether the daemon lives when nothing goes on, and what the client got."""
        if operation.command != START:
            self.arm(point, share)
            said = self.run(operation.command)
        else:
            self.kill()
            self.run(operation.disturb)
            self.arm(point, share)
            said = None
            try:
                self.start(*operation.flags)
            except FairleadError:
                return False, said
        if point is None or point.error:
            return bool(self._host.engine.pid), said
        return not until(lambda: not self._host.engine.pid, BEHIND), said

    # -- what is there ---------------------------------------------------------------------------

    def audit(self, limit: float, allowed: str = "") -> list[str]:
        """What `fairlead doctor --audit` tells when nothing goes on any longer, or at the limit's time."""
        while True:
            found = self._client.system.audit()["Findings"]
            wrong = [" ".join(filter(None, each.values())) for each in found]
            if not wrong:
                return []
            if time.monotonic() > limit:
                return [each for each in wrong if not allowed or allowed not in each]
            time.sleep(PAUSE)

    def cleared(self, before: Traces | None) -> list[str]:
        """Take everything away; what is left then."""
        wrong = []
        try:
            for container in self._client.containers.list(all=True):
                self._client.containers.remove(container["Id"], force=True)
            for network in self._client.networks.list():
                if network["Name"] not in PREDEFINED:
                    self._client.networks.remove(network["Id"])
            for volume in self._client.volumes.list()["Volumes"]:
                self._client.volumes.remove(volume["Name"])
        except ClientError as error:
            wrong.append(f"clearing failed: {error}")
        if before is not None:
            limit = time.monotonic() + SETTLE
            while (left := self.traces().since(before)) and time.monotonic() < limit:
                time.sleep(PAUSE)
            wrong += [f"left: {left}"] if left else []
        return wrong + self.audit(time.monotonic() + SETTLE)
