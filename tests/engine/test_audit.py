"""The audit tells of what is the engine's and nothing explains, and of nothing that is somebody else's."""

from pathlib import Path

import pytest

from fairlead.lab.host import Host
from tests.engine.audit import findings

LOST, FOREIGN = "0123456789ab", "ba9876543210"  # twelve digits of networks that no record knows
CONTAINER = "f" * 64
GROUP = "$(ls -d /sys/fs/cgroup/memory/docker /sys/fs/cgroup/docker 2>/dev/null | head -1)/" + CONTAINER
MARK = "import os, sys; os.setxattr(sys.argv[1], 'trusted.fairlead', b'{root}')"

# What is made, and what is then told.
TAKEN_AWAY = {
    f"ip link add br-{LOST} address 02:42:01:23:45:67 type bridge": f"unexplained link br-{LOST}",
    "ip link add veth0123456 type veth peer name other; ip link set veth0123456 master"
    " br-$(docker network inspect -f '{{.Id}}' blue | cut -c-12)": "unexplained link veth0123456",
    f"ip link add dm-{LOST} address 02:42:01:23:45:67 type ifb": f"unexplained link dm-{LOST}",
    "iptables -I DOCKER -s 192.0.2.1/32 -j ACCEPT": (
        "unexplained rule ipv4 filter DOCKER -s 192.0.2.1/32 -j ACCEPT"
    ),
    "iptables -t nat -A DOCKER -p tcp -m tcp --dport 9 -j REDIRECT --to-ports 10": (
        "unexplained rule ipv4 nat DOCKER -p tcp -m tcp --dport 9 -j REDIRECT --to-ports 10"
    ),
}


@pytest.fixture
def sound(clean: Host) -> Host:
    assert findings(clean) == []
    return clean


def test_what_is_ours_is_told_and_goes_with_the_next_start(sound: Host) -> None:
    sound.run("docker network create --subnet 10.9.0.0/24 blue", check=True)
    for command in TAKEN_AWAY:
        sound.run(command, check=True)
    assert sorted(findings(sound, patience=0)[:-1]) == sorted(TAKEN_AWAY.values())
    sound.kill_engine()
    sound.start_engine()
    assert findings(sound) == []


def test_files_that_nothing_explains_are_told(sound: Host) -> None:
    identity = sound.run("docker run -d busybox sleep 1000", check=True).stdout.strip()
    places = [
        sound.state / "data" / "old",
        sound.state / "exec" / "old.sock",
        sound.state / "exec" / "containers" / "half",
        sound.state / "data" / "containers" / identity / "notes",
        sound.state / "data" / "roots" / "base" / "lost",
    ]
    for each in places:
        each.touch()
    try:
        assert sorted(findings(sound, patience=0)[:-1]) == sorted(
            f"unexplained file {each}" for each in places
        )
    finally:
        for each in places:
            each.unlink()


def test_control_groups_are_told_only_where_they_are_ours(sound: Host) -> None:
    sound.run("docker run -d busybox sleep 1000", check=True)  # there is a group for groups
    sound.run(f"mkdir {GROUP}", check=True)
    try:
        assert findings(sound) == []
        mark = MARK.format(root=sound.state / "exec")
        sound.run(f'python3 -c "{mark}" {GROUP}', check=True)
        [told, _] = findings(sound, patience=0)
        assert told.startswith("unexplained control group ") and Path(told).name == CONTAINER
    finally:
        sound.run(f"rmdir {GROUP}", check=True)


def test_what_is_somebody_elses_is_not_told(sound: Host) -> None:
    sound.run(
        f"ip link add br-{FOREIGN} type bridge; ip link add vethabcdef0 type veth peer name other;"
        f" ip link set vethabcdef0 master br-{FOREIGN}; iptables -I DOCKER-USER -s 192.0.2.1 -j DROP;"
        f" iptables -A FORWARD -i br-{FOREIGN} -j ACCEPT; iptables -N mine; iptables -A mine -j DROP",
        check=True,
    )
    try:
        assert findings(sound) == []
        sound.kill_engine()
        sound.start_engine()
        assert findings(sound) == []
        assert f"br-{FOREIGN}" in sound.run("ip link").stdout
        assert "-A mine -j DROP" in sound.run("iptables-save").stdout
    finally:
        sound.run(
            f"ip link del vethabcdef0; ip link del br-{FOREIGN}; iptables -D DOCKER-USER -s 192.0.2.1 -j DROP;"
            f" iptables -D FORWARD -i br-{FOREIGN} -j ACCEPT; iptables -F mine; iptables -X mine",
            check=True,
        )
