"""The operations that `bench.crashes` breaks off: what is there before, and the command."""

from dataclasses import dataclass

BLUE = "docker network create --subnet 10.9.0.0/24 blue >/dev/null"
RED = "docker network create --subnet 10.8.0.0/24 --subnet fd00:8::/64 --ipv6 red >/dev/null"
WHAT = "--name victim -p 8080:80 -v keep:/keep --network blue busybox sleep 1000"
CREATE = f"docker create {WHAT}"
RUN = f"docker run -d {WHAT}"
LINKED = "docker run -d --name target web; docker run -d --name victim --link target:site busybox sleep 1000"
IS_RUNNING = "test \"$(docker inspect -f '{{.State.Running}}' victim)\" = "
IS_ON = "docker inspect -f '{{json .NetworkSettings.Networks}}' victim | grep -q "
START = ""  # the start of the daemon, no command


@dataclass(frozen=True, slots=True)
class Operation:
    """A command of the client, or the start of the daemon.

    `reached` succeeds where what was asked for is there already: then the command need not be given
    again after a kill.  `disturb` is done while no daemon runs, `flags` are the daemon's.
    `leaves` is part of a finding that may stay after a failed call, until the command is given again.
    """

    command: str
    prepare: str = "true"
    reached: str = "false"
    disturb: str = ""
    flags: tuple[str, ...] = ()
    leaves: str = "nothing"


OPERATIONS: dict[str, Operation] = {
    "create": Operation(CREATE, BLUE, reached="docker inspect victim"),
    "start": Operation("docker start victim", f"{BLUE}; {CREATE}"),
    "run": Operation(
        "docker run -d --name victim -p 8000-8019:8000-8019 -p 5353:53/udp --network red busybox sleep 1000",
        RED,
        # The client creates and starts: what is created and not started is taken away first, by hand.
        reached=f"{IS_RUNNING}true || {{ docker rm -f victim; false; }}",
    ),
    "stop": Operation("docker stop -t 0 victim", f"{BLUE}; {RUN}"),
    "kill": Operation("docker kill victim", f"{BLUE}; {RUN}", reached=f"{IS_RUNNING}false"),
    "restart": Operation("docker restart -t 0 victim", f"{BLUE}; {RUN}"),
    "remove": Operation(
        "docker rm victim",
        f"{BLUE}; {RUN}; docker stop -t 0 victim",
        reached="! docker inspect victim",
        leaves="its phase is removing",
    ),
    "remove by force": Operation(
        "docker rm -f victim",
        f"{BLUE}; {RUN}",
        reached="! docker inspect victim",
        leaves="its phase is removing",
    ),
    "connect": Operation(
        "docker network connect red victim", f"{BLUE}; {RED}; {RUN}", reached=f"{IS_ON}'\"red\"'"
    ),
    "disconnect": Operation(
        "docker network disconnect blue victim",
        f"{BLUE}; {RED}; {RUN}; docker network connect red victim",
        reached=f"! {IS_ON}'\"blue\"'",
    ),
    "network create": Operation(
        "docker network create --subnet 10.9.0.0/24 --ipv6 --subnet fd00:9::/64 blue",
        reached="docker network inspect blue",
    ),
    "network remove": Operation("docker network rm blue", BLUE, reached="! docker network inspect blue"),
    "rename": Operation("docker rename victim other", f"{BLUE}; {RUN}", reached="docker inspect other"),
    "pause": Operation(
        "docker pause victim",
        f"{BLUE}; {RUN}",
        reached="docker inspect -f {{.State.Status}} victim | grep paused",
    ),
    "volume create": Operation("docker volume create lost"),
    "volume remove": Operation(
        "docker volume rm lost", "docker volume create lost", reached="! docker volume inspect lost"
    ),
    "link": Operation("docker stop -t 0 target", LINKED, flags=("--icc=false",)),
    "unlink": Operation(
        "docker rm --link victim/site",
        LINKED,
        reached="! docker inspect -f '{{.HostConfig.Links}}' victim | grep site",
        flags=("--icc=false",),
    ),
    "build": Operation("printf 'FROM busybox\\nRUN true\\n' | DOCKER_BUILDKIT=0 docker build --no-cache -"),
    # The containers are dead, the bridge is gone, the rules are lost: as after a start of the machine.
    "begin": Operation(
        START,
        f"{BLUE}; {RUN.replace('-d', '-d --restart always', 1)}; docker run -d --name dead busybox sleep 999",
        disturb=(
            "pkill -KILL -x sleep; ip link del $(ip -o link show type bridge | "
            "sed -n 's/^[0-9]*: \\(br-[^:]*\\):.*/\\1/p'); iptables -t nat -F; iptables -F; "
            "nft list tables | grep fairlead | while read table; do nft delete $table; done"
        ),
    ),
}
