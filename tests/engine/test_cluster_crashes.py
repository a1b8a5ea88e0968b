"""Killed between any two steps in a cluster, the next daemon finds its way: nothing is left in etcd or kernel.

As `test_crashes`, for what the engine does with other hosts: every fault point of its cluster part.
That the same works again is seen by the next point, which begins with the same names and addresses.
"""

import contextlib
import os
import re
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fairlead.engine.cluster
from fairlead.lab import images
from fairlead.lab.etcd import CLIENTS, Etcd
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.lab.traces import look
from fairlead.model.errors import FairleadError
from fairlead.overlay.keys import ROOT
from tests.engine.audit import traces_settle
from tests.engine.test_overlay import QUICK, until

SOURCES = Path(fairlead.engine.cluster.__file__).parent.glob("*.py")
POINTS = sorted({name for source in SOURCES for name in re.findall(r'\.at\("([^"]+)"\)', source.read_text())})
CREATE = "docker network create -d overlay --subnet 10.50.0.0/24 demo"
RUN = "docker run -d --name victim --network demo busybox sleep 1000"
START, STOP = "", "stop"  # the daemon's own start or end passes the point, no command

# What is there before, on this host and on the other one, and the command that passes the point.
WAYS = {
    "cluster create": ("true", "true", CREATE),
    "cluster remove": (CREATE, "true", "docker network rm demo"),
    "cluster enter": (CREATE, "true", RUN),
    "cluster leave": (f"{CREATE} && {RUN}", "true", "docker rm -f victim"),
    "cluster join": ("true", "true", START),
    "cluster part": (f"{CREATE} && {RUN}", "true", STOP),
    "cluster news": (f"{CREATE} && {RUN}", RUN.replace("victim", "other"), START),
}
# Where the daemon's end is the end of the host's lease.
FLAGS = dict.fromkeys(("cluster join", "cluster part"), ("--live-restore=false",))
VERIFY = f"{Path(sys.executable).with_name('fairlead')} overlay verify"
CLEAN = "docker ps -aq | xargs -r docker rm -f; docker network prune -f"


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Host, Host, Etcd]]:
    """A host to crash on, and one that lives on, with etcd; both with engines."""
    with Lab(f"cluster-crash-{os.getpid()}", hosts=2) as lab:
        etcd = Etcd(lab.hosts[1:], 1)
        etcd.start()

        def begin(host: Host) -> None:
            host.start_engine(*etcd.engine_flags, *QUICK)
            host.run("docker load -q", input=images.busybox(), check=True)
            host.run("docker run --rm busybox true", check=True)  # what is made only once is made

        with ThreadPoolExecutor() as threads:
            list(threads.map(begin, lab.hosts))
        until(lambda: all("NO-CARRIER" in host.run("ip link show docker0").stdout for host in lab.hosts))
        yield lab.hosts[0], lab.hosts[1], etcd
        for host in lab.hosts:
            host.stop_engine()


def asked(etcd: Etcd, *words: str) -> list[str]:
    """What etcd answers, line by line."""
    at = etcd.hosts[0]
    return at.run(["etcdctl", f"--endpoints={at.address}:{CLIENTS}", *words], check=True).stdout.split("\n")


def stored(etcd: Etcd) -> list[str]:
    """The keys of networks and of what is on them."""
    keys = asked(etcd, "get", "--prefix", "--keys-only", ROOT)
    return [key for key in keys if key and not key.startswith((f"{ROOT}members/", f"{ROOT}pools"))]


def leases(etcd: Etcd) -> int:
    """How many there are."""
    return len([line for line in asked(etcd, "lease", "list") if line and " " not in line])


def in_line(hosts: tuple[Host, Host]) -> bool:
    """Whether the kernels have what the store says."""
    return all(host.run(VERIFY).ok for host in hosts)


def cleared(hosts: tuple[Host, Host], etcd: Etcd) -> None:
    """Take everything away; nothing is left in etcd."""
    for host in hosts:
        host.run(CLEAN, check=True)
    until(lambda: stored(etcd) == [])
    until(lambda: leases(etcd) == len(hosts))


def passed(host: Host, command: str, flags: tuple[str, ...]) -> None:
    """Start a daemon with a fault, and let it come by."""
    if command == START:
        with contextlib.suppress(FairleadError):  # it may answer before it comes by
            host.start_engine(*flags)
    else:
        host.start_engine(*flags)
        if command == STOP:
            host.stop_engine()
        else:
            assert not host.run(command).ok, "the daemon died without its client noticing"
    until(lambda: not host.run("docker version").ok)


def test_there_are_enough_points_to_speak_of() -> None:
    assert len(POINTS) >= 10
    assert {point.partition(":")[0] for point in POINTS} == set(WAYS)


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_leaves_nothing(
    place: tuple[Host, Host, Etcd], point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, other, etcd = place
    way = point.partition(":")[0]
    prepare, elsewhere, command = WAYS[way]
    flags = (*etcd.engine_flags, *QUICK, *FLAGS.get(way, ()))
    before = [look(each) for each in (host, other)]
    host.run(prepare, check=True)
    host.stop_engine()
    if way == "cluster join":  # once more, for an end that ends the lease
        host.start_engine(*flags)
        host.stop_engine()
    other.run(elsewhere, check=True)

    monkeypatch.setenv("FAIRLEAD_FAULT", point)
    passed(host, command, flags)
    monkeypatch.delenv("FAIRLEAD_FAULT")
    host.kill_engine()

    host.start_engine(*etcd.engine_flags, *QUICK)
    until(lambda: in_line((host, other)))
    cleared((host, other), etcd)
    for each, was in zip((host, other), before, strict=True):
        assert traces_settle(each, was) == {}
