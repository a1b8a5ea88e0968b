"""Programs that watch an engine to find what runs there: Prometheus' service discovery, Traefik's provider."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fairlead.lab.host import Host

PATIENCE = 30.0  # seconds; Prometheus looks every 5
PROMETHEUS = """scrape_configs:
- job_name: labelled
  docker_sd_configs: [{{host: "{socket}", refresh_interval: 1s}}]
  relabel_configs: [{{action: keep, source_labels: [__meta_docker_container_label_scrape], regex: "yes"}}]
- job_name: named
  docker_sd_configs: [{{host: "{socket}", refresh_interval: 1s, filters: [{{name: name, values: [other]}}]}}]
"""
ROUTED = "-l traefik.enable=true -l traefik.http.services.{0}.loadbalancer.server.port=80 -l 'traefik.http.routers.{0}.rule=Host(`{0}.example`)'"


@contextmanager
def running(host: Host, command: str) -> Iterator[None]:
    """A program in the background; what it writes is not needed."""
    started = host.start(f"exec {command}")
    try:
        yield
    finally:
        for child in Path(f"/proc/{started.pid}/task/{started.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)  # the nsenter around it waits for it
        started.wait()


def until(holds: Callable[[], object]) -> None:
    """Wait for what must come."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.2)


def found(host: Host) -> dict[str, dict[str, str]]:
    """What Prometheus would ask, by the container's name."""
    said = host.run("curl -s http://127.0.0.1:9090/api/v1/targets").stdout or "{}"
    targets = json.loads(said).get("data", {}).get("activeTargets", [])
    labels = [target["discoveredLabels"] for target in targets]
    return {each["__meta_docker_container_name"]: each for each in labels}


def test_prometheus(clients: Path, clean: Host) -> None:
    clean.run("docker network create watched", check=True)
    clean.run("docker run -d --name target --network watched -l scrape=yes -p 8090:80 web", check=True)
    clean.run("docker run -d --name other --network watched web", check=True)
    clean.run("docker run -d --name hidden --network watched web", check=True)
    clean.run("cat > /run/prometheus.yml", input=PROMETHEUS.format(socket=clean.docker_host), check=True)
    program = f"{clients}/prometheus/usr/bin/prometheus"
    flags = "--config.file=/run/prometheus.yml --storage.tsdb.path=/run/prometheus --web.listen-address=127.0.0.1:9090"
    with running(clean, f"{program} {flags}"):
        until(lambda: set(found(clean)) == {"/target", "/other"})
        target = found(clean)["/target"]
        address = clean.run(
            "docker inspect -f '{{.NetworkSettings.Networks.watched.IPAddress}}' target"
        ).stdout
        assert target["__address__"] == f"{address.strip()}:80"
        assert target["__meta_docker_network_name"] == "watched"
        assert target["__meta_docker_port_public"] == "8090"
        clean.run("docker rm -f target", check=True)
        until(lambda: set(found(clean)) == {"/other"})


def test_traefik(clients: Path, clean: Host) -> None:
    def page(name: str) -> str:
        return clean.run(f"curl -s -m 2 -H 'Host: {name}.example' http://127.0.0.1:8000/cgi-bin/who").stdout

    def serve(container: str, name: str) -> str:
        command = f"docker run -d --name {container} --network routed {ROUTED.format(name)} web"
        return clean.run(command, check=True).stdout[:12]

    clean.run("docker network create routed", check=True)
    one, two = serve("one", "first"), serve("two", "second")
    flags = (
        f"--providers.docker.endpoint={clean.docker_host} --providers.docker.exposedbydefault=false "
        "--providers.docker.network=routed --entrypoints.web.address=127.0.0.1:8000 "
        "--global.checknewversion=false --global.sendanonymoususage=false"
    )
    with running(clean, f"{clients}/bin/traefik {flags}"):
        until(lambda: page("first").startswith(one) and page("second").startswith(two))
        clean.run("docker rm -f two", check=True)
        until(lambda: "404" in page("second"))
        assert page("first").startswith(one)
        again = serve("three", "second")
        until(lambda: page("second").startswith(again))
