"""`fairlead` says what `docker` says: the same commands to the same daemon, word for word.

Each script runs once with either client, from an empty daemon; exit codes, output and messages are
compared step by step.  Ids, times and durations are what differs by nature.  The daemon is our engine, or
the one at FAIRLEAD_TEST_HOST (`unix:///...`, with a busybox image), where both may be held against Docker's.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.lab.host import Host

DOCKER = shutil.which("docker")
FAIRLEAD = Path(sys.executable).with_name("fairlead")

SCRIPTS: dict[str, list[str]] = {
    "run": [
        "docker run --rm busybox echo hello",
        "docker run --rm busybox sh -c 'echo out; echo err >&2; exit 7'",
        "echo through | docker run --rm -i busybox cat",
        "head -c 3000000 /dev/zero | docker run --rm -i busybox cat | wc -c",
        "docker run --rm busybox nosuchcommand",
        "docker run --rm busybox /etc",
        "docker run -d --name web --label a=b --label c -p 8080:80 -p 9000-9002:9000-9002/udp busybox sleep 100",
        "docker run -d --name web busybox true",
        "docker run --name 'bad/name' busybox true",
        "docker run --rm -v /relative:not busybox true",
        "docker run --rm -a stdout busybox sh -c 'echo only; echo not >&2'",
        "docker run --rm -e A=1 -e B busybox env | grep -e ^A -e ^B",
        "docker run --rm --entrypoint echo busybox overridden",
        "docker run --rm -w /tmp -u 7:8 busybox sh -c 'pwd; id -u; id -g'",
        "docker run --rm --cidfile cid busybox true; test -s cid && echo written",
        "docker run --rm --cidfile cid busybox true",
        "docker run -it busybox",
        "docker run -d -a stdout busybox",
        "docker run --rm --pull never missing",
        "docker run --rm 'Bad:name' true",
    ],
    "misuse": [
        "docker run",
        "docker run --nosuch busybox",
        "docker run -z busybox",
        "docker run --name",
        "docker run -m abc busybox",
        "docker run -p abc busybox",
        "docker run -p 1-2:80-83 busybox",
        "docker run -p 99999:80 busybox",
        "docker run -p 80:80/foo busybox",
        "docker run -p 1.2.3:80:80 busybox",
        "docker run --rm=maybe busybox",
        "docker run --expose a busybox",
        "docker run --expose 1:2 busybox",
        "docker run --cpus x busybox",
        "docker run --health-interval 3 busybox",
        "docker run --health-interval 3x busybox",
        "docker run --no-healthcheck --health-cmd x busybox",
        "docker run --ulimit x busybox",
        "docker run --ulimit nofile=10:5 busybox",
        "docker run -e =x busybox",
        "docker run --env-file /nowhere busybox",
        "docker run --dns x busybox",
        "docker run --dns-search .... busybox",
        "docker run --add-host x busybox",
        "docker run --add-host x:y busybox",
        "docker run --mount x busybox",
        "docker run --mount type=bind busybox",
        "docker run --mount type=volume,foo=1 busybox",
        "docker run --sysctl x busybox",
        "docker run --device x busybox",
        "docker run --device /x:y:z busybox",
        "docker run --device-cgroup-rule x busybox",
        "docker run --gpus x=y busybox",
        "docker run --label =x busybox",
        "docker run --link :: busybox",
        "docker run --network a=b busybox",
        "docker run --network '' busybox",
        "docker run --network a --network host busybox",
        "docker run --network a --network a busybox",
        "docker run --network-alias x --network bridge busybox",
        "docker run --mac-address xx busybox",
        "docker run --restart on-failure:x busybox",
        "docker run --restart always --rm busybox",
        "docker run --security-opt foo busybox",
        "docker run --security-opt seccomp=/nowhere busybox",
        "docker run --storage-opt foo busybox",
        "docker run --pid foo busybox",
        "docker run --userns foo busybox",
        "docker run --pull foo busybox",
        "docker run --memory-swappiness 101 busybox",
        "docker run --platform x/y/z/a busybox",
        "docker create --nosuch",
        "docker create -p abc busybox",
        "docker create",
        "docker rm",
        "docker port",
        "docker exec one",
        "docker stop -t x one",
        "docker stop --time 1 nosuch",
        "docker network create",
        "docker network ls extra",
        "docker network nosuch",
        "docker nosuch",
        "docker --nosuch",
        "docker ps -n x",
        "docker ps --filter a",
        "docker ps --all=2",
        "docker pull a b",
        "docker cp",
        "docker cp a b",
        "docker cp a: b:",
        "docker update one",
        "docker tag busybox X",
        "docker inspect --type nosuch x",
        "docker -H unix:///nowhere.sock ps",
        "docker -H unix:///nowhere.sock run busybox",
        "docker -H bad://x ps",
        "docker network create --gateway 1.1.1.1 n",
        "docker network create --subnet 10.1.0.0/16 --subnet 10.1.1.0/24 n",
    ],
    "nothing there": [
        f"docker {command}"
        for command in (
            "ps -a",
            "inspect nosuch",
            "rm nosuch",
            "rm -f nosuch",
            "start nosuch other",
            "stop nosuch",
            "kill nosuch",
            "restart nosuch",
            "pause nosuch",
            "wait nosuch",
            "logs nosuch",
            "attach nosuch",
            "exec nosuch true",
            "top nosuch",
            "port nosuch",
            "diff nosuch",
            "export nosuch",
            "commit nosuch",
            "rename nosuch other",
            "update -m 20m nosuch",
            "cp nosuch:/x .",
            "stats --no-stream nosuch",
            "image inspect nosuch",
            "history nosuch",
            "tag nosuch other",
            "rmi nosuch",
            "save nosuch",
            "network inspect nosuch",
            "network rm nosuch",
            "network rm -f nosuch",
            "network connect nosuch none",
            "network disconnect nosuch none",
            "volume inspect nosuch",
            "volume rm nosuch",
            "volume rm -f nosuch",
            "container inspect nosuch",
            "inspect --type network nosuch",
            "start ''",
            "volume ls",
            "network ls",
            "load -i /nowhere",
            "import /nowhere",
            "save -o /nowhere/x busybox",
        )
        # A bug of Docker's client: it says "exit status 1" after the reason.
        if command != "network rm nosuch"
    ],
    "a life": [
        "docker create --name one busybox sh -c 'echo hello; sleep 100'",
        "docker ps -a",
        "docker start one",
        "sleep 0.5; docker logs one",
        "docker exec one echo inside",
        "docker exec one sh -c 'exit 9'",
        "echo typed | docker exec -i one cat",
        "docker exec -d one touch /made",
        "docker exec -e X=1 -w /tmp one sh -c 'echo $X; pwd'",
        "docker exec one nosuchcommand",
        "docker diff one",
        "docker pause one",
        "docker ps",
        "docker pause one",
        "docker exec one true",
        "docker unpause one",
        "docker unpause one",
        "docker rename one two",
        "docker top two -o pid,comm | awk '{print $2}'",
        "docker rm two",
        "docker update --restart always two",
        "docker update --restart foo two",
        "docker restart -t 0 two",
        "docker kill -s FOO two",
        "docker stop -t 0 two",
        "docker stop two",
        "docker kill two",
        "docker wait two",
        "docker inspect -f '{{.State.Status}} {{.State.ExitCode}} {{.Name}} {{.HostConfig.RestartPolicy}}' two",
        "docker inspect -f '{{.State.Health}} {{.Config.Healthcheck}} {{.HostConfig.Init}}' two",
        "docker inspect -f '{{range $p, $b := .NetworkSettings.Networks}}{{$p}}{{end}} {{json .Config.Cmd}}' two",
        "docker inspect -f '{{.Config.Entrypoint}} {{.Config.Cmd}} {{.Config.Volumes}} {{.Mounts}}' two",
        "docker inspect -f '{{.Nosuch}}' two",
        "docker inspect -f '{{.Nosuch' two",
        'docker inspect -f \'{{index .Config.Labels "x"}}|{{len .Mounts}}|{{eq .Name "/two"}}\' two',
        "docker attach two",
        "docker start -a nosuch",
        "docker start two two",
        "docker rm -f two nosuch",
    ],
    "attached": [
        "docker create --name cat -i busybox cat",
        "echo first | docker start -ai cat",
        "docker run -d --name short -i busybox sh -c 'read line; echo got $line; exit 5'",
        "echo word | docker attach short",
        "docker logs short",
        "docker run -d --name quiet busybox sleep 1",
        "docker attach quiet",
        "docker run --rm -d --name loud busybox sh -c 'trap \"echo caught; exit 4\" TERM; while :; do sleep 0.1; done'",
        "sh -c 'docker attach loud & sleep 1; kill -TERM $!; wait $!'",
        'sh -c \'docker run --rm --name last busybox sh -c "trap \\"echo caught; exit 4\\" TERM; while :; do '
        "sleep 0.1; done\" & sleep 2; kill -TERM $!; wait $!'",
    ],
    "lists": [
        "docker run -d --name one --label a=b --label c= -p 8080:80 -v vol:/v busybox sleep 100",
        "docker create --name two --network none busybox",
        "docker ps -a",
        "docker ps -q",
        "docker ps --no-trunc",
        "docker ps -n 1",
        "docker ps -l --format '{{.Names}}'",
        "docker ps -a --format '{{.Names}}\\t{{.Image}}\\t{{.Command}}\\t{{.State}}'",
        "docker ps -a --format 'table {{.Names}}\\t{{.Ports}}\\t{{.Mounts}}\\t{{.LocalVolumes}}'",
        "docker ps -a --format 'table {{.Label \"a\"}}\\t{{.Labels}}\\t{{.Networks}}'",
        "docker ps --format '{{.Nosuch}}'",
        "docker ps --format '{{.ID'",
        "docker ps -f name=two -a",
        "docker ps -f status=nosuch",
        "docker ps -f nosuch=x",
        "docker ps -a --format json | sed s/LocalVolumes.*Platform//",
        "docker ps -as --format '{{.Names}} {{.Size}}'",
        "docker port one",
        "docker port one 80",
        "docker port one 80/udp",
        "docker port one x",
        "docker network ls",
        "docker network ls --no-trunc",
        "docker network ls -q | wc -l",
        "docker network ls --format '{{.Name}} {{.Driver}} {{.Internal}} {{.IPv6}}'",
        "docker network ls --format 'table {{.Name}}|{{upper .Driver}}'",
        "docker network ls --format '{{if eq .Name \"host\"}}H{{else}}{{.Name}}{{end}}'",
        "docker network ls --format '{{range $i, $c := split .Name \"o\"}}{{$i}}={{$c}},{{end}}'",
        "docker network ls --format '{{printf \"%q %5s %-9s|\" .Name .Name .Name}}{{println .Name 1 2}}'",
        "docker network ls --format '{{with $x := .Name}}{{$x}}{{end}}{{/* no */}}{{- 3 -}} y'",
        "docker network ls --format '{{slice .Name 0 2}}{{truncate .Name 3}}{{pad .Name 1 2}}{{title .Name}}'",
        'docker network ls --format \'{{not true}}{{and 1 0}}{{or 0 "x"}}{{html "<a>"}}{{len "abc"}}\'',
        'docker network ls --format \'{{define "x"}}[{{.}}]{{end}}{{template "x" .Name}}\'',
        *(
            f"docker network ls --format '{form}'"
            for form in (
                "{{foo .Name}}",
                "{{if .Name}}",
                "{{end}}",
                "{{}}",
                '{{"a}}',
                "{{$x}}",
                "{{(.Name}}",
                "{{index .Name 99}}",
                "{{eq .Name 1}}",
                '{{.Name "x"}}',
                "{{nil}}",
                "{{.Labels.x}}",
                "{{join .Name}}",
                "{{lower 3}}",
                "{{break}}",
            )
        ),
        "docker network ls -f driver=null",
        "docker network ls -f nosuch=x",
        "docker network inspect bridge -f '{{.Name}} {{(index .IPAM.Config 0).Subnet}} {{.EnableIPv6}}'",
        "docker network inspect none host bridge | grep -v Created",
        "docker volume ls",
        "docker volume ls -q",
        "docker volume ls --format '{{.Name}} {{.Driver}} {{.Mountpoint}} {{.Size}} {{.Links}}'",
        "docker volume inspect vol",
        "docker volume rm vol",
        "docker images busybox",
        "docker images -q busybox",
        "docker images --no-trunc busybox",
        "docker images --digests busybox",
        "docker images --format '{{.Repository}}:{{.Tag}} {{.Size}} {{.CreatedAt}}' busybox",
        "docker images nosuch",
        "docker image ls -f dangling=true",
        "docker history busybox",
        "docker history -q busybox",
        "docker history -H=false busybox",
        "docker system df",
        "docker system df --format '{{.Type}} {{.TotalCount}}'",
        "docker stats --no-stream --format '{{.Name}} {{.PIDs}}' one",
        "docker info --format '{{.Driver}} {{.ServerVersion}} {{.ContainersRunning}}'",
        "docker info | sed -n '/^Server/,$p' | grep -v -e Runtimes -e Time",
        "docker info -f '{{.Nosuch}}' 2>&1 | wc -l",
        "docker version --format '{{.Server.Version}} {{.Server.APIVersion}}'",
        "docker version | sed -n '/^Server/,$p'",
        "docker inspect one | grep -c .",
        "docker inspect one bridge vol busybox nosuch -f '{{if .Name}}{{.Name}}{{end}}'",
    ],
    "networks": [
        "docker network create mine",
        "docker network create mine",
        "docker network create --subnet 10.99.0.0/16 --gateway 10.99.0.1 --ip-range 10.99.1.0/24 "
        "--aux-address a=10.99.0.5 -o com.example.x=y --label z --internal second",
        "docker network inspect second | grep -v -e Created -e '\"Id\"'",
        "docker network create --subnet 10.99.0.0/16 third",
        "docker network create --subnet x third",
        "docker run -d --name one --network second --ip 10.99.1.7 --network-alias uno busybox sleep 100",
        "docker network connect --alias eins mine one",
        "docker network connect mine one",
        "docker inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}' one | wc -w",
        "docker network disconnect mine one",
        "docker network disconnect mine one",
        "docker network rm mine",
        "docker network rm second 2>&1 | grep -v 'exit status'",
        "docker network prune < /dev/null",
        "docker rm -f one",
        "docker network prune -f",
    ],
    "volumes and pruning": [
        "docker volume create named",
        "docker volume create named",
        "docker volume create | wc -c",
        "docker volume create -d nosuch x",
        "docker volume create --label a=b -o type=tmpfs -o device=tmpfs special",
        "docker volume inspect special | grep -v CreatedAt",
        "docker volume ls -f name=named",
        "docker volume rm special nosuch",
        "docker run --name done -v named:/v busybox touch /v/file",
        "docker run --rm -v named:/v busybox ls /v",
        "docker volume prune < /dev/null",
        "docker container prune < /dev/null",
        "docker image prune < /dev/null",
        "docker image prune -a < /dev/null",
        "docker system prune < /dev/null",
        "docker system prune -a --volumes < /dev/null",
        "docker system prune -f --filter label=nosuch",
        "docker container prune -f",
        "docker volume prune -f | grep -v '^[0-9a-f]*$'",
    ],
    "files": [
        "docker create --name box busybox",
        "mkdir -p tree/sub; echo one > tree/a; echo two > tree/sub/b; ln -s a tree/link; chmod 600 tree/a",
        "docker cp tree box:/",
        "docker cp tree box:/new",
        "docker cp tree/. box:/tmp",
        "docker cp tree/a box:/tmp/renamed",
        "docker cp tree/a box:/tmp/",
        "docker cp tree/a box:/nosuch/ 2>&1 | tail -n 1",
        "docker cp tree/a box:/nosuch/x",
        "docker cp tree box:/tree/a 2>&1 | tail -n 1",
        "docker cp nosuch box:/",
        "docker cp -L tree/link box:/followed",
        "docker cp tree/link box:/kept",
        "tar c tree | docker cp - box:/tmp",
        "tar c tree | docker cp - box:/tmp/a",
        "docker diff box | sort",
        "docker cp box:/tree out1; find out1 | sort; cat out1/sub/b; stat -c %a out1/a",
        "mkdir out2; docker cp box:/tree out2; find out2 | sort",
        "mkdir out3; docker cp box:/tree/. out3; find out3 | sort",
        "docker cp box:/tree/a out4; cat out4",
        "docker cp box:/tree/a out2/; find out2 | sort",
        "docker cp box:/tree/a nosuch/; ls nosuch",
        "docker cp box:/tree/link out5; readlink out5",
        "docker cp -L box:/tree/link out6; cat out6",
        "docker cp box:/nosuch .",
        "docker cp box:/tree out4",
        "docker cp box:/tree - | tar t | sort",
        "docker export box | tar t | grep -c .",
        "docker export -o box.tar box; tar tf box.tar | grep -c .; stat -c %a box.tar",
    ],
    "images": [
        "docker tag busybox other:1",
        "docker tag busybox example.com:5000/a/b",
        "docker images other",
        "docker images 'example.com:5000/a/*'",
        "docker save -o saved.tar other:1; tar tf saved.tar | grep -c json",
        "docker rmi other:1",
        "docker load -i saved.tar",
        "docker load -q < saved.tar",
        "docker rmi other:1 example.com:5000/a/b nosuch",
        "docker create --name box busybox",
        "docker commit -m message -a me -c 'ENV A=b' box made:1",
        "docker inspect -f '{{.Config.Env}} {{.Comment}} {{.Author}}' made:1",
        "docker export box | docker import -c 'CMD [\"x\"]' - brought:1",
        "docker inspect -f '{{.Config.Cmd}}' brought:1",
        "docker rmi made:1 brought:1 | wc -l",
        "docker rmi busybox",
        "docker pull localhost:1/x",
        "docker pull -q localhost:1/x",
        "docker push localhost:1/x",
        "docker pull 'bad name'",
        "docker pull -a a:b",
        "docker push -a a:b",
    ],
    "logs and events": [
        "docker run --name one busybox sh -c 'echo a; echo b >&2; sleep 0.2; echo c'",
        "docker logs one",
        "docker logs one 2>/dev/null",
        "docker logs -n 1 one",
        "docker logs --tail 0 one",
        "docker logs --since 1h one",
        "docker logs --since 2001-01-01 --until 2001-01-02T10:00 one",
        "docker logs -t one 2>&1 | sed 's/^[^ ]* //' | sort",
        "docker logs --since x one",
        "docker logs -f one",
        "docker inspect -f '{{.ID}}' one > id; sleep 1.5",
        "docker events --since 10m --until 0s -f container=$(cat id) | cut -d' ' -f2-",
        "docker events --since 10m --until 0s -f container=$(cat id) -f event=die",
        "docker events --since 10m --until 0s -f container=$(cat id) "
        "--format '{{.Type}} {{.Action}} {{.Actor.Attributes.name}} {{.Status}} {{.Scope}}'",
        "docker events --since 10m --until 0s -f container=$(cat id) --format json | cut -d, -f1,3-5",
        "docker events --since 10m --until 0s --format '{{.Nosuch}}'",
        "docker events --since x",
        "docker events --until 0s -f x",
    ],
}

REGISTRY_SCRIPT = [
    "docker tag busybox localhost:5000/team/bb:1",
    # The second client finds the layer that the first one has pushed.
    "docker push localhost:5000/team/bb:1 | sed 's/Pushed/Layer already exists/'",
    "docker push -q localhost:5000/team/bb:1",
    "docker push -a localhost:5000/team/bb",
    "docker rmi localhost:5000/team/bb:1 | grep -v Untagged: | wc -l",
    "docker pull localhost:5000/team/bb:1",
    "docker pull localhost:5000/team/bb:1",
    "docker pull -q localhost:5000/team/bb:1",
    "docker pull -a localhost:5000/team/bb",
    "docker pull localhost:5000/team/bb",
    "docker pull localhost:5000/team/bb:2",
    "docker pull localhost:5000/nosuch:2",
    "docker rmi localhost:5000/team/bb:1 > removed",
    "docker run --rm localhost:5000/team/bb:1 echo ran",
    "docker run --rm --pull always -q localhost:5000/team/bb:1 echo ran",
    "docker run --rm --pull always localhost:5000/team/bb:1 echo ran",
    "docker create --name made localhost:5000/team/nosuch",
    "docker images --digests localhost:5000/team/bb | wc -l",
    "docker pull localhost:5000/team/bb@$(docker images --digests --format '{{.Digest}}' localhost:5000/team/bb)",
    "docker push localhost:5000/team/nosuch",
]
REGISTRY = """version: 0.1
storage: {filesystem: {rootdirectory: STATE}}
log: {level: error, accesslog: {disabled: true}}
http: {addr: "127.0.0.1:5000"}
"""


@pytest.fixture(scope="module")
def socket(request: pytest.FixtureRequest) -> str:
    """The address of the daemon that both clients speak to: our engine's, or the one at FAIRLEAD_TEST_HOST."""
    if not DOCKER:
        pytest.skip("there is no docker client to compare with")
    named = os.environ.get("FAIRLEAD_TEST_HOST")
    return named or str(request.getfixturevalue("host").docker_host)


class Client:
    """One of the two, called `docker`, in a directory of its own."""

    def __init__(self, program: str, directory: Path, host: str):
        commands = directory / "bin"
        commands.mkdir(parents=True)
        (commands / "docker").symlink_to(program)
        self.work = directory / "work"
        self.work.mkdir()
        self.environment = {
            "PATH": f"{commands}:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(directory),
            "LANG": "C.UTF-8",
            "DOCKER_HOST": host,
            "DOCKER_API_VERSION": "1.41",
        }

    def run(self, command: str) -> tuple[int, str, str]:
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=self.work,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return done.returncode, normal(done.stdout.decode()), normal(done.stderr.decode())


def normal(text: str) -> str:
    """Without what differs between any two runs."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "<id>", text)
    text = re.sub(r"\b[0-9a-f]{12}\b", "<short id>", text)
    text = re.sub(r"\b[0-9a-f]{13,15}…", "<short id>…", text)
    text = re.sub(
        r"(Less than a second|About a minute|\d+ (seconds?|minutes?)|1 second)( ago)?", "<time>", text
    )
    text = re.sub(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z| \+0000 UTC)?", "<moment>", text)
    text = re.sub(r"tmp/docker-[a-z]+-?\d+", "tmp/<file>", text)
    text = re.sub(r"/[^ \"]*/(docker|fairlead)-\d/", "/<directory>/", text)
    return re.sub(r" {2,}", "  ", text)


def empty(host: str) -> None:
    """Leave the daemon without containers, networks and volumes; the image is there again."""
    environment = {**os.environ, "DOCKER_HOST": host, "DOCKER_API_VERSION": "1.41"}
    for command in (
        "docker tag busybox kept:for-tests 2>/dev/null || docker tag kept:for-tests busybox",
        "docker ps -aq | xargs -r docker rm -fv",
        "docker network prune -f",
        "docker volume ls -q | xargs -r docker volume rm",
        "docker images --format '{{.Repository}}:{{.Tag}}' | grep -v -e ^kept: -e ^nginx -e '<none>' | "
        "xargs -r docker rmi",
        "docker tag kept:for-tests busybox",
    ):
        subprocess.run(["sh", "-c", command], env=environment, capture_output=True, check=False)


def differences(steps: list[str], said: list[list[tuple[int, str, str]]]) -> str:
    return "\n".join(
        f"$ {step}\n  docker   {theirs}\n  fairlead {ours}"
        for step, theirs, ours in zip(steps, *said, strict=True)
        if theirs != ours
    )


def clients(socket: str, directory: Path) -> Iterator[Client]:
    """Each client in turn, from an empty daemon."""
    for name, program in (("docker-0", str(DOCKER)), ("fairlead-1", str(FAIRLEAD))):
        empty(socket)
        yield Client(program, directory / name, socket)
    empty(socket)


@pytest.mark.parametrize("name", SCRIPTS)
def test_both_clients_say_the_same(name: str, socket: str, tmp_path: Path) -> None:
    said = [[client.run(step) for step in SCRIPTS[name]] for client in clients(socket, tmp_path)]
    assert not (found := differences(SCRIPTS[name], said)), found


@pytest.mark.skipif("FAIRLEAD_TEST_HOST" in os.environ, reason="the registry has to be where the engine is")
def test_both_clients_pull_and_push_the_same(socket: str, host: Host, tmp_path: Path) -> None:
    configuration = host.state / "registry.yml"
    configuration.write_text(REGISTRY.replace("STATE", str(host.state / "registry")))
    registry = host.start(["docker-registry", "serve", str(configuration)])
    host.run("for i in $(seq 100); do curl -sf http://127.0.0.1:5000/v2/ && break; sleep 0.1; done")
    try:
        said = [[client.run(step) for step in REGISTRY_SCRIPT] for client in clients(socket, tmp_path)]
    finally:
        registry.terminate()
        registry.wait()
    assert not (found := differences(REGISTRY_SCRIPT, said)), found
