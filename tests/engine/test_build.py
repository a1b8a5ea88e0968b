"""`docker build` and docker-py's `images.build`: Docker's words, our networks, nothing left over."""

import io
import socket
import sys
import tarfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import docker
import pytest
from docker.errors import APIError, BuildError

from fairlead.lab.host import Host

BUILD = "DOCKER_BUILDKIT=0 docker build"
WORKING = "find {state}/data/storage/overlay-containers -name buildah.json; ls {state}/data/scratch"


@pytest.fixture
def client(clean: Host) -> Iterator[docker.DockerClient]:
    made = docker.DockerClient(base_url=clean.docker_host)
    yield made
    made.close()


@pytest.fixture
def context(host: Host, tmp_path: Path) -> Path:
    (tmp_path / "note").write_text("kept\n")
    return tmp_path


def packed(files: Mapping[str, str], compression: str = "") -> io.BytesIO:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode=f"w:{compression}") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text.encode()))
    archive.seek(0)
    return archive


def left_over(host: Host) -> str:
    """What a build must not leave: working containers, uploads, namespaces, control groups."""
    commands = WORKING.format(state=host.state)
    return host.run(
        f"{commands}; ls /run/netns; find /sys/fs/cgroup -name 'fairlead-build-*'; grep -c build- /proc/mounts"
    ).stdout


def test_the_docker_command_line_builds_tags_and_uses_what_it_has_built(clean: Host, context: Path) -> None:
    (context / "Dockerfile").write_text(
        "ARG BASE=busybox\nFROM web AS pages\nRUN echo built > /www/built\n"
        "FROM $BASE\nARG WHO=nobody\nRUN echo hello $WHO \\\n  && id -u\n"
        "COPY --from=pages /www /www\nCOPY note /\n"
        'ONBUILD RUN true\nHEALTHCHECK --interval=5s CMD true\nUSER nobody\nCMD ["cat", "/note"]\n'
    )
    before = left_over(clean)
    told = clean.run(
        f"{BUILD} -t made:1 -t made:2 --build-arg WHO=you --label more=yes {context}", check=True
    )
    identity = clean.run("docker image inspect -f '{{.Id}}' made:1", check=True).stdout.strip()
    lines = told.stdout.splitlines()
    assert "Step 1/13 : ARG BASE=busybox" in lines
    assert "Step 6/13 : RUN echo hello $WHO   && id -u" in lines
    assert lines[lines.index("hello you") + 1] == "0"
    digits = identity.removeprefix("sha256:")[:12]
    assert lines[-4:] == [
        f" ---> {digits}",
        f"Successfully built {digits}",
        "Successfully tagged made:1",
        "Successfully tagged made:2",
    ]
    assert clean.run("docker run --rm made:2").stdout == "kept\n"
    assert clean.run("docker run --rm made:2 cat /www/built").stdout == "built\n"
    shown = clean.run(
        "docker image inspect -f '{{json .Config.Healthcheck.Test}} {{.Config.Labels}} {{.Config.OnBuild}}' made:1"
    ).stdout
    assert shown == '["CMD-SHELL","true"] map[more:yes] [RUN true]\n'
    layers = "docker image inspect -f '{{index .RootFS.Layers 0}}' "
    assert clean.run(layers + "made:1").stdout == clean.run(layers + "busybox").stdout
    assert "COPY" in clean.run("docker history made:1").stdout
    again = clean.run(f"{BUILD} -t made:1 --build-arg WHO=you --label more=yes {context}", check=True).stdout
    assert again.count(" ---> Using cache\n") == 10
    assert f"Successfully built {digits}\n" in again
    clean.run("docker rmi made:1 made:2 && docker image prune -f", check=True)
    assert left_over(clean) == before


def test_steps_are_hidden_and_go_with_what_was_made_of_them(clean: Host, context: Path) -> None:
    (context / "Dockerfile").write_text("FROM busybox\nENV A=1\nRUN echo once > /once\n")
    count = "docker images -q {} | wc -l"
    before = clean.run(count.format("-a")).stdout
    first = clean.run(f"{BUILD} -q {context}", check=True).stdout.strip()
    assert first.startswith("sha256:")
    dangling = clean.run("docker images -q --no-trunc -f dangling=true").stdout
    assert dangling == f"{first}\n"
    pruned = clean.run("docker image prune -f", check=True).stdout
    assert pruned.count("deleted: sha256:") >= 2
    assert clean.run(count.format("-a")).stdout == before
    assert "Total reclaimed space: 0B" in clean.run("docker builder prune -f", check=True).stdout


def test_commands_run_on_the_network_asked_for(clean: Host, context: Path) -> None:
    clean.run("docker network create --subnet 10.77.0.0/24 shop", check=True)
    clean.run("docker run -d --network shop --name server web", check=True)
    (context / "Dockerfile").write_text(
        "FROM busybox\nRUN wget -qO- http://server/; ip -4 -o addr; cat /etc/hosts\n"
    )
    told = clean.run(
        f"{BUILD} --no-cache --network shop --add-host far:192.0.2.9 {context}", check=True
    ).stdout
    assert "It works" in told
    assert "10.77.0.3/24" in told
    assert "192.0.2.9" in told
    (context / "Dockerfile").write_text("FROM busybox\nRUN ip -o link\n")
    outside = clean.run(f"{BUILD} --no-cache --network host {context}", check=True).stdout
    assert "docker0" in outside
    alone = clean.run(f"{BUILD} --no-cache --network none {context}", check=True).stdout
    assert "eth0" not in alone
    assert "172.17." not in alone
    unknown = clean.run(f"{BUILD} --no-cache --network nowhere {context}")
    assert (unknown.code, "network nowhere not found" in unknown.stderr) == (1, True)
    clean.run("docker rm -f server; docker network rm shop", check=True)


def test_docker_py_gets_the_image_or_the_reason(client: docker.DockerClient) -> None:
    files = {
        "Dockerfile": 'FROM busybox\nCOPY a /a\nSHELL ["/bin/busybox", "sh", "-c"]\nRUN cat /a && exit 3\n',
        "a": "text",
    }
    with pytest.raises(BuildError) as failure:
        client.images.build(fileobj=packed(files, "gz"), custom_context=True, encoding="gzip", rm=True)
    assert (
        failure.value.msg == "The command '/bin/busybox sh -c cat /a && exit 3' returned a non-zero code: 3"
    )
    streams = "".join(line.get("stream", "") for line in failure.value.build_log)
    assert "text" in streams
    assert list(failure.value.build_log)[-1:] in (
        [],
        [{"errorDetail": {"code": 3, "message": failure.value.msg}, "error": failure.value.msg}],
    )
    for files, words in (
        ({"Dockerfile": "FROM busybox\nCOPY nothing /\n"}, "file not found in build context"),
        ({"Dockerfile": "FROM busybox\nFETCH it\n"}, "unknown instruction: FETCH"),
        ({"note": "x"}, "Cannot locate specified Dockerfile: Dockerfile"),
        ({"Dockerfile": "# nothing\n"}, "the Dockerfile (Dockerfile) cannot be empty"),
    ):
        with pytest.raises((BuildError, APIError), match=words.replace("(", r"\(").replace(")", r"\)")):
            client.images.build(fileobj=packed(files), custom_context=True)
    image, _ = client.images.build(
        fileobj=packed({"in/Other": "FROM busybox AS one\nRUN true\nFROM one\nRUN false\n"}, "xz"),
        custom_context=True,
        dockerfile="in/Other",
        target="one",
        tag="reg.test:5000/deep/name",
        squash=False,
    )
    assert image.tags == ["reg.test:5000/deep/name:latest"]
    client.images.remove(image.id)


def test_our_own_command_line_builds_too(clean: Host, context: Path) -> None:
    program = Path(sys.executable).with_name("fairlead")
    (context / ".dockerignore").write_text("*\n!note\n")
    (context / "secret").write_text("x")
    (context / "Dockerfile").write_text("FROM busybox\nARG CODE=0\nCOPY . /in\nRUN ls -A /in; exit $CODE\n")
    told = clean.run(f"{program} build -t own:1 --iidfile {context}/id {context}", check=True).stdout
    assert "\nSuccessfully tagged own:1\n" in told
    assert "\nnote\n" in told
    assert "secret" not in told
    again = clean.run(f"{program} build -q {context}", check=True).stdout
    assert again == (context / "id").read_text() + "\n"
    failed = clean.run(f"{program} build --build-arg CODE=4 {context}")
    assert (failed.code, failed.stderr) == (
        4,
        "The command '/bin/sh -c ls -A /in; exit $CODE' returned a non-zero code: 4\n",
    )
    clean.run("docker rmi own:1 && docker image prune -f", check=True)


def test_a_client_that_goes_away_ends_the_build(clean: Host) -> None:
    before = left_over(clean)
    body = packed({"Dockerfile": "FROM busybox\nRUN sleep 987\n"}).getvalue()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(clean.socket))
        client.sendall(b"POST /build HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await_build(clean, "sleep 987", True)
        assert left_over(clean) != before
    await_build(clean, "sleep 987", False)
    await_same(clean, before)


def test_an_engine_that_is_killed_leaves_nothing_of_its_builds(clean: Host, context: Path) -> None:
    before = left_over(clean)
    (context / "Dockerfile").write_text("FROM busybox\nRUN sleep 986\n")
    clean.start(f"{BUILD} {context}")
    await_build(clean, "sleep 986", True)
    clean.kill_engine()
    await_build(clean, "sleep 986", False)
    clean.start_engine()
    await_same(clean, before)
    assert clean.run("docker ps -aq").stdout == ""


def await_build(host: Host, command: str, runs: bool) -> None:
    limit = time.monotonic() + 15
    while (host.run(f"pgrep -xf '{command}'").code == 0) != runs:
        assert time.monotonic() < limit, f"{command}: still {'not ' if runs else ''}running"
        time.sleep(0.1)


def await_same(host: Host, before: str) -> None:
    limit = time.monotonic() + 10
    while (now := left_over(host)) != before:
        assert time.monotonic() < limit, now
        time.sleep(0.1)
