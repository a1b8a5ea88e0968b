"""The processes beside the daemon are started when they do not answer, and outlive who started them."""

import asyncio
import os
import sys

from fairlead import process
from fairlead.model.errors import Conflict, Failed, Unavailable
from fairlead.resolver.asking import ask
from fairlead.resolver.control import PROTOCOL

MODULES = {"ports": "fairlead.resolver.ports_main", "resolver": "fairlead.resolver.dns_main"}
PATIENCE = 5.0  # seconds for a process of another release to end


def socket_path(kind: str, exec_root: str) -> str:
    """Where the process of that kind ("ports" or "resolver") is asked."""
    return os.path.join(exec_root, f"{kind}.sock")


async def ensure_running(kind: str, exec_root: str) -> None:
    """See that the process answers: start it where it does not, in the caller's network namespace.

    One of another release is replaced; what it held is to be asked for again.  When this returns
    requests are answered.  Raises Failed when it cannot be started.
    """
    path = socket_path(kind, exec_root)
    try:
        status = await ask(path, {"do": "status"})
        if status.get("protocol") == PROTOCOL:
            return
        await stop(kind, exec_root)
    except Unavailable:
        pass
    log = os.path.join(exec_root, f"{kind}.log")
    # -P: what lies in the daemon's working directory is nobody's module.
    command = [sys.executable, "-P", "-m", MODULES[kind], "--socket", path, "--detach", log]
    started = await process.run(command)
    if started.code:
        try:
            await ask(path, {"do": "status"})  # somebody else was faster
        except Unavailable:
            raise Failed(f"cannot start fairlead {kind}: {started.complaint}") from None


async def stop(kind: str, exec_root: str) -> None:
    """End the process; fine when it does not run.  Raises Conflict when it does not end."""
    path = socket_path(kind, exec_root)
    try:
        await ask(path, {"do": "stop"})
        async with asyncio.timeout(PATIENCE):
            while True:
                await ask(path, {"do": "status"})
                await asyncio.sleep(0.01)
    except Unavailable:
        return
    except TimeoutError:
        raise Conflict(f"cannot end fairlead {kind}: it still answers {path}") from None
