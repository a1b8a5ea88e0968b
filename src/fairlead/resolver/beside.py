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
from dataclasses import dataclass
from typing import Protocol

from fairlead import process
from fairlead.model.errors import Conflict, FairleadError
from fairlead.resolver.control import PROTOCOL, Reply, Request, WithSockets, claim, serve
from fairlead.resolver.estate import Deed, Estate, Inheritance, hand_over, receive
from fairlead.resolver.release import release

log = logging.getLogger(__name__)


class Service(Protocol):
    """What the process is there for."""

    def answer(self, request: Request) -> Reply | WithSockets:
        """Carry out a request.  ValueError, TypeError and LookupError mean that it is malformed."""
        ...

    def hand_over(self) -> Estate:
        """Stop reading; all that is held."""
        ...

    def keep(self) -> None:
        """Nobody took it: read on."""
        ...

    async def finish(self) -> None:
        """It was taken: what was begun comes to its end."""
        ...

    def take_over(self, inheritance: Inheritance) -> None:
        """Begin with what the predecessor held.  ValueError, TypeError, LookupError: it cannot be read."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


def run(name: str, opened: Callable[[], Service], arguments: Sequence[str]) -> int:
    """Run the service until SIGTERM, SIGINT, the request "stop" or a successor; the exit code.

    `opened` makes the service, inside the running event loop.  With --detach it runs in the
    background and the call's process ends as soon as the control socket can be connected to.  With
    --succeed it takes over from the process that answers the socket, with --inherit from one that
    was killed: what was kept of it is sent by the socket with that number.
    """
    parser = argparse.ArgumentParser(prog=f"fairlead {name}")
    parser.add_argument("--socket", required=True, metavar="PATH", help="the control socket to answer")
    parser.add_argument("--detach", metavar="LOG", help="go to the background and write messages to LOG")
    parser.add_argument("--succeed", action="store_true", help="take over from the process that answers it")
    parser.add_argument("--inherit", type=int, metavar="NUMBER", help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    release()  # later there may be other files
    _raise_open_files()
    try:
        beginning = Deed(chosen.socket) if chosen.succeed else Beginning(claim(chosen.socket))
        if isinstance(beginning, Beginning) and chosen.inherit is not None:
            beginning.inheritance = _inherited(chosen.inherit)
    except (FairleadError, OSError) as error:
        print(
            f"fairlead {name}: {error.message if isinstance(error, FairleadError) else error}",
            file=sys.stderr,
        )
        return 1
    if chosen.detach:
        process.detach(chosen.detach)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format=f"%(asctime)s %(levelname)s {name}: %(message)s"
    )
    asyncio.run(_serve(opened, beginning, chosen.socket))
    return 0


def _raise_open_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _inherited(number: int) -> Inheritance | None:
    """What was kept of a process that was killed; None, and so an empty beginning, where it does not come."""
    with socket.socket(fileno=number) as connection:
        try:
            return receive(connection)
        except FairleadError as error:
            log.error("cannot go on with what was kept: %s", error.message)
            return None


@dataclass(slots=True)
class Beginning:
    """The control socket, which nobody else answers, and what was kept of who answered it before."""

    listener: socket.socket
    inheritance: Inheritance | None = None


async def _serve(opened: Callable[[], Service], beginning: "Beginning | Deed", path: str) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    if isinstance(beginning, Deed):
        service = opened()
        listener = _taken_over(service, beginning)
    else:
        service, listener = _begun(opened, beginning.inheritance), beginning.listener
    if listener is None:
        return
    handed_over = False

    def answer(request: Request) -> Reply | WithSockets:
        nonlocal handed_over
        if handed_over:
            raise Conflict(f"cannot do anything: a successor answers {path}")
        match request["do"]:
            case "status":
                return {"protocol": PROTOCOL, "release": release(), "pid": os.getpid()}
            case "stop":
                stopping.set()
                return {}
            case "hand over":
                _hand_over(service, listener, request["to"])
                handed_over = True
                stopping.set()
                return {}
        return service.answer(request)

    server = await serve(listener, answer)
    try:
        await stopping.wait()
    finally:
        if handed_over:
            server.close()
            await service.finish()
        else:
            service.close()
            # Before the socket closes: a successor that finds it closed puts its own there.
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            server.close()


def _hand_over(service: Service, listener: socket.socket, address: str) -> None:
    estate = service.hand_over()
    try:
        hand_over(Estate(estate.document, (listener, *estate.sockets)), address)
    except BaseException:
        service.keep()
        raise


def _begun(opened: Callable[[], Service], inheritance: Inheritance | None) -> Service:
    """The service with what was kept; with nothing where that cannot be read."""
    service = opened()
    if inheritance is None:
        return service
    try:
        service.take_over(inheritance)
    except (ValueError, TypeError, LookupError, OSError, FairleadError):
        log.exception("cannot go on with what was kept")
        service.close()
        for each in inheritance.sockets:
            each.close()
        return opened()
    return service


def _taken_over(service: Service, deed: Deed) -> socket.socket | None:
    """The control socket, when the service has taken what the predecessor held; None if it could not."""
    listener, *sockets = deed.inheritance.sockets
    try:
        service.take_over(Inheritance(deed.inheritance.document, sockets))
    except (ValueError, TypeError, LookupError, OSError, FairleadError):
        log.exception("cannot take over; the predecessor goes on")
        deed.close()
        return None
    deed.taken()
    return listener
