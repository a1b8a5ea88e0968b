"""`fairlead` asks the daemon for what `docker` asks for: the same command line makes the same requests.

A daemon that only takes notes answers both; what it is sent is compared, zero values aside, which
either client may send or leave out.
"""

import io
import json
import shlex
import shutil
import socketserver
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from fairlead.cli.main import run

DOCKER = shutil.which("docker")

CREATE = [
    "busybox",
    "busybox sh -c 'exit 3'",
    "-it --entrypoint '' -h name --domainname d -u 1:2 -w /w busybox",
    "-a stdout -a stdin busybox",
    "-e A=1 -e B= -e HOME -e NOWHERE busybox",
    "-l a=b -l c --annotation x=y busybox",
    "-p 80 -p 81:82/udp -p 1.2.3.4::83 -p [::1]:84:85 -p 90-92:93-95 -p 96-99:96/sctp busybox",
    "-p published=80,target=90,protocol=udp -P --expose 5 --expose 6-8/udp busybox",
    "-v /a:/b -v /c -v n:/d:ro -v ./rel:/e --volumes-from z:ro --volume-driver x busybox",
    "--mount type=bind,src=/e,dst=/f,readonly --mount type=volume,source=v,target=/g,volume-nocopy busybox",
    "--mount type=volume,dst=/g,volume-driver=x,volume-opt=a=b,volume-label=c=d,volume-subpath=s busybox",
    "--mount type=tmpfs,target=/h,tmpfs-size=1m,tmpfs-mode=1770 --tmpfs /t:size=1m --tmpfs /u busybox",
    "--mount type=bind,src=/e,dst=/k,bind-propagation=rshared,bind-recursive=disabled busybox",
    "--mount type=bind,src=/e,dst=/k,bind-recursive=readonly,readonly,bind-propagation=rprivate busybox",
    "--mount dst=/k busybox",
    "--network foo --ip 1.2.3.4 --ip6 ::5 --mac-address 02:42:ac:11:00:09 --network-alias a --link x:y busybox",
    "--network name=foo,alias=b,alias=c,ip=1.1.1.1,driver-opt=a=b,gw-priority=3 --network bar busybox",
    "--net host busybox",
    "--network container:x busybox",
    "--link a --link-local-ip 169.254.1.1 busybox",
    "--dns 1.1.1.1 --dns ::1 --dns-search a.b --dns-search . --dns-option c --dns-opt d busybox",
    "--add-host h:1.1.1.1 --add-host g=::1 --add-host k:[::1] --add-host l:host-gateway busybox",
    "-m 1g --memory-swap -1 --memory-reservation 1.5m --memory-swappiness 5 --oom-kill-disable busybox",
    "--cpus 1.5 --cpu-shares 5 --cpu-period 1 --cpu-quota 2 --cpu-rt-period 3 --cpu-rt-runtime 4 busybox",
    "--cpuset-cpus 0-1 --cpuset-mems 0 --pids-limit -1 --blkio-weight 20 --oom-score-adj -5 busybox",
    "--blkio-weight-device /dev/sda:20 --device-read-bps /dev/sda:1mb --device-write-bps /dev/sda:5 busybox",
    "--device-read-iops /dev/sda:7 --device-write-iops /dev/sda:8 busybox",
    "--device /dev/null --device /dev/zero:/dev/z --device /dev/full:r --device /dev/tty:/dev/t:rw busybox",
    "--device-cgroup-rule 'c 1:3 rwm' --gpus all --gpus 2 busybox",
    "--gpus 'device=1,driver=x,\"capabilities=a,b\",options=k=v' busybox",
    "--ulimit nofile=10:20 --ulimit core=-1 --ulimit nproc=5 busybox",
    "--sysctl net.core.x=c --sysctl kernel.sem=1 busybox",
    "--cap-add net_admin --cap-add CAP_SYS_ADMIN --cap-drop all --privileged --group-add 5 busybox",
    "--security-opt systempaths=unconfined --security-opt seccomp=unconfined --security-opt label:x busybox",
    "--security-opt no-new-privileges --security-opt apparmor=x --storage-opt size=1 busybox",
    "--restart on-failure:3 --log-driver json-file --log-opt a=b --init --runtime x busybox",
    "--restart unless-stopped --init=false --read-only --cgroup-parent x --cgroupns host busybox",
    "--pid host --ipc shareable --uts host --userns host --isolation default --shm-size 1g busybox",
    "--stop-signal 9 --stop-timeout 3 --rm --name x --platform linux/amd64 busybox",
    "--health-cmd 'a b' --health-interval 3s --health-timeout 1m30s --health-retries 2 busybox",
    "--health-start-period 5s --health-start-interval 1s --health-cmd x busybox",
    "--no-healthcheck busybox",
    "--pull never --quiet busybox -- --not-ours -x",
]

OTHERS = [
    "network create n",
    "network create -d x --subnet 10.1.0.0/16 --ip-range 10.1.1.0/24 --gateway 10.1.0.1 --aux-address a=10.1.0.9 "
    "-o k=v --label l=1 --internal --attachable --ipv6 n",
    "network create --subnet 10.1.0.0/16 --subnet fd00::/64 --gateway fd00::1 --ipam-driver d --ipam-opt x=y n",
    "network create --config-only --scope local --ingress --ipv4=false n",
    "network connect n c",
    "network connect --ip 1.2.3.4 --ip6 ::1 --alias a --alias b,c --link x --link-local-ip ::2 n c",
    "network connect --driver-opt a=b --gw-priority 4 n c",
    "network disconnect -f n c",
    "network ls -f driver=x -f label=a=b",
    "network prune -f --filter until=1h",
    "volume create v",
    "volume create -d x -o a=b --label c v",
    "volume rm -f v",
    "volume ls -f dangling=true",
    "volume prune -f",
    "volume prune -fa --filter label=x",
    "ps",
    "ps -a -n 3 -s -f name=x -f name=y",
    "stop c",
    "stop -t 3 -s INT c",
    "restart -t 0 c",
    "kill c",
    "kill -s HUP c",
    "pause c",
    "unpause c",
    "rename a b",
    "rm -fvl c",
    "wait c",
    "start c",
    "update -m 1g --cpus 2 --restart always c",
    "update --pids-limit 5 --cpuset-cpus 0 c",
    "exec -d -e A=1 -u x -w /y --privileged c ls -l",
    "exec -d -it --detach-keys ctrl-a c sh",
    "logs --since 1700000000 --until 2024-01-01T00:00:00Z -n 5 -t --details c",
    "logs c",
    "top c -o pid",
    "images -a -f dangling=true x",
    "rmi -f --no-prune x y/z:1",
    "tag a:1 b/c",
    "tag a example.com:5/d:2",
    "history x",
    "image prune -af --filter until=1h",
    "image prune -f",
    "save a b",
    "commit -m m -a me -c 'ENV a=b' -p=false c r:t",
    "commit c",
    "pull -q x",
    "pull -q example.com/x:1",
    "pull -qa x",
    "push -q x:1",
    "import -m m -c 'CMD x' - r:t",
    "load -q -i {archive}",
    "events --since 1700000000 --until 1700000001 -f type=container",
    "system prune -f",
    "system prune -af --volumes --filter label=x",
    "container prune -f --filter until=1h",
    "diff c",
    "port c",
    "inspect -s --type container c",
    "network inspect -v n",
]

# What Docker's client does not send to an old daemon.
NEWER = ("volume prune -fa --filter label=x", "stop -t 3 -s INT c")


class Notes(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        return "socket"

    def log_message(self, format: str, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        parts = urlsplit(self.path)
        path = unquote(parts.path)
        if path.startswith("/v1."):
            path = "/" + path.split("/", 2)[2]
        content = self._content()
        if path != "/_ping":
            query = sorted((name, _parsed(value)) for name, value in parse_qsl(parts.query))
            self.server.taken.append((self.command, path, query, _parsed(content.decode())))  # type: ignore[attr-defined]
        answer = b"[]" if self.command == "DELETE" else self._said(path)
        self.send_response(200)
        self.send_header("Api-Version", self.server.version)  # type: ignore[attr-defined]
        self.send_header("Ostype", "linux")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _content(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    @staticmethod
    def _said(path: str) -> bytes:
        if path in ("/networks", "/containers/json", "/images/json") or path.endswith(
            ("/history", "/changes")
        ):
            return b"[]"
        if path.endswith("/push") or path in ("/images/create", "/images/load", "/events", "/_ping"):
            return b""
        return json.dumps(
            {
                "Id": "c0ffee",
                "ID": "c0ffee",
                "Name": "x",
                "Config": {"Tty": True},
                "State": {},
                "Volumes": [],
                "StatusCode": 0,
                "Titles": ["A"],
                "Processes": [],
                "NetworkSettings": {"Ports": {}},
            }
        ).encode()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _answer


class Daemon(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Takes notes of every request but _ping."""

    daemon_threads = True
    version = "1.47"

    def __init__(self, path: Path):
        super().__init__(str(path), Notes)
        self.taken: list[Any] = []
        self.address = f"unix://{path}"

    def take(self) -> list[Any]:
        taken, self.taken = self.taken, []
        return taken


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    with Daemon(tmp_path_factory.mktemp("notes") / "s") as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield served
        served.shutdown()


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _bare(value: Any) -> Any:
    """Without zero values, and in an order where Docker's client has none."""
    if isinstance(value, dict):
        found = {name: _bare(item) for name, item in value.items()}
        for name in ("Env", "Binds"):
            if isinstance(found.get(name), list):
                found[name] = sorted(found[name])
        if isinstance(found.get("Config"), list):
            found["Config"] = sorted(found["Config"], key=str)
        return {name: item for name, item in found.items() if item and item != [0, 0]}
    if isinstance(value, list | tuple):
        return [_bare(item) for item in value]
    return value


def _requests(daemon: Daemon, line: str, ours: bool) -> list[Any]:
    words = shlex.split(line)
    if ours:
        run(words, "docker")
    else:
        assert DOCKER
        done = subprocess.run([DOCKER, *words], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
    # Requests of one command may come from several threads at once.
    return sorted(
        ([method, path, _bare(query), _bare(body) or None] for method, path, query, body in daemon.take()),
        key=str,
    )


@pytest.mark.skipif(not DOCKER, reason="there is no docker client to compare with")
@pytest.mark.parametrize(
    ("line", "version"),
    [
        *((f"create {line}", "1.47") for line in CREATE),
        *((line, "1.47") for line in OTHERS),
        *((line, "1.41") for line in OTHERS if line not in NEWER),
    ],
)
def test_both_clients_ask_the_same(
    line: str, version: str, daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "archive.tar"
    archive.write_bytes(b"not really")
    for name, value in {"DOCKER_HOST": daemon.address, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    for name in ("DOCKER_API_VERSION", "FAIRLEAD_HOST", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(daemon, "version", version)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO()))
    line = line.replace("{archive}", str(archive))
    assert _requests(daemon, line, ours=True) == _requests(daemon, line, ours=False)
