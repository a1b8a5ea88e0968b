"""docker-compose 1.29, as Debian has it: five services, two networks, up, scaled, changed, restarted, down."""

import json
import re
import time
from collections.abc import Callable, Iterator

import pytest

from fairlead.lab import debian
from fairlead.lab.host import Host
from fairlead.lab.traces import look

PATIENCE = 20.0  # seconds
PROJECT = """version: "2.4"
services:
  redis:
    image: redis
    volumes: ["data:/data", "device:/device"]
    networks: {back: {ipv4_address: 10.81.0.10, aliases: [store]}}
    healthcheck: {test: ["CMD", "redis-cli", "ping"], interval: 300ms, retries: 30}
  web:
    image: web
    depends_on: {redis: {condition: service_healthy}}
    ports: ["8080:80"]
    networks: {front: {aliases: [www]}, back: {ipv4_address: 10.81.0.11}}
    healthcheck: {test: "wget -q -O /dev/null http://127.0.0.1/", interval: 300ms, retries: 30}
  worker:
    image: busybox
    command: sh -c 'while true; do echo working; sleep 1; done'
    init: true
    depends_on: {redis: {condition: service_healthy}}
    volumes: ["device:/device"]
    networks: [back]
  sidecar:
    image: busybox
    command: sleep 1000
    init: true
    network_mode: "service:web"
    depends_on: {web: {condition: service_healthy}}
  proxy:
    image: busybox
    init: true
    command: sleep 1000
    networks: [front, outer]
    links: ["web:site"]
    environment: {COLOUR: green}
networks:
  front: {}
  back: {driver: bridge, ipam: {config: [{subnet: 10.81.0.0/24, gateway: 10.81.0.1}]}}
  outer: {external: true}
volumes:
  data: {}
  device: {driver_opts: {type: tmpfs, device: tmpfs, o: "size=1m"}}
"""


class Project:
    """The five services on a host, and the program that drives them."""

    def __init__(self, host: Host, program: str = "docker-compose"):
        self.host, self._program = host, program

    def begin(self) -> None:
        self.host.run("docker load -q", input=debian.redis(), check=True)
        self.host.run("cat > /run/five.yml", input=PROJECT, check=True)

    def compose(self, arguments: str) -> str:
        """All that docker-compose says; it must succeed."""
        result = self.host.run(f"{self._program} -p five -f /run/five.yml {arguments} 2>&1")
        assert result.ok, f"docker-compose {arguments}: {result.stdout}"
        return result.stdout

    def end(self) -> None:
        self.host.run(
            f"{self._program} -p five -f /run/five.yml down -v -t 0; docker network rm outer; docker rmi redis"
        )

    def say(self, command: str) -> str:
        return self.host.run(command, check=True).stdout.strip()

    def inside(self, container: str, command: str) -> str:
        return self.say(f"docker exec five_{container}_1 {command}")

    def ids(self) -> set[str]:
        return set(self.say("docker ps -aq --filter label=com.docker.compose.project=five").split())


@pytest.fixture
def project(clean: Host) -> Iterator[Project]:
    made = Project(clean)
    made.begin()
    yield made
    made.end()


def test_five_services_from_up_to_down(project: Project) -> None:
    story(project)


def story(project: Project) -> None:
    """All of it; nothing is left."""
    before = look(project.host)
    project.say("docker network create outer")
    assert "ipv4_address: 10.81.0.11" in project.compose("config")
    project.compose("up -d")
    assert len(project.ids()) == 5
    reach(project)
    volume(project)
    again(project)
    scaled(project)
    changed(project)
    one_more(project)
    stopped_and_started(project)
    project.compose("down -v -t 0")
    project.say("docker network rm outer")
    assert project.say("docker ps -aq; docker volume ls -q; docker network ls -q | wc -l") == "3"
    until(lambda: look(project.host).since(before) == {})  # the kernel takes away namespaces by and by


def until(holds: Callable[[], object]) -> None:
    """Wait for what must come."""
    limit = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < limit, "it did not come"
        time.sleep(0.1)


def workers(logs: str) -> set[str]:
    """The numbers of those who have written something."""
    return set(re.findall(r"^worker[_-](\d)\s+\| working", logs, re.MULTILINE))


def reach(project: Project) -> None:
    """Names, aliases, links, fixed addresses, published ports, a network that is shared."""
    page = "This page comes out of a container."
    for name in ("site", "www", "web", "five_web_1"):
        assert page in project.inside("proxy", f"wget -qO- http://{name}/")
    assert page in project.inside("sidecar", "wget -qO- http://127.0.0.1/")
    assert page in project.say("curl -sS http://127.0.0.1:8080/")
    assert "10.81.0.10" in project.inside("worker", "ping -c 1 store")
    assert project.inside("redis", "redis-cli -h 10.81.0.10 incr visits") == "1"
    assert not project.host.run("docker exec five_proxy_1 ping -c 1 -W 1 store").ok
    assert project.compose("port web 80").strip() == "0.0.0.0:8080"


def volume(project: Project) -> None:
    """What one service leaves in a volume that is a device another one finds."""
    project.inside("redis", "touch /device/here")
    assert project.inside("worker", "ls /device") == "here"
    assert project.inside("worker", "stat -f -c %T /device") == "tmpfs"


def again(project: Project) -> None:
    """Up once more changes nothing."""
    known = project.ids()
    project.compose("up -d")
    assert project.ids() == known


def scaled(project: Project) -> None:
    """Three workers answer to one name, write a log each, and are paused together."""
    project.compose("up -d --scale worker=3")
    answer = project.inside("web", "nslookup worker 127.0.0.11")
    assert answer.count("Address: 10.81.0.") == 3
    until(lambda: workers(project.compose("logs --no-color --tail=1 worker")) == {"1", "2", "3"})
    assert len(re.findall("^[0-9a-f]{64}$", project.compose("ps -q worker"), re.MULTILINE)) == 3


def changed(project: Project) -> None:
    """A service whose configuration changed is made anew, the others stay."""
    known = project.ids()
    project.say("sed -i s/green/blue/ /run/five.yml")
    project.compose("up -d -t 0 --scale worker=3")
    assert len(project.ids() - known) == len(known - project.ids()) == 1
    assert "COLOUR=blue" in project.inside("proxy", "env").split()


def one_more(project: Project) -> None:
    """One-off commands, and commands in services."""
    assert "once" in project.compose("run --rm -T worker echo once")
    assert "10.81.0.10" in project.compose("run --rm -T --no-deps worker ping -c 1 store")
    assert project.compose("exec -T redis redis-cli -h store get visits").strip() == "1"
    assert "(healthy)" in project.compose("ps web")


def stopped_and_started(project: Project) -> None:
    """All of it again, with the same addresses."""
    project.compose("restart -t 0")
    project.compose("stop -t 0")
    project.compose("start")
    said = json.loads(project.say("docker inspect five_web_1"))[0]["NetworkSettings"]["Networks"]
    assert {name: each["IPAddress"] for name, each in said.items()}["five_back"] == "10.81.0.11"
    reached = "until wget -qO- http://site/; do sleep 0.1; done"
    assert "It works" in project.inside("proxy", f'timeout 10 sh -c "{reached}"')
