"""A lab is what it says it is, and gone when it is down, whatever happened."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fairlead.lab import control_groups, traces
from fairlead.lab.etcd import Etcd, member_pid
from fairlead.lab.lab import STATE_ROOT, Lab
from fairlead.model.errors import Conflict, Failed, InvalidParameter, NotFound

NAME = f"test-lab-{os.getpid()}"
IN_EACH_HIERARCHY = "for g in $(awk '$3 ~ /^cgroup/ {print $2}' /proc/mounts); do cd $g;"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab(NAME, hosts=2) as made:
        yield made


def nothing_is_left(name: str) -> None:
    assert control_groups.groups(name) == set()
    assert not (STATE_ROOT / name).exists()
    assert name not in Lab.names()
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes()
        except OSError:
            continue
        assert f"/{name}/".encode() not in words, words
    assert name not in Path("/proc/self/mounts").read_text()


def test_hosts_have_their_own_names_addresses_and_files(lab: Lab) -> None:
    for number in (1, 2):
        host = lab.host(number)
        assert host.run("hostname; cat /etc/hostname").stdout.split() == [host.name] * 2
        assert host.address in host.run("ip -4 address show eth0").stdout
        assert host.run("cat /etc/resolv.conf").stdout == "nameserver 198.51.100.1\n"
        assert host.run("cat /proc/sys/net/ipv4/ip_forward").stdout == "0\n"


def test_what_a_host_sees_is_its_own(lab: Lab) -> None:
    first, second = lab.hosts
    first.run("ip link add only-here type dummy || ip link add only-here type bridge", check=True)
    first.run("touch /run/only-here; ip netns add only-here", check=True)
    first.run(f"{IN_EACH_HIERARCHY} mkdir only-here; done", check=True)
    for look in (
        "ls /sys/class/net",
        "ls /run",
        "ip netns list",
        "ls /sys/fs/cgroup/* 2>/dev/null",
        "cat /proc/mounts",
    ):
        assert "only-here" in first.run(look).stdout, look
        assert "only-here" not in second.run(look).stdout, look
    assert "only-here" not in os.listdir("/sys/class/net")
    processes = first.run("ps -e -o pid=,args=").stdout
    assert processes.split()[:2] == ["1", "virtual-host-host1"] and second.name not in processes


def test_the_hosts_reach_each_other_and_the_outside(lab: Lab) -> None:
    host = lab.host(1)
    assert host.run(f"ping -c1 -W2 {lab.host(2).address}").ok
    assert host.run("curl -s 203.0.113.10").stdout == f"outside saw {host.address}\n"
    assert host.run("curl -s -4 www.example.com").stdout == f"outside saw {host.address}\n"
    assert host.run("getent hosts host2.lan").stdout.split()[0] == lab.host(2).address


def test_the_outside_has_no_route_to_a_containers_subnet(lab: Lab) -> None:
    lab.host(1).run("ip address add 172.17.0.1/16 dev lo", check=True)
    assert not lab.outside.run("ping -c1 -W1 172.17.0.1").ok
    assert lab.outside.run("ip route get 172.17.0.1").code != 0


def test_the_name_servers_differ_and_know_little(lab: Lab) -> None:

    script = (
        "import dns.message, dns.query, sys\n"
        "query = dns.message.make_query(sys.argv[2], sys.argv[3])\n"
        "reply = getattr(dns.query, sys.argv[4])(query, sys.argv[1], timeout=5)\n"
        "print(reply.to_text())\n"
    )

    def ask(server: str, name: str, kind: str = "A", channel: str = "udp") -> str:
        argv = [sys.executable, "-c", script, server, name, kind, channel]
        return lab.host(1).run(argv, check=True).stdout

    assert "203.0.113.1" in ask("198.51.100.1", "which.example.com")
    assert "203.0.113.2" in ask("198.51.100.2", "which.example.com", channel="tcp")
    assert "NXDOMAIN" in ask("198.51.100.1", "no.example.com")
    nodata = ask("198.51.100.1", "which.example.com", "AAAA")
    assert "NOERROR" in nodata and "203.0.113" not in nodata


def test_orphans_vanish(lab: Lab) -> None:
    host = lab.host(1)
    host.run("(sleep 0.1 & ) ; true", check=True)
    time.sleep(0.3)
    assert "Z" not in host.run("ps -e -o stat=").stdout


def test_a_command_that_takes_too_long_is_refused_and_ended(lab: Lab) -> None:
    with pytest.raises(Failed, match="took longer"):
        lab.host(1).run("exec sleep 321", deadline=0.3)
    deadline = time.monotonic() + 5
    while "sleep 321" in lab.host(1).run("ps -e -o args=").stdout and time.monotonic() < deadline:
        time.sleep(0.05)
    assert "sleep 321" not in lab.host(1).run("ps -e -o args= | grep -v grep").stdout


def test_traces_show_what_was_added_and_nothing_else(lab: Lab) -> None:
    host = lab.host(2)
    before = traces.look(host)
    assert traces.look(host).since(before) == {}
    host.run("ip link add left-over type bridge; ip netns add left-over", check=True)
    host.run(f"iptables -N LEFT-OVER; {IN_EACH_HIERARCHY} mkdir left-over; done", check=True)
    running = host.start(["sleep", "322"])
    while "sleep 322" not in host.run("ps -e -o args=").stdout.splitlines() and running.poll() is None:
        time.sleep(0.01)
    added = traces.look(host).since(before)
    assert any("left-over" in line for line in added["links"])
    assert added["namespaces"] == ["left-over"]
    assert any("left-over" in line for line in added["mounts"])
    assert "sleep 322" in added["processes"]
    assert any("left-over" in line for line in added["control_groups"])
    assert any("LEFT-OVER" in line for line in added["rules"])
    running.kill()
    running.wait()


def test_a_lab_cannot_be_made_twice(lab: Lab) -> None:
    with pytest.raises(Conflict, match="there already"):
        Lab(NAME).up()
    with pytest.raises(Conflict, match="there already"), Lab(NAME):
        raise AssertionError
    assert lab.host(1).run("true").ok


def test_another_process_can_take_hold_of_it(lab: Lab) -> None:
    found = Lab.attach(NAME)
    assert len(found.hosts) == 2
    assert found.host(2).run("hostname").stdout == "host2\n"
    with pytest.raises(NotFound):
        found.find("host3")
    with pytest.raises(NotFound):
        Lab.attach(f"{NAME}-not")


@pytest.mark.parametrize("name", ["", "Upper", "a/b", "..", "-x", "x" * 40])
def test_a_name_that_could_lead_elsewhere_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter):
        Lab(name)


def test_it_is_gone_after_down_with_processes_mounts_and_groups_inside() -> None:
    name = f"{NAME}-down"
    with Lab(name) as made:
        host = made.host(1)
        host.run(
            f"mount -t tmpfs tmpfs /mnt; {IN_EACH_HIERARCHY} mkdir -p a/b; done; ip netns add x", check=True
        )
        host.run(f"mkdir {host.state}/deep; mount -t tmpfs tmpfs {host.state}/deep", check=True)
        host.run(
            f"{IN_EACH_HIERARCHY} echo $$ > a/b/cgroup.procs; done; sleep 500 >/dev/null 2>&1 &", deadline=9
        )
        assert len(control_groups.processes(made.host(1).group)) >= 2
    nothing_is_left(name)


def test_it_is_gone_after_down_when_first_processes_were_killed() -> None:
    name = f"{NAME}-first"
    with Lab(name, hosts=2) as made:
        for host in (made.host(1), made.outside):
            os.kill(host.pid, signal.SIGKILL)
        while made.host(1).pid:
            time.sleep(0.01)
        with pytest.raises(Failed, match="not up"):
            made.host(1).run("true")
    nothing_is_left(name)


@pytest.mark.parametrize("delay", [0.1, 0.2, 0.3, 0.4, 0.55])
def test_it_is_gone_after_down_when_up_was_killed_in_the_middle(delay: float) -> None:
    name = f"{NAME}-{int(delay * 100)}"
    argv = [sys.executable, "-m", "fairlead", "lab", "up", "--hosts", "3", "--no-engine", "--name", name]
    making = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        making.wait(delay)
    except subprocess.TimeoutExpired:
        making.kill()
    making.wait()
    subprocess.run([sys.executable, "-m", "fairlead", "lab", "down", "--name", name], check=True)
    nothing_is_left(name)


def test_what_a_killed_user_left_is_cleared_by_the_next(lab: Lab) -> None:
    name = f"{NAME}-user"
    script = (
        f"from fairlead.lab.lab import Lab\nwith Lab({name!r}) as lab:\n  print('up', flush=True)\n  input()"
    )
    user = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert user.stdout and user.stdout.readline() == b"up\n"
    with Lab(f"{NAME}-early"):
        assert name in Lab.names()
    user.kill()
    user.wait()
    with Lab(f"{NAME}-late"):
        nothing_is_left(name)
    assert lab.host(1).run("true").ok


def test_the_command_line_runs_a_lab() -> None:
    name = f"{NAME}-cli"

    def fairlead(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fairlead", "lab", *words], capture_output=True, text=True
        )

    try:
        up = fairlead("up", "--name", name, "--no-engine")
        assert up.returncode == 0 and f"/{name}/host1/docker.sock" in up.stdout
        assert fairlead("exec", "--name", name, "host1", "hostname").stdout == "host1\n"
        assert fairlead("exec", "--name", name, "outside", "sh", "-c", "exit 7").returncode == 7
        status = fairlead("status", "--name", name).stdout
        assert status.splitlines()[1].split()[:5] == [name, "host1", "198.51.100.11", "up", "none"]
        wrong = fairlead("exec", "--name", name, "host9", "true")
        assert wrong.returncode == 1 and "cannot find host9" in wrong.stderr
        assert "Traceback" not in wrong.stderr
    finally:
        assert fairlead("down", "--name", name).returncode == 0
    assert fairlead("status", "--name", name).returncode == 1
    nothing_is_left(name)


def test_etcd_runs_on_the_first_hosts() -> None:
    name = f"{NAME}-etcd"
    with Lab(name, hosts=2) as made:
        etcd = Etcd(made.hosts, 2)
        etcd.start()
        first, second = made.hosts
        assert member_pid(first) and member_pid(second) and not member_pid(made.outside)
        ask = f"etcdctl --endpoints={first.address}:2379,{second.address}:2379"
        made.outside.run(f"{ask} put /x y", check=True)
        etcd.kill(second)
        assert not member_pid(second)
        etcd.start_member(second)
        etcd.wait(second)
        assert made.outside.run(f"{ask} get /x", check=True).stdout.split() == ["/x", "y"]
        with pytest.raises(InvalidParameter, match="1 to 2"):
            Etcd(made.hosts, 3)
    nothing_is_left(name)


def test_the_command_line_joins_engines_to_etcd() -> None:
    name = f"{NAME}-joined"
    command = [sys.executable, "-m", "fairlead", "lab"]
    try:
        subprocess.run([*command, "up", "--name", name, "--etcd", "1"], check=True, capture_output=True)
        host = Lab.attach(name).host(1)
        status = subprocess.run([*command, "status", "--name", name], capture_output=True, text=True).stdout
        assert status.splitlines()[1].split()[4:8] == [
            "process", str(host.engine.pid), "process", str(member_pid(host)),
        ]  # fmt: skip
        found = host.engine.get("/info")
        assert isinstance(found, dict)
        assert found["ClusterStore"] == "etcd://198.51.100.11:2379"
        assert found["ClusterAdvertise"] == "198.51.100.11:2376"
        too_many = [*command, "up", "--name", f"{name}-2", "--etcd", "2"]
        refused = subprocess.run(too_many, capture_output=True, text=True)
        assert refused.returncode == 1 and "cannot start 2 members of etcd" in refused.stderr
        nothing_is_left(f"{name}-2")
    finally:
        subprocess.run([*command, "down", "--name", name], check=True)
    nothing_is_left(name)
