"""The application of examples/flask-redis, by the commands of its page: real flask, real redis, a real build."""

import os
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fairlead.lab import debian
from fairlead.lab.etcd import Etcd
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

EXAMPLE = Path(__file__).parents[2] / "examples" / "flask-redis"
PAGE = (EXAMPLE / "README.md").read_text()
PATIENCE = 20.0  # seconds that a program may take to come up


def commands(title: str) -> list[str]:
    """The blocks of commands below a title of the page."""
    chapter = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", chapter, re.DOTALL)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(f"flask-{os.getpid()}", hosts=2) as made:
        yield made


@pytest.fixture(scope="module")
def pair(lab: Lab) -> Iterator[tuple[Host, Host]]:
    """Two hosts in one cluster; the first builds the image, the second is given it."""
    one, two = lab.hosts
    etcd = Etcd(lab.hosts, 1)
    etcd.start()

    def start(host: Host) -> None:
        host.start_engine(*etcd.engine_flags)

    with ThreadPoolExecutor() as threads:
        list(threads.map(start, lab.hosts))
        for archive in threads.map(lambda make: make(), (debian.redis, debian.flask)):
            one.run("docker load -q", input=archive, check=True)
        there(one, commands("The images")[0].splitlines()[-1])
        one.run(f"docker save flask-redis -o {lab.state}/web.tar", check=True)
        two.run(f"docker load -q -i {lab.state}/web.tar", check=True)
    yield one, two
    for host in lab.hosts:
        host.stop_engine()


def there(host: Host, script: str) -> None:
    """Run commands in the example's directory, as a reader does; all must succeed but for curl, which may
    come too early.
    """
    for command in script.strip().splitlines():
        if not command.startswith("curl"):
            host.run(f"cd {EXAMPLE} && {command}", check=True, environment={"DOCKER_BUILDKIT": "0"})


def count(lab: Lab, host: Host) -> int:
    """What the page says to somebody outside, as soon as there is one."""
    limit = time.monotonic() + PATIENCE
    while True:
        said = lab.outside.run(f"curl -sf -m 5 http://{host.address}:5000/").stdout
        if found := re.search(r"asked for (\d+) times", said):
            return int(found[1])
        assert time.monotonic() < limit, f"the page does not come: {host.run('docker ps -a').stdout}"
        time.sleep(0.1)


def counts(lab: Lab, host: Host) -> None:
    """The page counts on, twice."""
    assert count(lab, host) < count(lab, host) < count(lab, host)


@pytest.mark.parametrize("title", ["With a link", "With a network"])
def test_one_host(lab: Lab, pair: tuple[Host, Host], title: str) -> None:
    on_one_host(lab, pair[0], title)


def on_one_host(lab: Lab, host: Host, title: str, redis: str = "redis", web: str = "web") -> None:
    """A chapter of the page, with a restart of either container."""
    up, down = commands(title)
    there(host, up)
    counts(lab, host)
    before = count(lab, host)
    host.run(f"docker restart -t 0 {web}", check=True)
    assert count(lab, host) > before
    counts(lab, host)
    host.run(f"docker restart -t 0 {redis}", check=True)
    counts(lab, host)
    there(host, down)
    assert host.run("docker ps -aq; docker network ls -q | wc -l").stdout.strip() == "3"


def test_two_hosts(lab: Lab, pair: tuple[Host, Host]) -> None:
    one, two = pair
    first, second, away, last = commands("On two hosts")
    there(one, first)
    there(two, second)
    counts(lab, two)
    two.run("docker restart -t 0 web", check=True)
    counts(lab, two)
    one.run("docker restart -t 0 redis", check=True)
    counts(lab, two)
    there(two, away)
    there(one, last)
    for host in pair:
        assert host.run("docker ps -aq; ip netns list").stdout.strip() == ""
