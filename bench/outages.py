"""What is away for a while, and what goes on meanwhile: etcd, one member of it, a host's line, a daemon.

Three hosts, each with a member of etcd and an engine that speaks TLS with them, and a container of each
on one network.  All ping each other all the time, and each host starts local containers, one after the
other.  What counts is pings lost, and seconds until all is in line again.
"""

import itertools
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import rounds_ping
from fairlead.lab import images
from fairlead.lab.etcd import Etcd, Tls, member_pid
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.model.errors import FairleadError
from fairlead.overlay.keys import ROOT

HOSTS = 3
NETWORK = "outages"
TTL = 10  # seconds until a silent host is taken for dead: what an engine does unless it is told otherwise
EVERY = 0.05  # seconds between two pings of a pair
LISTED, READY, BACK = 1.0, 2.0, 5.0  # seconds within which a network, a daemon, a host must be there
PATIENCE = 60.0  # seconds for what is not measured, and after which what is measured will not come any more


@dataclass(frozen=True, slots=True)
class Plan:
    """Seconds that etcd is away and that a host is cut off, and how many networks are made."""

    away: int
    cut: int
    networks: int

    @staticmethod
    def full() -> "Plan":
        """To believe in it."""
        return Plan(away=120, cut=30, networks=20)

    @staticmethod
    def quick() -> "Plan":
        """A look."""
        return Plan(away=8, cut=TTL + 4, networks=3)


class Pings:
    """Every pair of some containers, all the time; after it `lost` says what was not answered."""

    def __init__(self, hosts: Sequence[Host], addresses: Sequence[str]):
        self.lost: list[str] = []
        self.sent = 0
        self._asking: list[tuple[str, subprocess.Popen[bytes]]] = []
        for (host, _), (_, target) in itertools.permutations(zip(hosts, addresses, strict=True), 2):
            words = f"exec ip netns exec {NETWORK} ping -n -q -i {EVERY} {target}"
            asking = host.start(words, output=subprocess.PIPE)
            self._asking.append((f"{host.name} to {target}", asking))

    def end(self) -> None:
        """Stop asking, and count."""
        for pair, asking in self._asking:
            child = Path(f"/proc/{asking.pid}/task/{asking.pid}/children").read_text().split()
            os.kill(int(child[0]), signal.SIGINT)
            said = asking.communicate(timeout=PATIENCE)[0].decode()
            found = re.search(r"(\d+) packets transmitted, (\d+) received", said)
            sent, received = map(int, found.groups()) if found else (1, 0)
            self.sent += sent
            if sent - received > 1:  # the last one may have been under way
                self.lost.append(f"{sent - received} of {sent} pings from {pair} were lost")


class Outages:
    """The hosts, and what is tried with them."""

    def __init__(self, lab: Lab, plan: Plan, tell: Callable[[str], None]):
        self._lab, self._plan, self._tell = lab, plan, tell
        self.hosts = lab.hosts
        self._etcd = Etcd(lab.hosts, HOSTS, [certificates(host) for host in lab.hosts])
        self._paths: dict[str, Path] = {}
        self.wrong: list[str] = []

    def prepare(self) -> None:
        """Engines, the network, and a container of each host."""
        self._etcd.start()
        for host in self.hosts:
            host.start_engine(*self._etcd.engine_flags)
            host.run("docker load -q", input=images.busybox(), check=True)
        self.hosts[0].run(f"docker network create -d overlay {NETWORK}", check=True)
        for host in self.hosts:
            until(lambda host=host: host.run(f"docker network inspect {NETWORK}").ok)  # type: ignore[misc]
            run = f"docker run -d --name {NETWORK} --network {NETWORK} busybox sleep 100000"
            host.run(run, check=True)
            shown = f"docker inspect -f '{{{{.NetworkSettings.Networks.{NETWORK}.IPAddress}}}}' {NETWORK}"
            address = host.run(shown, check=True).stdout.strip()
            self._paths[address] = Path(f"/proc/{host.pid}/root/run/netns/{NETWORK}")
        until(self._in_line)

    def _in_line(self, containers: int = HOSTS) -> bool:
        """Whether all hosts know so many containers, the kernels are as the store says, and all answer."""
        with ThreadPoolExecutor(HOSTS) as pool:
            sound = pool.map(lambda host: self._is_sound(host, containers), self.hosts)
        return all(sound) and not rounds_ping.silent(self._paths, 1.0)

    @staticmethod
    def _is_sound(host: Host, containers: int) -> bool:
        found: Any = host.engine.get("/fairlead/overlay?verify=true")
        known = [each["Here"] + each["Elsewhere"] for each in (found or {}).get("Networks", ())]
        return known == [containers] and found["Sound"] and not found["Away"]

    @contextmanager
    def _under_load(self, what: str, hosts: Sequence[Host]) -> Iterator[None]:
        """Pings between the containers of these hosts, and local containers on all that come and go."""
        own = dict(zip(self.hosts, self._paths, strict=True))
        ended, counts = threading.Event(), dict.fromkeys(hosts, 0)

        def churn(host: Host) -> None:
            while not ended.is_set():
                if not host.run("docker run --rm busybox true").ok:
                    self.wrong.append(f"{what}: a local container did not start on {host.name}")
                counts[host] += 1

        pings = Pings(hosts, [own[host] for host in hosts])
        with ThreadPoolExecutor(len(hosts)) as pool:
            churning = [pool.submit(churn, host) for host in hosts]
            try:
                yield
            finally:
                ended.set()
                pings.end()
            for each in churning:
                each.result()
        self._tell(
            f"{what}: {len(pings.lost)} pairs lost any of {pings.sent} pings; "
            f"{sum(counts.values())} local containers came and went"
        )
        self.wrong += [f"{what}: {text}" for text in pings.lost]

    def _took(self, what: str, began: float, limit: float) -> None:
        seconds = time.monotonic() - began
        self._tell(f"{what}: {seconds:.2f} s")
        if seconds > limit:
            self.wrong.append(f"{what}: {seconds:.2f} s, and may take {limit} s")

    # -- what is tried -----------------------------------------------------------------------------

    def networks_appear(self) -> None:
        """A network that one host makes is there on the others."""
        longest = 0.0
        for number in range(self._plan.networks):
            maker, name = self.hosts[number % HOSTS], f"appears{number}"
            maker.run(f"docker network create -d overlay {name}", check=True)
            longest = max(longest, self._listed([each for each in self.hosts if each is not maker], name))
            maker.run(f"docker network rm {name}", check=True)
        self._took(
            f"the slowest of {self._plan.networks} networks to appear", time.monotonic() - longest, LISTED
        )

    @staticmethod
    def _listed(hosts: Sequence[Host], name: str) -> float:
        began = time.monotonic()
        until(lambda: all(host.engine.get(f"/networks/{name}") is not None for host in hosts))
        return time.monotonic() - began

    def store_is_away(self) -> None:
        """All members of etcd are dead for a while."""
        with self._under_load(f"etcd away for {self._plan.away} s", self.hosts):
            for host in self.hosts:
                self._etcd.kill(host)
            time.sleep(self._plan.away)
            for host in self.hosts:
                self._etcd.start_member(host)
            for host in self.hosts:
                self._etcd.wait(host)
            began = time.monotonic()
            until(lambda: all(self._joins(host) for host in self.hosts))
            self._took("etcd is back: containers join again on all hosts", began, PATIENCE)
        until(self._in_line)

    @staticmethod
    def _joins(host: Host) -> bool:
        return host.run(f"docker run --rm --network {NETWORK} busybox true").ok

    def member_dies(self) -> None:
        """One of the members is dead; two are enough."""
        with self._under_load("one member of etcd killed", self.hosts):
            self._etcd.kill(self.hosts[0])
            began = time.monotonic()
            until(lambda: all(self._joins(host) for host in self.hosts))
            self._took("one member of etcd killed: containers join on all hosts", began, PATIENCE)
            self._etcd.start_member(self.hosts[0])
            self._etcd.wait(self.hosts[0])

    def store_hangs(self) -> None:
        """All members are stopped while a daemon starts: what is local is there at once."""
        stopped = [member_pid(host) for host in self.hosts]
        around = [int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in stopped]
        host = self.hosts[1]
        host.kill_engine()
        began = time.monotonic()
        host.start_engine(*self._etcd.engine_flags)
        self._took("a daemon starts while etcd is near: it answers", began, READY)
        host.kill_engine()
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            host.start_engine(*self._etcd.engine_flags)
            self._took("a daemon starts while etcd hangs: it answers", began, READY)
            host.run("docker run --rm busybox true", check=True)
            self._took("a daemon starts while etcd hangs: a local container has run", began, 2 * READY)
        finally:
            for pid in (*stopped, *around):
                os.kill(pid, signal.SIGCONT)
        began = time.monotonic()
        until(self._in_line)
        self._took("etcd goes on: the daemon is back in the cluster", began, PATIENCE)

    def host_is_cut_off(self) -> None:
        """A host's line is cut, for longer than its lease; a container elsewhere goes meanwhile."""
        cut, rest = self.hosts[2], self.hosts[:2]
        rest[0].run(f"docker run -d --name goes --network {NETWORK} busybox sleep 100000", check=True)
        until(lambda: self._in_line(HOSTS + 1))
        line = f"ip link set to-{cut.name}"  # at its other end: what the host sends is lost without a word
        with self._under_load(f"a host cut off for {self._plan.cut} s, the others", rest):
            self._lab.outside.run(f"{line} down", check=True)
            time.sleep(self._plan.cut)
            rest[0].run("docker rm -f goes", check=True)
            self._lab.outside.run(f"{line} up", check=True)
            began = time.monotonic()
            until(self._in_line)
            self._took("the line is whole: all pairs answer, all tables are the store's", began, BACK)

    def values_are_poisoned(self) -> None:
        """Somebody writes endpoints into the store that draw traffic to him, and what is no document."""
        asked = self._etcd.control(self.hosts[0], "get", "--prefix", f"{ROOT}endpoints/")
        lines = self.hosts[0].run(asked, check=True).stdout.splitlines()
        stolen, value = lines[0], json.loads(lines[1])
        poisons = {
            stolen: json.dumps(value | {"vtep": "203.0.113.66"}),
            stolen.rpartition("/")[0] + "/" + "f" * 64: json.dumps(value | {"id": "f" * 64}),
            f"{ROOT}members/{'e' * 64}": "[" * 1000,
        }
        for key, text in poisons.items():
            self.hosts[0].run(self._etcd.control(self.hosts[0], "put", key, text), check=True)
        events = "docker events --since 5m --until 0s --filter type=cluster --format '{{.Actor.ID}}'"
        watching = [host for host in self.hosts if host.address != value["vtep"]]
        began = time.monotonic()
        until(lambda: all(set(poisons) <= set(host.run(events).stdout.split()) for host in watching))
        self._took("poisoned values: an event for each on the other hosts", began, BACK)
        for host in watching:
            home = "overlay-" + stolen.split("/")[4][:12]
            table = host.run(f"ip netns exec {home} bridge fdb show dev vxlan0", check=True).stdout
            if "203.0.113.66" in table:
                self.wrong.append(f"poisoned values: {host.name} sends to 203.0.113.66")
        for key in poisons:  # whose endpoint it was says it again
            self.hosts[0].run(self._etcd.control(self.hosts[0], "del", key), check=True)
        until(self._in_line)

    def daemon_dies(self) -> None:
        """A daemon is killed; its containers and their paths stay."""
        host = self.hosts[0]
        others = self.hosts[1:]
        others[0].run(f"docker run -d --name goes --network {NETWORK} busybox sleep 100000", check=True)
        until(lambda: self._in_line(HOSTS + 1))
        pings = Pings(self.hosts, list(self._paths))
        host.kill_engine()
        others[0].run("docker rm -f goes", check=True)
        began = time.monotonic()
        host.start_engine(*self._etcd.engine_flags)
        until(self._in_line)
        self._took("kill -9 of a daemon: all in line after its start", began, BACK)
        pings.end()
        self._tell(f"kill -9 of a daemon: {len(pings.lost)} pairs lost any of {pings.sent} pings")
        self.wrong += [f"kill -9 of a daemon: {text}" for text in pings.lost]


def certificates(host: Host) -> Tls:
    """A member's certificate for its host's address, by an authority that all share."""
    directory, ca = host.state, host.state.parent / "authority.pem"

    def openssl(words: str) -> None:
        subprocess.run(["openssl", *words.split()], cwd=directory, check=True, capture_output=True)

    if not ca.exists():
        made = f"-keyout {ca}.key -out {ca}"
        openssl(f"req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority {made}")
    # A member's gateway is a client of the member itself, with the member's own certificate.
    extensions = f"subjectAltName=IP:{host.address}\nextendedKeyUsage=serverAuth,clientAuth\n"
    (directory / "extensions").write_text(extensions)
    openssl(f"req -newkey rsa:2048 -nodes -subj /CN={host.name} -keyout own.key -out own.request")
    signing = f"-CA {ca} -CAkey {ca}.key -CAcreateserial -days 2 -extfile extensions"
    openssl(f"x509 -req -in own.request {signing} -out own.pem")
    return Tls(str(ca), str(directory / "own.pem"), str(directory / "own.key"))


def until(holds: Callable[[], object]) -> None:
    """Wait for what must come."""
    limit = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > limit:
            raise RuntimeError("what must come did not come")
        time.sleep(0.02)


def measure(plan: Plan, tell: Callable[[str], None]) -> list[str]:
    """One outage after the other: everything that was not as it should be."""
    with Lab(f"bench-{os.getpid()}", hosts=HOSTS) as lab:
        outages = Outages(lab, plan, tell)
        try:
            outages.prepare()
            for trial in (
                outages.networks_appear,
                outages.values_are_poisoned,
                outages.store_hangs,
                outages.member_dies,
                outages.daemon_dies,
                outages.host_is_cut_off,
                outages.store_is_away,
            ):
                trial()
        except (FairleadError, RuntimeError) as error:
            outages.wrong.append(f"the outages ended early: {error}")
        return outages.wrong
