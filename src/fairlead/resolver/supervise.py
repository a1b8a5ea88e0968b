"""The processes beside the daemon are started when they do not answer, and outlive who started them."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from fairlead import process
from fairlead.model.errors import Conflict, Failed, Unavailable
from fairlead.resolver.asking import ask
from fairlead.resolver.control import PROTOCOL
from fairlead.resolver.estate import PATIENCE as LONGEST_WORD
from fairlead.resolver.estate import Estate, send
from fairlead.resolver.release import release

log = logging.getLogger(__name__)

MODULES = {"ports": "fairlead.resolver.ports_main", "resolver": "fairlead.resolver.dns_main"}
PATIENCE = 5.0  # seconds for a process of another release to end


def socket_path(kind: str, exec_root: str) -> str:
    """Where the process of that kind ("ports" or "resolver") is asked."""
    return os.path.join(exec_root, f"{kind}.sock")


async def ensure_running(kind: str, exec_root: str, kept: Callable[[], Estate] | None = None) -> bool:
    """See that the process answers: start it where it does not, in the caller's network namespace.

    One of another release hands its sockets to one of ours, so that nobody notices; where it
    cannot, it is replaced, and what it held is to be asked for again.  One that has ended is
    followed by one that goes on with what was `kept` of it.  When this returns requests are
    answered.  Whether it had to be started.  Raises Failed when it cannot be.
    """
    path = socket_path(kind, exec_root)
    try:
        status = await ask(path, {"do": "status"})
        if await _succeeded(kind, exec_root, status) or status.get("protocol") == PROTOCOL:
            return False
        await stop(kind, exec_root)
    except Unavailable:
        pass
    started = await (_start(kind, exec_root) if kept is None else _start_with(kind, exec_root, kept()))
    if started.code:
        try:
            await ask(path, {"do": "status"})  # somebody else was faster
        except Unavailable:
            raise Failed(f"cannot start fairlead {kind}: {started.complaint}") from None
    return not started.code


async def _succeeded(kind: str, exec_root: str, status: dict[str, Any]) -> bool:
    """Whether a process of this release answers, after the one that answered has handed over if need be."""
    if status.get("release") == release():
        return True
    started = await _start(kind, exec_root, "--succeed")
    if started.code:
        log.warning("cannot take over from fairlead %s: %s", kind, started.complaint)
        return False
    try:
        async with asyncio.timeout(PATIENCE):
            while status.get("release") != release():
                await asyncio.sleep(0.01)
                status = await ask(socket_path(kind, exec_root), {"do": "status"})
    except TimeoutError:
        log.warning("cannot take over from fairlead %s: see its log", kind)
        return False
    return True


async def _start_with(kind: str, exec_root: str, kept: Estate) -> process.Finished:
    """Start it with what was kept of the one before."""
    # Of their own, since meanwhile any of those that are kept may be let go.
    sockets = [socket.socket(fileno=os.dup(each.fileno())) for each in kept.sockets]
    ours, theirs = socket.socketpair()
    ours.settimeout(LONGEST_WORD)
    sending = asyncio.create_task(asyncio.to_thread(send, Estate(kept.document, sockets), ours))
    try:
        number = theirs.fileno()
        return await _start(kind, exec_root, "--inherit", str(number), inherited=number)
    finally:
        theirs.close()  # where it was not read there is nobody left who could
        with contextlib.suppress(OSError):
            await sending
        for each in (ours, *sockets):
            each.close()


async def _start(kind: str, exec_root: str, *more: str, inherited: int | None = None) -> process.Finished:
    said = os.path.join(exec_root, f"{kind}.log")
    # -P: what lies in the daemon's working directory is nobody's module.
    command = [sys.executable, "-P", "-m", MODULES[kind], "--socket", socket_path(kind, exec_root)]
    numbers = () if inherited is None else (inherited,)
    return await process.run([*command, "--detach", said, *more], pass_fds=numbers)


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
