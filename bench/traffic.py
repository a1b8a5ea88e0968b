"""What passes through the network that the engine made: bytes and new connections.

Server and client are programs of the host that run in the containers' network namespaces, so
that nothing but the network differs between engines.
"""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from bench.contenders import Contender
from bench.latency import SLEEP
from bench.results import Measure
from fairlead.lab.host import Host
from fairlead.lab.lab import Lab

PORT = 5201
CONNECTIONS = str(Path(__file__).with_name("connections.py"))
Sample = tuple[Measure, float]


def measure(lab: Lab, contender: Contender, seconds: int) -> Iterator[Sample]:
    """Between two containers, and from outside through a published port."""
    contender.do(f"run -d --name bench-server --publish {PORT}:{PORT} {SLEEP}")
    contender.do(f"run -d --name bench-client {SLEEP}")
    try:
        server, client = contender.inside("bench-server"), contender.inside("bench-client")
        inner = contender.address("bench-server")
        ways: list[tuple[str, Host, list[str], str]] = [
            ("container to container", contender.host, client, inner),
            ("outside to published port", lab.outside, [], contender.host.address),
        ]
        for way, host, prefix, address in ways:
            yield (
                Measure(f"throughput, {way}", "Gbit/s", False),
                throughput(contender.host, server, host, prefix, address, seconds),
            )
            rate, median = _connections(contender.host, server, host, prefix, address, seconds)
            yield Measure(f"new connections, {way}", "1/s", False), rate
            yield Measure(f"time to connect and answer, {way}", "µs"), median
    finally:
        contender.do("rm --force bench-server bench-client")


def throughput(
    server_host: Host, server: list[str], host: Host, prefix: list[str], address: str, seconds: int
) -> float:
    """Gbit/s by TCP to a server; `server` and `prefix` lead into the namespaces of both ends."""
    listening = server_host.start([*server, "iperf3", "--server", "--one-off", "--port", str(PORT)])
    try:
        _wait_for_listener(server_host, server)
        argv = [*prefix, "iperf3", "--client", address, "--port", str(PORT), "--time", str(seconds), "--json"]
        report = json.loads(host.run(argv, deadline=seconds + 30, check=True).stdout)
    finally:
        _end(listening, server_host)
    return float(report["end"]["sum_received"]["bits_per_second"]) / 1e9


def _connections(
    server_host: Host, server: list[str], host: Host, prefix: list[str], address: str, seconds: int
) -> tuple[float, float]:
    listening = server_host.start([*server, sys.executable, CONNECTIONS, "serve", str(PORT)])
    try:
        _wait_for_listener(server_host, server)
        argv = [*prefix, sys.executable, CONNECTIONS, "ask", address, str(PORT), str(seconds)]
        rate, median = host.run(argv, deadline=seconds + 30, check=True).stdout.split()
    finally:
        _end(listening, server_host)
    return float(rate), float(median)


def _wait_for_listener(host: Host, server: list[str]) -> None:
    limit = time.monotonic() + 10
    while f":{PORT} " not in host.run([*server, "ss", "-Htln"], check=True).stdout:
        if time.monotonic() > limit:
            raise RuntimeError("the server does not listen")
        time.sleep(0.02)


def _end(listening: "subprocess.Popen[bytes]", host: Host) -> None:
    """End the server: by name, in the host's own process namespace, where there is one of each."""
    host.run(f"pkill -f '{CONNECTIONS} serve'; pkill -x iperf3")
    listening.wait(10)
