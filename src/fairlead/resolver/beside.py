"""The frame of a process beside the daemon: one service behind one control socket, until told to stop."""

import argparse
import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from typing import Protocol

from fairlead import process
from fairlead.model.errors import FairleadError
from fairlead.resolver.control import PROTOCOL, Reply, Request, claim, serve


class Service(Protocol):
    """What the process is there for."""

    def answer(self, request: Request) -> Reply:
        """Carry out a request.  ValueError, TypeError and LookupError mean that it is malformed."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


def run(name: str, opened: Callable[[], Service], arguments: Sequence[str]) -> int:
    """Run the service until SIGTERM, SIGINT or the request "stop"; the exit code.

    `opened` makes the service, inside the running event loop.  With --detach it runs in the
    background and the call's process ends as soon as the control socket can be connected to.
    """
    parser = argparse.ArgumentParser(prog=f"fairlead {name}")
    parser.add_argument("--socket", required=True, metavar="PATH", help="the control socket to answer")
    parser.add_argument("--detach", metavar="LOG", help="go to the background and write messages to LOG")
    chosen = parser.parse_args(arguments)
    try:
        listener = claim(chosen.socket)
    except FairleadError as error:
        print(f"fairlead {name}: {error.message}", file=sys.stderr)
        return 1
    _raise_open_files()
    if chosen.detach:
        process.detach(chosen.detach)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format=f"%(asctime)s %(levelname)s {name}: %(message)s"
    )
    asyncio.run(_serve(opened, listener, chosen.socket))
    return 0


def _raise_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(opened: Callable[[], Service], listener: socket.socket, path: str) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    service = opened()

    def answer(request: Request) -> Reply:
        match request["do"]:
            case "status":
                return {"protocol": PROTOCOL, "pid": os.getpid()}
            case "stop":
                stopping.set()
                return {}
        return service.answer(request)

    server = await serve(listener, answer)
    try:
        await stopping.wait()
    finally:
        service.close()
        # Before the socket closes: a successor that finds it closed puts its own there.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        server.close()
