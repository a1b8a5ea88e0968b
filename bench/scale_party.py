"""A group of simulated hosts as its conductor speaks to it: in this process, or in one of a virtual host.

Over a pipe a line each way: the name of a method with its arguments, its answer; all JSON.
"""

import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Protocol

from bench.scale_listeners import Listeners
from bench.scale_whole import WholeHosts
from fairlead.boundary.cluster import ClusterStore
from fairlead.lab.host import Host
from fairlead.store.etcd import EtcdStore

ANSWER = 300.0  # seconds for one answer
ROOT = Path(__file__).parent.parent


class Party(Protocol):
    """A group of hosts."""

    async def do(self, what: str, **arguments: object) -> dict[str, Any]:
        """Ask for something."""

    async def close(self) -> None:
        """Let go of it."""


class Near:
    """In this process."""

    def __init__(self, hosts: WholeHosts | Listeners):
        self._hosts = hosts

    async def do(self, what: str, **arguments: object) -> dict[str, Any]:
        """Ask for something."""
        answer: dict[str, Any] = usage() if what == "usage" else await getattr(self._hosts, what)(**arguments)
        return answer

    async def close(self) -> None:
        """Nothing to let go of."""


class Far:
    """In a process of its own, in a virtual host."""

    def __init__(self, host: Host, kind: str, etcd: str):
        words = [sys.executable, "-m", "bench.scale_party", kind, etcd]
        command = f"cd {ROOT} && exec {' '.join(words)}"
        self._log = host.state / f"{kind}.log"
        with self._log.open("wb") as log:
            self._process = host.start(command, input=subprocess.PIPE, output=subprocess.PIPE, errors=log)

    async def do(self, what: str, **arguments: object) -> dict[str, Any]:
        """Ask for something.  RuntimeError with the end of its log if it has ended."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = json.dumps([what, arguments]).encode() + b"\n"
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
            async with asyncio.timeout(ANSWER):
                text = await asyncio.to_thread(self._process.stdout.readline)
        except BrokenPipeError:
            text = b""
        if not text:
            said = "\n".join(self._log.read_text(errors="replace").splitlines()[-15:])
            raise RuntimeError(f"the hosts ended when asked to {what}:\n{said}")
        answer: dict[str, Any] = json.loads(text)
        return answer

    async def close(self) -> None:
        """End it."""
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()
        await asyncio.to_thread(self._process.wait)


def usage() -> dict[str, Any]:
    """What this process has used: seconds of processor, bytes of memory, bytes over this host's link."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    link = Path("/sys/class/net/eth0/statistics")
    counted = {
        name: int((link / f"{name}_bytes").read_text()) if link.exists() else 0 for name in ("rx", "tx")
    }
    memory = pages * os.sysconf("SC_PAGE_SIZE")
    used = time.process_time()
    return {"at": time.monotonic(), "processor": used, "memory": memory, **counted}


async def _serve(kind: str, etcd: str) -> None:
    def new_store() -> ClusterStore:
        return EtcdStore([etcd])

    hosts = WholeHosts(new_store, real_kernel=True) if kind == "whole" else Listeners(new_store)
    near = Near(hosts)
    while line := await asyncio.to_thread(sys.stdin.readline):
        what, arguments = json.loads(line)
        print(json.dumps(await near.do(what, **arguments)), flush=True)


if __name__ == "__main__":
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]  # two connections for each host
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(_serve(*sys.argv[1:]))
