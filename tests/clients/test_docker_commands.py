"""Every command of the docker client (Debian's, 20.10) with its usual options, on our engine and on dockerd.

Exit codes and words must be alike, ids, times and addresses aside; where they differ on purpose, or by the
machine, `differences.txt` says why.
"""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fairlead.lab import images
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

HERE = Path(__file__).parent
GROUPS = {
    part.partition("]\n")[0]: part.partition("]\n")[2].strip().splitlines()
    for part in re.split(r"^\[", (HERE / "commands.txt").read_text(), flags=re.MULTILINE)[1:]
}
DIFFERENT = [
    (line.partition(" | ")[0], line.partition(" | ")[2].rpartition(" | ")[0])
    for line in (HERE / "differences.txt").read_text().splitlines()
    if line and not line.startswith("#")
]
ALIKE = (
    (r"sha256:[0-9a-f]{64}", "sha256:ID"),
    (r"\b[0-9a-f]{64}\b", "ID"),
    (r"\b[0-9a-f]{12}\b", "ID"),
    (r"\d{4}-\d\d-\d\d[T ][\d:.]+(Z|[+-]\d\d:\d\d)", "TIME"),
    (r"172\.\d+\.0\.\d+", "ADDRESS"),
    (r"02:42:[0-9a-f:]{11}", "ADDRESS"),
    (r"(0\.0\.0\.0|\[?::\]?):[34]\d{4}", r"\1:PORT"),
)
CLEAN = """docker ps -aq | xargs -r docker rm -fv; docker network prune -f; docker volume ls -q | xargs -r docker volume rm -f
docker images --format '{{.Repository}}:{{.Tag}} {{.ID}}' | grep -vE '^(busybox|web):latest' |
while read name id; do case $name in *none*) docker rmi -f $id;; *) docker rmi -f $name;; esac; done"""
REGISTRIES = """mkdir registry
printf 'anna:$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\\n' > registry/passwords
for port in 5000 5001; do
  printf 'version: 0.1\\nstorage: {filesystem: {rootdirectory: %s}}\\nlog: {level: error, accesslog: {disabled: true}}\\nhttp: {addr: "127.0.0.1:%s"}\\n' \\
    $PWD/registry/$port $port > registry/$port.yml
done
printf 'auth: {htpasswd: {realm: test, path: %s}}\\n' $PWD/registry/passwords >> registry/5001.yml
for port in 5000 5001; do
  docker-registry serve registry/$port.yml > registry/$port.log 2>&1 &
  until curl -s -o registry/answer http://127.0.0.1:$port/v2/; do sleep 0.05; done
done
"""


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[Host, Host]]:
    """A host with our engine and one with dockerd."""
    with Lab(f"commands-{os.getpid()}", hosts=2) as lab:
        for host, kind in zip(lab.hosts, ("fairlead", "dockerd"), strict=True):
            host.start_engine(kind=kind)
            (host.state / "bin").mkdir()
            (host.state / "bin" / "docker").symlink_to("/usr/bin/docker")
            for archive in (images.busybox(), images.web()):
                host.run("docker load -q", input=archive, check=True)
        yield lab.hosts[0], lab.hosts[1]
        for host in lab.hosts:
            host.stop_engine()


def answers(host: Host, group: str) -> list[str]:
    """What each command of a group says, with its exit code, in a form that can be compared."""
    lines = [f"PATH={host.state}/bin:$PATH; rm -rf /run/commands; mkdir /run/commands; cd /run/commands"]
    if group == "registry":
        lines.append(REGISTRIES)
    lines += [
        f"( {command}\n) </dev/null 2>&1; echo \"exit $?\"; printf '\\036'" for command in GROUPS[group]
    ]
    lines.append("kill $(jobs -p) 2>/dev/null")
    said = host.run(["bash", "-c", "\n".join(lines)], deadline=400).stdout.replace(str(host.state), "STATE")
    host.run(CLEAN, deadline=120)
    for pattern, word in ALIKE:
        said = re.sub(pattern, word, said)
    return said.split("\036")[: len(GROUPS[group])]


@pytest.mark.parametrize("group", GROUPS)
def test_commands(both: tuple[Host, Host], group: str) -> None:
    with ThreadPoolExecutor(2) as threads:
        ours, theirs = threads.map(lambda host: answers(host, group), both)
    excused = [start for where, start in DIFFERENT if where == group]
    different = [
        f"{command}\n--- fairlead\n{one}--- dockerd\n{other}"
        for command, one, other in zip(GROUPS[group], ours, theirs, strict=True)
        if one != other and not command.startswith(tuple(excused))
    ]
    assert not different, "\n".join(different)
