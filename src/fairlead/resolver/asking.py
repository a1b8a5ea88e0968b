"""The daemon's side of a control socket: one connection for each request."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from fairlead.model.errors import Failed, Unavailable
from fairlead.resolver import descriptors
from fairlead.resolver.control import Request

DEADLINE = 30.0  # seconds for an answer
PIECE = 1 << 18  # bytes read at once

Revive = Callable[[], Awaitable[None]]
"""Starts the process anew where it does not answer."""
Answered = tuple[dict[str, Any], list[socket.socket]]
"""What it says, and copies of its sockets, which the caller closes."""


async def ask(path: str, request: Request) -> dict[str, Any]:
    """The answer of the process behind a control socket.

    Raises Unavailable when nobody answers, Failed with the process's words when it refuses.
    """
    reply, sockets = await ask_for_sockets(path, request)
    close(sockets)
    return reply


async def ask_for_sockets(path: str, request: Request) -> Answered:
    """The same, with the sockets that came with the answer: all of them, or none."""
    try:
        async with asyncio.timeout(DEADLINE):
            reply, sockets = await _exchange(path, json.dumps(request).encode() + b"\n")
    except TimeoutError as error:
        raise Unavailable(f"cannot ask {path}: no answer within {DEADLINE:g} seconds") from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"cannot ask {path}: {error}") from error
    if "error" in reply:
        close(sockets)
        raise Failed(str(reply["error"]))
    return reply, sockets


async def ask_or_revive(path: str, request: Request, revive: Revive | None) -> Answered:
    """The same; where nobody answers, once more after `revive`.

    For requests that mean the same when they are made twice.
    """
    try:
        return await ask_for_sockets(path, request)
    except Unavailable:
        if revive is None:
            raise
    await revive()
    return await ask_for_sockets(path, request)


def close(sockets: list[socket.socket]) -> None:
    """Close them all."""
    for each in sockets:
        each.close()


async def _exchange(path: str, line: bytes) -> Answered:
    loop = asyncio.get_running_loop()
    received, sockets, complete = bytearray(), list[socket.socket](), True
    with socket.socket(socket.AF_UNIX) as asking, contextlib.ExitStack() as undo:
        undo.callback(close, sockets)
        asking.setblocking(False)
        await loop.sock_connect(asking, path)
        await loop.sock_sendall(asking, line)
        while not received.endswith(b"\n"):
            try:
                piece, found, whole = descriptors.receive(asking, PIECE)
            except BlockingIOError:
                await _readable(loop, asking)
                continue
            if not piece:
                raise ConnectionResetError("it ended before it answered")
            received += piece
            sockets += found
            complete = complete and whole
        reply = json.loads(received)
        if not isinstance(reply, dict):
            raise ValueError("its answer is not a JSON object")
        if complete:
            undo.pop_all()
            return reply, sockets
    return reply, []


async def _readable(loop: asyncio.AbstractEventLoop, asking: socket.socket) -> None:
    """Wait until there is something to read."""
    ready = asyncio.Event()
    loop.add_reader(asking, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(asking)
