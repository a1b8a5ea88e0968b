"""The daemon itself: what it refuses, what it reloads, and what its end leaves alone."""

import json
import time

import pytest

from fairlead.lab.engine import command_of
from fairlead.lab.host import Host

LINE = "docker inspect -f '{{.State.Pid}} {{.State.Running}} {{.NetworkSettings.IPAddress}}' box"


def refused(host: Host, *flags: str) -> str:
    """What a daemon that does not start says."""
    roots = f"--data-root {host.state}/other --exec-root {host.state}/other-exec"
    command = command_of("fairlead", host).split(" -H ")[0]
    result = host.run(f"{command} -H unix://{host.state}/other.sock {roots} {' '.join(flags)}", deadline=20)
    assert result.code == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def test_a_second_daemon_on_the_same_data_root_is_refused(host: Host) -> None:
    result = host.run(f"{command_of('fairlead', host)} --exec-root {host.state}/second", deadline=20)
    assert result.code == 1
    assert "held by process" in result.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--bip=nonsense",), "bip"),
        (("--log-level=loud",), "log-level"),
        (("-H", "tcp://127.0.0.1:2375"), "mutual TLS"),
        (("--default-address-pool", "base=10.0.0.0/8"), "default-address-pool"),
        (("--config-file", "/absent.json"), "/absent.json"),
        (("--cluster-advertise", "eth0:2376"), "--cluster-store"),
        (("--cluster-store", "etcd://198.51.100.9", "--cluster-advertise", "eth0:2376"), "without TLS"),
        (("--cluster-store", "etcd://127.0.0.1", "--cluster-advertise", "eth9:2376"), "No such device"),
    ],
)
def test_what_is_wrong_is_named(host: Host, flags: tuple[str, ...], words: str) -> None:
    assert words in refused(host, *flags)


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"nonsense": 1}, "nonsense"),
        ({"mtu": "big"}, "mtu"),
        ({"iptables": "false"}, "iptables"),
        ({"bip": "10.0.0.1/24"}, "bip"),
    ],
)
def test_a_wrong_configuration_file_is_named(host: Host, document: dict[str, object], words: str) -> None:
    (host.state / "wrong.json").write_text(json.dumps(document))
    flags = ["--config-file", str(host.state / "wrong.json")]
    assert words in refused(host, *flags, *(["--bip=10.0.0.1/24"] if "bip" in document else []))


def test_hangup_reloads_what_can_be_reloaded(host: Host) -> None:
    host.stop_engine()
    file = host.state / "daemon.json"
    file.write_text(json.dumps({"labels": ["a=1"]}))
    host.start_engine("--config-file", str(file))
    assert host.run("docker info -f '{{.Labels}}'", check=True).stdout == "[a=1]\n"
    file.write_text(json.dumps({"labels": ["a=2"]}))
    host.run("kill -HUP $(pgrep -f '[f]airlead daemon' | head -n 1)", check=True)
    limit = time.monotonic() + 5
    while host.run("docker info -f '{{.Labels}}'").stdout != "[a=2]\n" and time.monotonic() < limit:
        time.sleep(0.1)
    assert host.run("docker info -f '{{.Labels}}'").stdout == "[a=2]\n"
    host.stop_engine()
    host.start_engine()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_containers_live_on_without_a_daemon(clean: Host, end: str) -> None:
    clean.run("docker run -d --name box -p 8080:80 web", check=True)
    before = clean.run(LINE, check=True).stdout
    clean.stop_engine() if end == "stop" else clean.kill_engine()
    assert clean.run("curl -sf -m 10 http://127.0.0.1:8080/", check=True).stdout
    clean.start_engine()
    assert clean.run(LINE, check=True).stdout == before
    assert clean.run("curl -sf -m 10 http://127.0.0.1:8080/", check=True).stdout


def test_an_end_that_nobody_saw_is_known_to_the_next_daemon(clean: Host) -> None:
    clean.run("docker run -d --name box busybox sh -c 'sleep 1; exit 7'", check=True)
    clean.kill_engine()
    time.sleep(1.5)
    clean.start_engine()
    state = clean.run("docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' box", check=True).stdout
    assert state == "exited 7\n"
    assert clean.run("ip netns list").stdout == ""


def test_without_live_restore_containers_end_with_the_daemon(clean: Host) -> None:
    clean.stop_engine()
    clean.start_engine("--live-restore=false")
    clean.run("docker run -d --name box busybox sleep 1000", check=True)
    assert clean.stop_engine()
    assert "sleep 1000" not in clean.run("ps -e -o args").stdout
    clean.start_engine()
    assert clean.run("docker inspect -f '{{.State.Status}}' box", check=True).stdout == "exited\n"


def test_a_port_holder_that_was_killed_comes_back_with_everything(clean: Host) -> None:
    clean.run("docker run -d --name box -p 8080:80 web", check=True)
    clean.run("kill -9 $(pgrep -f '[p]orts_main')", check=True)
    clean.run("docker run -d --name other -p 8081:80 web", check=True)
    limit = time.monotonic() + 5
    while ":8080" not in (held := clean.run("ss -Hlnt").stdout) and time.monotonic() < limit:
        time.sleep(0.1)
    assert ":8080" in held
    assert ":8081" in held
