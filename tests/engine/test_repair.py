"""What others break on a host is repaired, and only that."""

import subprocess
import sys
import time
from collections.abc import Callable

from bench import injuries
from fairlead.lab.host import Host

PATIENCE = 60.0  # seconds; nothing waits for them to pass


ASKS = """
import socket, struct, time
client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
client.connect(("127.0.0.11", 53))
client.settimeout(0.01)
question = b"\\3box\\0" + struct.pack("!HH", 1, 1)
answered, began = set(), time.monotonic()
while len(answered) < 200 and time.monotonic() < began + 30:
    sent = min(200, int((time.monotonic() - began) * 100))
    for number in range(globals().get("last", 0), sent):
        client.send(struct.pack("!HHHHHH", number, 0x100, 1, 0, 0, 0) + question)
    last = sent
    try:
        answer = client.recv(512)
        answered.update([answer[:2]] if answer[7] == 1 else [])
    except TimeoutError:
        pass
print(len(answered))
"""
GRABS = """
import socket, time
grabbed, end = 0, time.monotonic() + 2
while time.monotonic() < end:
    with socket.socket() as trying:
        try:
            trying.bind(("0.0.0.0", 8080))
            grabbed += 1
        except OSError:
            time.sleep(0.001)
print(grabbed)
"""


def until(condition: Callable[[], bool]) -> bool:
    limit = time.monotonic() + PATIENCE
    while not condition() and time.monotonic() < limit:
        time.sleep(0.05)
    return condition()


def test_each_kind_of_injury_is_repaired_and_the_users_rules_stay(clean: Host) -> None:
    plan = injuries.Plan.quick()
    names = [f"c{number}" for number in range(plan.containers)]
    for number in range(plan.networks):
        clean.run(f"docker network create n{number}", check=True)
    for number, name in enumerate(names):
        network = f"n{number % plan.networks}"
        port = f"{8000 + number}:80"
        clean.run(f"docker run -d --name {name} --network {network} -p {port} busybox sleep 1000", check=True)
    found = injuries.injure(clean, plan, names, str(clean.state))
    assert len(found) == plan.injuries
    assert not [each for each in found if not each["repaired"]]
    assert not [each for each in found if not each["users"]]


def test_a_repair_is_told_of_with_what_was_wrong(clean: Host) -> None:
    clean.run("docker run -d --name box busybox sleep 1000", check=True)
    clean.run("ip netns exec box ip route del default", check=True)
    assert until(lambda: "default" in clean.run("ip -n box route").stdout)
    asked = "docker events --since 1 --until 0s --filter type=network --format '{{json .Actor.Attributes}}'"
    told = '"difference":"the route to 0.0.0.0/0 in box was missing"'
    assert until(lambda: told in clean.run(asked).stdout)


def test_nobody_notices_when_who_holds_ports_and_answers_names_is_killed(clean: Host) -> None:
    clean.run("docker network create n", check=True)
    clean.run("docker run -d --name box --network n -p 8080:80 busybox sleep 1000", check=True)
    inside = ["ip", "netns", "exec", "box"]
    asking, grabbing = (
        clean.start([*where, sys.executable, "-S", "-c", script], output=subprocess.PIPE)
        for where, script in ((inside, ASKS), ([], GRABS))
    )
    time.sleep(0.5)
    clean.run("kill -9 $(pgrep -f '[d]ns_main|[p]orts_main')", check=True)
    said = [each.communicate(timeout=PATIENCE)[0].split() for each in (asking, grabbing)]
    assert said == [[b"200"], [b"0"]]
    asked = (
        "docker events --since 1 --until 0s --filter event=repair --format '{{.Actor.Attributes.difference}}'"
    )
    for who in ("the resolver", "the port holder"):
        assert until(lambda who=who: f"{who} had ended" in clean.run(asked).stdout)  # type: ignore[misc]


def test_a_pin_that_was_lost_while_no_daemon_ran_is_the_same_namespace_again(clean: Host) -> None:
    clean.run("docker run -d --name box busybox sleep 1000", check=True)
    before = clean.run("stat -c %i /run/netns/box", check=True).stdout
    clean.kill_engine()
    clean.run("umount /run/netns/box", check=True)
    clean.start_engine()
    assert clean.run("stat -c %i /run/netns/box", check=True).stdout == before
    assert clean.run("docker exec box ip route", check=True).stdout.startswith("default")


def test_a_policy_that_was_lost_while_no_daemon_ran_comes_back_and_a_chosen_one_stays(clean: Host) -> None:
    def policy() -> str:
        return clean.run("iptables -S FORWARD | head -1", check=True).stdout.strip()

    assert policy() == "-P FORWARD DROP"
    clean.kill_engine()
    clean.run("nft flush ruleset", check=True)
    assert policy() == "-P FORWARD ACCEPT"
    clean.start_engine()
    assert policy() == "-P FORWARD DROP"
    clean.kill_engine()
    clean.run("iptables -P FORWARD ACCEPT", check=True)
    clean.start_engine()
    assert policy() == "-P FORWARD ACCEPT"
    clean.run("iptables -P FORWARD DROP", check=True)


def test_a_published_port_answers_on_an_address_that_comes_later(clean: Host) -> None:
    clean.run("docker run -d --name site -p 8080:80 web", check=True)
    clean.run("ip addr add 192.0.2.77/32 dev lo", check=True)
    try:
        assert until(lambda: clean.run("curl -s -m 2 http://192.0.2.77:8080/").ok)
    finally:
        clean.run("ip addr del 192.0.2.77/32 dev lo", check=True)
