"""Killed between any two steps, the next daemon finds its way: nothing is left over, and the same works again.

Every name that the engine passes to its fault points is found in the sources, so that a new one
is tested as soon as it is there.
"""

import re
import time
from pathlib import Path

import pytest

import fairlead.engine
from fairlead.lab.host import Host
from fairlead.lab.traces import look
from tests.engine.audit import findings

SOURCES = Path(fairlead.engine.__file__).parent.glob("*.py")
POINTS = sorted({name for source in SOURCES for name in re.findall(r'\.at\("([^"]+)"\)', source.read_text())})
RUN = "docker run -d --name victim -p 8080:80 -v keep:/keep busybox sleep 1000"
SETTLE = 10.0  # seconds for what the kernel takes away by itself

# How the daemon is brought to a point: what is there before, and the command that passes it.
WAYS = {
    "begin": ("true", ""),
    "create": ("true", RUN),
    "start": ("true", RUN),
    "end": (RUN, "docker kill victim"),
    "leave": (RUN, "docker kill victim"),
    "remove": (RUN, "docker rm -f victim"),
    "network create": ("true", "docker network create --subnet 10.9.0.0/24 blue"),
    "network remove": ("docker network create --subnet 10.9.0.0/24 blue", "docker network rm blue"),
    "connection": (
        f"docker network create --subnet 10.9.0.0/24 blue; {RUN}",
        "docker network connect blue victim",
    ),
    "link": (
        "docker run -d --name target web; docker run -d --name victim --link target busybox sleep 1000",
        "docker stop -t 0 target",
    ),
    "unlink": (
        "docker run -d --name target web; docker run -d --name victim --link target:site busybox sleep 1000",
        "docker rm --link victim/site",
    ),
    "rename": (
        "docker network create --subnet 10.9.0.0/24 blue; docker run -d --name victim --network blue busybox sleep 9",
        "docker rename victim other",
    ),
    "build": ("true", "printf 'FROM busybox\\nRUN true\\n' | DOCKER_BUILDKIT=0 docker build --no-cache -"),
    "volume create": ("true", "docker volume create lost"),
    "volume remove": ("docker volume create lost", "docker volume rm lost"),
}
# Where an operation passes its points only under a setting.
FLAGS = {"link": ("--icc=false",), "unlink": ("--icc=false",)}
CLEAN = (
    "docker ps -aq | xargs -r docker rm -f; docker network prune -f; "
    "docker volume ls -q | xargs -r docker volume rm"
)


def traces_settle(host: Host, before: object) -> dict[str, list[str]]:
    """What is still there beyond `before` when nothing goes any longer."""
    limit = time.monotonic() + SETTLE
    while (left := look(host).since(before)) and time.monotonic() < limit:  # type: ignore[arg-type]
        time.sleep(0.1)
    return left


def test_there_are_enough_points_to_speak_of() -> None:
    assert len(POINTS) >= 20
    assert {point.partition(":")[0] for point in POINTS} <= set(WAYS)


@pytest.mark.parametrize("point", POINTS)
def test_a_kill_leaves_nothing(host: Host, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    way = point.partition(":")[0]
    prepare, command = WAYS[way]
    flags = FLAGS.get(way, ())
    host.run(CLEAN, check=True)
    host.stop_engine()
    host.start_engine(*flags)
    before = look(host)
    next_address = first_address(host)
    host.run(prepare, check=True)
    host.stop_engine()

    monkeypatch.setenv("FAIRLEAD_FAULT", point)
    if command:
        host.start_engine(*flags)
        assert not host.run(command).ok, "the daemon died without its client noticing"
    else:
        with pytest.raises(Exception, match="engine"):
            host.start_engine(*flags)
    monkeypatch.delenv("FAIRLEAD_FAULT")
    host.kill_engine()

    host.start_engine(*flags)
    assert findings(host) == []
    host.run(CLEAN, check=True)
    assert traces_settle(host, before) == {}
    assert first_address(host) == next_address
    host.run(prepare, check=True)
    if command:
        host.run(command, check=True)
    assert findings(host) == []
    host.run(CLEAN, check=True)
    assert traces_settle(host, before) == {}


def first_address(host: Host) -> str:
    """The address that the next container gets: another one means that a lease has leaked."""
    return host.run("docker run --rm busybox hostname -i", check=True).stdout
