"""One virtual host is injured again and again, inside of it, and each time looked at until it is as before.

Run by `bench.injuries` in the host; writes a line of JSON for each injury.
"""

import argparse
import difflib
import json
import os
import pprint
import random
import re
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LOOK = 0.01  # seconds between two looks
GIVEN_UP = 60.0  # seconds
USERS = ("users-own", "DOCKER-USER")  # chains of the user
Seen = object


def say(*words: str) -> str:
    """What a command prints; nothing where it fails."""
    return subprocess.run(words, capture_output=True, text=True).stdout


def do(command: str) -> bool:
    """Run a command in a shell: whether it succeeded."""
    return subprocess.run(["sh", "-c", command], capture_output=True).returncode == 0


# -- what is looked at ---------------------------------------------------------------------------


def rules(program: str = "iptables") -> Seen:
    """Ours among the rules, and whether what must come first does."""
    lines = [
        line
        for line in say(f"{program}-save").splitlines()
        if line.startswith(("-A", "-P", "*")) or (line.startswith(":") and "users-own" not in line)
    ]
    mine = sorted(re.sub(r" \[\d+:\d+\]$", "", line) for line in lines if not _of_user(line))
    forward = [line for line in lines if line.startswith("-A FORWARD")][:2]
    separating = [line for line in lines if line.startswith("-A DOCKER-ISOLATION-STAGE")]
    first = [line for line in separating if line.endswith(("-j DROP", "STAGE-2"))]
    led = all(
        not other.endswith(("-j ACCEPT", "-j RETURN"))
        for line in first
        for other in separating[: separating.index(line)]
        if other.split()[1] == line.split()[1]
    )
    return mine, forward, led


def _of_user(line: str) -> bool:
    return "users" in line or line.startswith("-A DOCKER-USER")


def users_rules() -> Seen:
    """What is the user's."""
    own = [line for line in say("iptables-save").splitlines() if line.startswith("-A") and _of_user(line)]
    return own, say("nft", "list", "table", "inet", "users")


def tables() -> Seen:
    """Our own nftables tables, in no order."""
    text = "".join(
        re.sub(r"packets \d+ bytes \d+", "", say("nft", "list", "table", family, "fairlead"))
        for family in ("ip", "inet", "bridge")
    )
    return sorted(re.split(r"[\s,]+", text))


def links(namespace: str = "") -> Seen:
    """The links with what is set on them."""
    inside = ["-n", namespace] if namespace else []
    found = json.loads(say("ip", *inside, "-d", "-j", "link") or "[]")
    return sorted(
        (
            link["ifname"],
            link.get("address") if not link["ifname"].startswith("veth") else "",  # chosen by the kernel
            link["mtu"],
            link.get("master", ""),
            "UP" in link["flags"],
            *(
                str(link.get("linkinfo", {}).get("info_slave_data", {}).get(each))
                for each in ("hairpin", "isolated", "learning")
            ),
        )
        for link in found
    )


def addresses(namespace: str = "") -> Seen:
    """The addresses that are not link-local."""
    inside = ["-n", namespace] if namespace else []
    found = json.loads(say("ip", *inside, "-j", "addr") or "[]")
    return sorted(
        f"{link['ifname']} {each['local']}/{each['prefixlen']}"
        for link in found
        for each in link["addr_info"]
        if each.get("scope") != "link"
    )


def routes(namespace: str = "") -> Seen:
    """The main table."""
    inside = ["-n", namespace] if namespace else []
    found = json.loads(say("ip", *inside, "-j", "route") or "[]")
    return sorted(f"{each['dst']} {each.get('gateway')} {each.get('dev')}" for each in found)


def setting(path: str, namespace: str = "") -> Seen:
    """A kernel setting."""
    return say(*(["ip", "netns", "exec", namespace] if namespace else []), "sysctl", "-n", path)


def network(namespace: str) -> Callable[[], Seen]:
    """All of a namespace's network."""
    return lambda: (links(namespace), addresses(namespace), routes(namespace))


def host_network() -> Seen:
    """All of the host's."""
    return links(), addresses(), routes()


def pin(name: str) -> Seen:
    """Which namespace is pinned."""
    try:
        found = os.stat(f"/run/netns/{name}")
    except OSError:
        return None
    return found.st_dev, found.st_ino


def answers(name: str, wanted: str) -> Seen:
    """Whether the container's name server knows another container."""
    question = b"".join(bytes([len(part)]) + part.encode() for part in wanted.split(".")) + b"\0"
    query = struct.pack("!HHHHHH", random.randrange(1 << 16), 0x100, 1, 0, 0, 0) + question + b"\0\1\0\1"
    script = (
        "import socket,sys; s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM); s.settimeout(0.2)\n"
        f"s.sendto({query!r},('127.0.0.11',53)); r=s.recv(512); print(r[7])"
    )
    return say("ip", "netns", "exec", name, sys.executable, "-S", "-c", script).strip() == "1"


def held(port: int) -> Seen:
    """Whether a port is held."""
    with socket.socket() as trying:
        try:
            trying.bind(("0.0.0.0", port))
        except OSError:
            return True
    return False


# -- what is done --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Injury:
    """A command that breaks something, what it breaks, and what takes away what it leaves.

    What it leaves is the user's: it has to be there still.
    """

    kind: str
    command: str
    look: Callable[[], Seen]
    after: str = ""


class Host:
    """What there is to break."""

    def __init__(self, containers: Sequence[str], bridges: Sequence[str], root: str, chance: random.Random):
        self.containers, self.bridges, self.root, self.chance = containers, bridges, root, chance

    def injuries(self, kind: str) -> Injury:
        """One injury of a kind."""
        return getattr(self, "_" + kind.replace(" ", "_"))()  # type: ignore[no-any-return]

    def kinds(self) -> list[str]:
        """All kinds."""
        return [name[1:].replace("_", " ") for name in KINDS]

    def _container(self) -> str:
        return self.chance.choice(self.containers)

    def _bridge(self) -> str:
        return self.chance.choice(self.bridges)

    def _port(self) -> str:
        return self.chance.choice([row[0] for row in links() if row[0].startswith("veth")])  # type: ignore[attr-defined]

    def _rules_flushed(self) -> Injury:
        return Injury("iptables -F", "iptables -F", rules)

    def _nat_flushed(self) -> Injury:
        return Injury("iptables -t nat -F", "iptables -t nat -F", rules)

    def _ruleset_flushed(self) -> Injury:
        return Injury("nft flush ruleset", "nft flush ruleset", lambda: (rules(), tables()))

    def _table_deleted(self) -> Injury:
        family = self.chance.choice(("ip", "inet", "bridge"))
        return Injury("nft delete table", f"nft delete table {family} fairlead", tables)

    def _rule_deleted(self) -> Injury:
        own = [
            (table, line)
            for table in ("filter", "nat")
            for line in say("iptables", "-t", table, "-S").splitlines()
            if line.startswith("-A") and not _of_user(line) and "RETURN" not in line
        ]
        table, line = self.chance.choice(own)
        return Injury("rule deleted", f"iptables -t {table} {line.replace('-A', '-D', 1)}", rules)

    def _rule_in_front(self) -> Injury:
        chain, verdict = self.chance.choice(
            (
                ("FORWARD", "ACCEPT"),
                ("DOCKER-ISOLATION-STAGE-1", "RETURN"),
                ("DOCKER-ISOLATION-STAGE-2", "ACCEPT"),
            )
        )
        rule = f"{chain} -s 203.0.113.7/32 -m comment --comment users -j {verdict}"
        return Injury("rule inserted in front", f"iptables -I {rule}", rules, f"iptables -D {rule}")

    def _link_deleted(self) -> Injury:
        return Injury("link deleted, host end", f"ip link del {self._port()}", self._everywhere)

    def _link_deleted_inside(self) -> Injury:
        name = self._container()
        return Injury("link deleted inside", f"ip -n {name} link del eth0", self._everywhere)

    def _bridge_deleted(self) -> Injury:
        return Injury("bridge deleted", f"ip link del {self._bridge()}", self._everywhere)

    def _everywhere(self) -> Seen:
        return host_network(), [network(name)() for name in self.containers]

    def _link_down(self) -> Injury:
        what = self.chance.choice((self._bridge(), self._port()))
        return Injury("link down", f"ip link set {what} down", host_network)

    def _link_down_inside(self) -> Injury:
        name = self._container()
        return Injury("link down inside", f"ip -n {name} link set eth0 down", network(name))

    def _nomaster(self) -> Injury:
        return Injury("nomaster", f"ip link set {self._port()} nomaster", host_network)

    def _mtu(self) -> Injury:
        return Injury("mtu changed", f"ip link set {self._port()} mtu 1280", host_network)

    def _address_flushed(self) -> Injury:
        return Injury("address flushed", f"ip addr flush dev {self._bridge()}", host_network)

    def _address_flushed_inside(self) -> Injury:
        name = self._container()
        return Injury("address flushed inside", f"ip -n {name} addr flush dev eth0", network(name))

    def _route_deleted(self) -> Injury:
        bridge = self._bridge()
        route = say("ip", "-4", "route", "show", "dev", bridge).split()[0]
        return Injury("route deleted", f"ip route del {route} dev {bridge}", host_network)

    def _route_deleted_inside(self) -> Injury:
        name = self._container()
        return Injury("route deleted inside", f"ip -n {name} route del default", network(name))

    def _sysctl(self) -> Injury:
        bridge = self._bridge()
        path, value = self.chance.choice(
            (
                ("net.ipv4.ip_forward", "0"),
                (f"net/ipv4/conf/{bridge}/route_localnet", "0"),
                (f"net/ipv6/conf/{bridge}/accept_ra", "2"),
            )
        )
        return Injury("sysctl flipped", f"sysctl -w {path}={value}", lambda: setting(path))

    def _sysctl_inside(self) -> Injury:
        name, path = self._container(), "net.ipv4.ip_unprivileged_port_start"
        command = f"ip netns exec {name} sysctl -w {path}=1024"
        return Injury("sysctl flipped inside", command, lambda: setting(path, name))

    def _pin(self) -> Injury:
        name = self._container()
        return Injury("pin unmounted", f"umount /run/netns/{name}", lambda: pin(name))

    def _ports_killed(self) -> Injury:
        def look() -> Seen:
            return held(8000), len(self._ask("ports", "everything").get("held", ()))

        return Injury("port holder killed", self._kill("ports"), look)

    def _resolver_killed(self) -> Injury:
        name = self._container()
        return Injury("resolver killed", self._kill("resolver"), lambda: answers(name, name))

    def _kill(self, kind: str) -> str:
        return f"kill -9 {self._ask(kind, 'status')['pid']}"

    def _ask(self, kind: str, what: str) -> dict[str, Any]:
        """The answer of a process beside the daemon, nothing where there is none."""
        with socket.socket(socket.AF_UNIX) as asking:
            try:
                asking.connect(f"{self.root}/exec/{kind}.sock")
                asking.sendall(json.dumps({"do": what}).encode() + b"\n")
                with asking.makefile("rb") as answer:
                    return dict(json.loads(answer.readline()))
            except (OSError, ValueError):
                return {}


KINDS = [name for name in vars(Host) if name.startswith("_") and name not in
         ("__init__", "__module__", "__doc__", "__dict__", "__weakref__", "_container", "_bridge", "_port",
          "_everywhere", "_kill", "_ask")]  # fmt: skip


def injure(injury: Injury) -> dict[str, object]:
    """Do it, and look until all is as before."""
    before, users = injury.look(), users_rules()
    began, clock = time.monotonic(), time.time_ns()
    do(injury.command)
    done = time.monotonic()
    first = injury.look()
    while (now := injury.look()) != before and time.monotonic() < done + GIVEN_UP:
        time.sleep(LOOK)
    seconds = time.monotonic() - done
    if now != before:
        lines = (pprint.pformat(each, width=100).splitlines() for each in (before, now))
        print("\n".join(difflib.unified_diff(*lines, lineterm="", n=0)), file=sys.stderr)
    kept = do(injury.after) if injury.after else True
    return {
        "kind": injury.kind,
        "command": injury.command,
        "seconds": round(seconds, 3),
        "began": clock,
        "took": round(done - began, 3),
        "repaired": now == before,
        "seen": first != before,
        "users": (kept and users_rules() == users) or "flush" in injury.command or "-F" in injury.command,
    }


def users_own() -> None:
    """What a user has of his own."""
    for command in (
        "iptables -N users-own",
        "iptables -A users-own -s 203.0.113.8 -j DROP",
        "iptables -A INPUT -j users-own",
        "iptables -I DOCKER-USER -s 203.0.113.9 -j DROP",
        "nft add table inet users",
        "nft add chain inet users mine '{ type filter hook input priority 10 ; }'",
        "nft add rule inet users mine ip saddr 203.0.113.10 drop",
    ):
        do(command)


def plan(host: Host, count: int) -> Iterator[Injury]:
    """So many injuries, each kind as often as the others, in an order of chance."""
    kinds = [name[1:] for name in KINDS]
    names = [kinds[number % len(kinds)] for number in range(count)]
    host.chance.shuffle(names)
    for name in names:
        yield host.injuries(name)


def main() -> int:
    """Injure; the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=len(KINDS))
    parser.add_argument("--containers", required=True)
    parser.add_argument("--bridges", required=True)
    parser.add_argument("--root", required=True)
    parser.add_argument("--pause", type=float, default=1.2)
    options = parser.parse_args()
    chance = random.Random(options.seed)
    host = Host(options.containers.split(","), options.bridges.split(","), options.root, chance)
    users_own()
    for injury in plan(host, options.count):
        before = injure(injury)
        if not before["users"]:
            Path("/dev/stderr").write_text(f"changed a user's rules: {injury}\n")
        if "flush" in injury.command or "-F" in injury.command:
            users_own()
        print(json.dumps(before), flush=True)
        time.sleep(options.pause)
    return 0


if __name__ == "__main__":
    sys.exit(main())
