"""Requests that chance makes of our own OpenAPI description, in their thousands, to a whole engine.

Every answer must be one that the description names, no refusal may leave anything, the daemon must
live, and at the end the host must be as it was.  schemathesis makes the requests; words that mean
something to the engine are strewn in, so that many get past the first check.
"""

import argparse
import contextlib
import http.client
import io
import json
import os
import random
import socket
import sys
import tarfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from fairlead.api.description import describe
from fairlead.api.operations import JSON, TAR
from fairlead.lab import images
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab
from fairlead.lab.traces import Traces, look

PATIENCE = 20.0  # seconds for the head of an answer
LOOKED_AT = 4  # every how many requests it is looked whether a refusal has made anything
MOST = 1 << 16  # bytes of an answer that are read
VERSIONS = ("", "/v1.24", "/v1.41", "/v1.44", "/v1.48")
# What has a head and then goes on for as long as one listens.
ENDLESS = ("/events", "/logs", "/attach", "/stats", "/wait", "/start", "/ws")
# Their answer may be late: they wait for a process, or for a registry.
SLOW = ("/stop", "/restart", "/wait", "/attach", "/images/create", "/push", "/auth", "/build")
WORDS = (
    "", "0", "1", "-1", "65536", "80/tcp", "8080", "8080-8090", "70000", "true", "null", "box", "idle",
    "busybox",
    "busybox:latest", "busybox@sha256:" + "0" * 64, "lan", "disk", "bridge", "host", "none", "container:box",
    "container:idle", "container:", "overlay", "macvlan", "default", "local", "always", "on-failure", "no",
    "10.77.0.0/24", "10.77.0.1", "10.77.0.300", "fd77::/64", "fd77::1", "0.0.0.0/0", "10.77.0.0/33",
    "127.0.0.1", "255.255.255.255", "::1", "/", "/tmp", "/etc/passwd", "..", "../..", "a/b", "a:b", "a b",
    "a=b", "=", "A=1", "TERM", "KILL", "SIGTERM", "99", "NET_ADMIN", "ALL", "nofile", "volume", "bind",
    "tmpfs", "private", "shareable", "json-file", "sha256", "é", "x" * 300, "x\ny", "'; true", "$(true)",
    "%s", "\u202e", "[", "*", "net.ipv4.ip_forward", "com.docker.network.bridge.name",
    "com.docker.network.driver.mtu", "io.fairlead.allow", "parent", "eth0", "docker0", "1500", "none",
    "sleep", "CMD", "CMD-SHELL", "rw", "rwm", "c 1:3 rwm", "no-new-privileges", "seccomp=unconfined",
)  # fmt: skip
NUMBERS = (
    0,
    1,
    -1,
    2,
    10,
    100,
    1 << 15,
    1 << 16,
    6 << 20,
    64 << 20,
    (1 << 31) - 1,
    1 << 31,
    (1 << 63) - 1,
    -(1 << 63),
)
# What is asked about a thing that has just been made, by the path that made it.
_NEXT: dict[str, tuple[tuple[str, str], ...]] = {
    "/containers/create": (
        ("POST /containers/{id}/start", "/containers/{}/start"),
        ("GET /containers/{id}/json", "/containers/{}/json"),
        ("DELETE /containers/{id}", "/containers/{}?force=1&v=1"),
    ),
    "/networks/create": (
        ("POST /networks/{id}/connect", "/networks/{}/connect"),
        ("GET /networks/{id}", "/networks/{}"),
        ("POST /networks/{id}/disconnect", "/networks/{}/disconnect"),
        ("DELETE /networks/{id}", "/networks/{}"),
    ),
    "/containers/{id}/exec": (("POST /exec/{id}/start", "/exec/{}/start"),),
}


@dataclass(frozen=True, slots=True)
class Request:
    """One request, and the operation of the description that it is of."""

    label: str
    path: str
    url: str
    headers: dict[str, str]
    body: bytes | None
    allowed: frozenset[int]

    def __str__(self) -> str:
        return f"{self.label.split()[0]} {self.url} {(self.body or b'')[:600]!r}"


@dataclass(slots=True)
class Report:
    """What was asked and what came of it; `wrong` is what must not be, with the request."""

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)  # documented 5xx, one of each kind
    wrong: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """How many were answered."""
        return sum(self.statuses.values())

    def text(self) -> str:
        """For people."""
        kinds: Counter[int] = Counter()
        for (_, status), count in self.statuses.items():
            kinds[status] += count
        lines = [f"{self.requests} requests to {len({label for label, _ in self.statuses})} operations"]
        lines += [f"  {status or 'no answer'}: {count}" for status, count in sorted(kinds.items())]
        slowest = sorted(self.seconds.items(), key=lambda each: -each[1])[:5]
        lines += [f"  {label}: {seconds:.1f} s" for label, seconds in slowest]
        lines += ["documented failures, one of each kind:"]
        lines += [
            f"  {label}: {message}"
            for (label, _), message in sorted(self.failures.items())
            if "swarm" not in message
        ]
        lines += [f"WRONG {each}" for each in self.wrong]
        lines += [f"LEFT {each}" for each in self.left[:40]]
        return "\n".join(lines)


class _Connection(http.client.HTTPConnection):
    def __init__(self, host: Host):
        super().__init__("localhost", timeout=PATIENCE)
        self._path = str(host.socket)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Fuzz:
    """An engine in a virtual host, asked by chance."""

    def __init__(self, host: Host, chance: int):
        self.host, self.report = host, Report()
        self._chance = chance
        self._operations = [each.ok() for each in _description().get_all_operations()]
        self._labelled = {each.label: each for each in self._operations}

    # -- before and after ------------------------------------------------------------------------

    def prepare(self) -> None:
        """An image, and one of everything that a request can name."""
        self._furnish()

    def _furnish(self) -> None:
        """Have one of everything again, whatever has been removed or renamed."""
        box = self.host.engine.get("/containers/box/json")
        others = ("/containers/idle/json", "/networks/lan", "/volumes/disk", "/images/busybox/json")
        running = isinstance(box, dict) and box["State"]["Status"] == "running"
        if running and all(self.host.engine.get(path) for path in others):
            return
        if not self.host.engine.get("/images/busybox/json"):
            self.host.run("docker load -q", input=images.busybox(), check=True)
        self.host.run(
            "docker network inspect lan >/dev/null 2>&1 || docker network create lan;"
            "docker volume create disk;"
            "docker start box 2>/dev/null ||"
            " docker run -d --init --name box --network lan busybox sleep 100000;"
            "docker inspect idle >/dev/null 2>&1 || docker create --name idle busybox sleep 100000;"
            "docker unpause box",
            deadline=PATIENCE * 3,
        )

    def clear(self) -> None:
        """Remove everything that was made."""
        clear = (
            "docker ps -aq | xargs -r docker rm -f; docker network prune -f; docker volume prune -af;"
            "docker image prune -af; docker images -q | sort -u | xargs -r docker rmi -f"
        )
        result = self.host.run(clear, deadline=600)
        if not result.ok:
            self.report.left.append(f"cannot clear: {result.stderr}")

    # -- asking ----------------------------------------------------------------------------------

    def run(self, count: int) -> None:
        """About that many requests, dealt over all operations by how much they read."""
        weights = [_weight(each) for each in self._operations]
        for operation, weight in zip(self._operations, weights, strict=True):
            wanted = round(count * weight / sum(weights))
            if weight > 1:
                self._furnish()
            begun = time.monotonic()
            self._ask(operation, GenerationMode.POSITIVE, wanted - wanted // 4)
            if _can_be_wrong(operation):
                self._ask(operation, GenerationMode.NEGATIVE, wanted // 4)
            self.report.seconds[operation.label] = time.monotonic() - begun

    def _ask(self, operation: Any, mode: GenerationMode, count: int) -> None:
        if not count:
            return

        @seed(self._chance)
        @settings(
            max_examples=count,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode), chance=st.integers(0, 1 << 32))
        def ask(case: Any, chance: int) -> None:
            if chance % 16 == 0:
                self._furnish()
            request = self._request(operation, case, random.Random(chance))
            status, document = self.send(request)
            if status == 201 and request.path in _NEXT:
                self._go_on(request, document)

        ask()

    def _go_on(self, request: Request, document: Any) -> None:
        """What has been made is used, and removed."""
        for label, path in _NEXT[request.path]:
            operation = self._labelled[label]
            body = b'{"Container": "box"}' if path.endswith("connect") else None
            url = path.format(document.get("Id") or "disk")
            kind = {"Content-Type": "application/json"} if body else {}
            self.send(Request(label, operation.path, url, kind, body, _described(operation)))

    def _request(self, operation: Any, case: Any, chance: random.Random) -> Request:
        for name in case.path_parameters or {}:
            if chance.random() < 0.7:
                case.path_parameters[name] = chance.choice(("box", "idle", "lan", "disk", "busybox"))
        strew = chance.random() < 0.8
        if isinstance(case.body, dict) and strew:
            case.body = _strewn(case.body, chance, self.host)
            if "create" in operation.path and chance.random() < 0.8:
                case.body |= {"Image": "busybox", "Cmd": ["sleep", "1000"], "Name": f"n{chance.random()}"}
            if "connect" in operation.path and chance.random() < 0.8:
                case.body["Container"] = chance.choice(("box", "idle"))
        if isinstance(case.query, dict) and strew:
            case.query = {name: _strewn(value, chance, self.host) for name, value in case.query.items()}
        given = case.as_transport_kwargs(base_url="http://x" + chance.choice(VERSIONS))
        body = _bytes(given)
        if operation.path.endswith("/archive") and chance.random() < 0.5:
            body = _archive()
        query = urlencode(given.get("params") or {}, doseq=True, errors="replace")
        url = given["url"].removeprefix("http://x") + (f"?{query}" if query else "")
        headers = {
            name: str(value)
            for name, value in given["headers"].items()
            if name.startswith(("Content", "X-Reg"))
        }
        return Request(operation.label, operation.path, url, headers, body, _described(operation))

    def send(self, request: Request) -> tuple[int, Any]:
        """Ask, and note what is wrong with the answer; its status, and the document of what it made."""
        watched = request.label.startswith(("POST", "PUT")) and self.report.requests % LOOKED_AT == 0
        before = self._there() if watched else frozenset()
        try:
            status, content = self._exchange(request)
        except TimeoutError:
            status, content = 0, b""
            if not request.path.endswith(SLOW):
                self.report.wrong.append(f"no answer in {PATIENCE:g} s: {request}")
        except (OSError, http.client.HTTPException) as error:
            status, content = 0, b""
            self.report.wrong.append(f"{error!r}: {request}")
        self.report.statuses[request.label, status] += 1
        if status >= 400:
            self._judge(request, status, content)
            if before and (made := self._there() - before):
                self.report.wrong.append(f"{status}, and yet made {sorted(made)}: {request}")
        return status, json.loads(content) if status == 201 and content else {}

    def _judge(self, request: Request, status: int, content: bytes) -> None:
        report = self.report
        try:
            document = json.loads(content) if content else {"message": "-"}
            message = document["message"]
        except (ValueError, TypeError, KeyError):
            report.wrong.append(f"{status} without a message, {content[:200]!r}: {request}")
            return
        if not message or "Traceback" in message or "internal error" in message:
            report.wrong.append(f"{status} {message!r}: {request}")
        # A route that is not there, a method that it has not: no operation's own.
        elif status not in request.allowed and message != "page not found":
            report.wrong.append(f"{status} is not described, {message!r}: {request}")
        elif status >= 500:
            report.failures.setdefault(
                (request.label, " ".join(message.split()[:3])), f"{status} {message[:300]}"
            )

    def _exchange(self, request: Request) -> tuple[int, bytes]:
        connection = _Connection(self.host)
        with contextlib.closing(connection):
            connection.request(request.label.split()[0], request.url, request.body, request.headers)
            answer = connection.getresponse()
            if answer.status >= 400 or not request.path.endswith(ENDLESS):
                return answer.status, answer.read(MOST)
            return answer.status, b""

    def _there(self) -> frozenset[str]:
        """The names of all that requests make."""
        names: set[str] = set()
        for path, key in (("/containers/json?all=1", "Id"), ("/networks", "Id"), ("/images/json", "Id")):
            found = self.host.engine.get(path)
            names |= {each[key] for each in found} if isinstance(found, list) else set()
        volumes = self.host.engine.get("/volumes")
        return frozenset(names | {each["Name"] for each in volumes["Volumes"]})  # type: ignore[index]


def _described(operation: Any) -> frozenset[int]:
    return frozenset(int(status) for status in operation.definition.raw["responses"])


def _weight(operation: Any) -> int:
    """How many requests an operation is worth; those that are only refused are all alike."""
    raw = operation.definition.raw
    if not any(int(status) < 400 for status in raw["responses"]):
        return 1
    return 40 if JSON in raw.get("requestBody", {}).get("content", {}) else 8


def _can_be_wrong(operation: Any) -> bool:
    """Whether there is anything about a request that could be other than described."""
    raw = operation.definition.raw
    return any(each["in"] == "query" for each in raw.get("parameters", ())) or "requestBody" in raw


def _description() -> Any:
    """Our description, read strictly: members that it does not name are not worth asking about."""
    schemathesis.serializer(TAR)(lambda context, value: value)
    document = json.loads(json.dumps(describe()))

    def close(schema: Any) -> None:
        if isinstance(schema, dict):
            if "properties" in schema and schema["properties"]:
                schema.setdefault("additionalProperties", False)
            for each in schema.values():
                close(each)
        elif isinstance(schema, list):
            for each in schema:
                close(each)

    close(document["paths"])
    return schemathesis.openapi.from_dict(document)


def _strewn(value: Any, chance: random.Random, host: Host, depth: int = 0) -> Any:
    """The value with words that mean something strewn in, and with few members, so that each is reached."""
    if isinstance(value, dict):
        kept = chance.sample(sorted(value), min(len(value), chance.randint(1, 4)))
        return {name: _strewn(value[name], chance, host, depth + 1) for name in kept}
    if isinstance(value, list):
        return [_strewn(each, chance, host, depth + 1) for each in value[:4]]
    if isinstance(value, str) and chance.random() < 0.7:
        value = chance.choice(WORDS)
    elif isinstance(value, int) and not isinstance(value, bool) and chance.random() < 0.7:
        value = chance.choice(NUMBERS)
    return value


def _bytes(given: dict[str, Any]) -> bytes | None:
    if "json" in given:
        return json.dumps(given["json"]).encode()
    body = given.get("data")
    return body.encode("utf-8", "replace") if isinstance(body, str) else body


def _archive() -> bytes:
    """A small archive as it should be."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("file"))
    return target.getvalue()


@dataclass(frozen=True, slots=True)
class Scene:
    """What a host carries, and the engine's files."""

    traces: Traces
    files: frozenset[str]

    @staticmethod
    def of(host: Host) -> "Scene":
        """Now; the names of files alone, since records and logs change."""
        found = host.run(f"cd {host.state} && find data exec", check=True).stdout
        return Scene(look(host), frozenset(found.splitlines()))

    def since(self, before: "Scene") -> list[str]:
        """What is there and was not."""
        traces = [
            f"{kind}: {line}" for kind, lines in self.traces.since(before.traces).items() for line in lines
        ]
        return traces + [f"file: {name}" for name in sorted(self.files - before.files)]


def measure(host: Host, count: int, chance: int) -> Report:
    """Ask `count` requests of the engine that runs in the host; it must be fresh, and is empty afterwards."""
    fuzz = Fuzz(host, chance)
    fuzz.prepare()
    # The tables that the first network with IPv6 brings stay, as Docker's do.
    host.run("docker network create --ipv6 --subnet fd77::/64 six", check=True)
    fuzz.clear()
    before, daemon = Scene.of(host), host.engine.pid
    fuzz.prepare()
    fuzz.run(count)
    if host.engine.pid != daemon:
        fuzz.report.wrong.append(f"the daemon has ended:\n{host.engine.log(60)}")
        return fuzz.report
    fuzz.clear()
    limit = time.monotonic() + PATIENCE
    while (left := Scene.of(host).since(before)) and time.monotonic() < limit:
        time.sleep(0.2)
    fuzz.report.left += left
    log = host.engine.log(1_000_000)
    if "Traceback" in log:
        fuzz.report.wrong.append(
            "the daemon's log has a traceback:\n" + log[log.index("Traceback") - 300 :][:3000]
        )
    return fuzz.report


def main() -> int:
    """Parse the command line, ask, print."""
    parser = argparse.ArgumentParser(prog="bench.fuzz", description=__doc__)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--chance", type=int, default=random.randrange(1 << 32), help="to do the same again")
    parser.add_argument("--log", type=Path, help="where to keep the daemon's log")
    options = parser.parse_args()
    print(f"--chance {options.chance}", flush=True)
    with Lab(f"fuzz-{os.getpid()}") as lab:
        host = lab.host(1)
        host.start_engine()
        try:
            report = measure(host, options.requests, options.chance)
        finally:
            if options.log:
                options.log.write_text(host.engine.log(1_000_000))
            host.stop_engine()
    print(report.text())
    return 1 if report.wrong or report.left else 0


if __name__ == "__main__":
    sys.exit(main())
