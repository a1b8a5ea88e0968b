"""The endpoint for Prometheus shows what happens in a whole engine."""

import time
from collections.abc import Iterator

import pytest

from fairlead.lab import images
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

ADDRESS = "127.0.0.1:9323"


@pytest.fixture(scope="module")
def host(lab: Lab) -> Iterator[Host]:
    host = lab.host(1)
    host.start_engine("--metrics-addr", ADDRESS)
    host.run("docker load -q", input=images.busybox(), check=True)
    yield host
    host.stop_engine()


def shown(host: Host) -> dict[str, float]:
    page = host.run(f"curl -sf -H 'Host: node.example.com:9323' http://{ADDRESS}/metrics", check=True).stdout
    lines = [line.rpartition(" ") for line in page.splitlines() if line[:1] != "#"]
    return {name: float(number) for name, _, number in lines}


def test_what_there_is_and_what_was_done_is_counted(clean: Host) -> None:
    before = shown(clean)
    commands = (
        "docker network create --subnet 10.40.0.0/29 lan",
        "docker run -d --name box --network lan -p 8080:80 -p 8081:81 busybox sleep 1000",
        "docker exec box nslookup box",
    )
    for command in commands:
        clean.run(command, check=True)
    clean.run("docker start absent")
    after = shown(clean)
    assert after['engine_daemon_container_states_containers{state="running"}'] == 1
    assert after['fairlead_networks{driver="bridge"}'] == 2
    assert after['fairlead_endpoints{network="lan"}'] == 1
    assert after["fairlead_published_ports"] == 2
    assert after['fairlead_pool_addresses{network="lan",subnet="10.40.0.0/29"}'] == 5
    assert after['fairlead_pool_addresses_held{network="lan",subnet="10.40.0.0/29"}'] == 1
    start = 'fairlead_operation_seconds_count{operation="POST /containers/{id}/start",outcome="%s"}'
    assert after[start % "done"] == before.get(start % "done", 0) + 1
    assert after[start % "refused"] == before.get(start % "refused", 0) + 1
    here = 'fairlead_dns_queries_total{answered="here"}'
    assert after[here] > before[here]


def test_what_was_put_right_unasked_is_counted(clean: Host) -> None:
    clean.run("docker run -d --name box -p 8080:80 busybox sleep 1000", check=True)
    before = shown(clean)
    clean.run("iptables -t nat -F DOCKER", check=True)
    limit = time.monotonic() + 20
    while (after := shown(clean))["fairlead_repairs_total"] == before["fairlead_repairs_total"]:
        assert time.monotonic() < limit, "nobody has put it back"
        time.sleep(0.1)
    rules = 'fairlead_repaired_total{kind="Rule"}'
    assert after[rules] > before.get(rules, 0)
    assert "--dport 8080" in clean.run("iptables -t nat -S DOCKER", check=True).stdout


def test_nothing_else_is_served_there(host: Host) -> None:
    ask = f"curl -s -o /dev/null -w '%{{http_code}}' http://{ADDRESS}"
    assert host.run(f"{ask}/containers/json").stdout == "404"
    assert host.run(f"{ask}/metrics -X POST").stdout == "404"
