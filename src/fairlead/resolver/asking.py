"""The daemon's side of a control socket: one connection for each request."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from fairlead.model.errors import Failed, Unavailable
from fairlead.resolver.control import LONGEST_LINE, Request

DEADLINE = 30.0  # seconds for an answer

Revive = Callable[[], Awaitable[None]]
"""Starts the process anew where it does not answer; what it held before is lost."""


async def ask(path: str, request: Request) -> dict[str, Any]:
    """The answer of the process behind a control socket.

    Raises Unavailable when nobody answers, Failed with the process's words when it refuses.
    """
    try:
        async with asyncio.timeout(DEADLINE):
            reply = await _exchange(path, json.dumps(request).encode() + b"\n")
    except TimeoutError as error:
        raise Unavailable(f"cannot ask {path}: no answer within {DEADLINE:g} seconds") from error
    except (OSError, ValueError) as error:
        raise Unavailable(f"cannot ask {path}: {error}") from error
    if "error" in reply:
        raise Failed(str(reply["error"]))
    return reply


async def ask_or_revive(path: str, request: Request, revive: Revive | None) -> dict[str, Any]:
    """The same; where nobody answers, once more after `revive`.

    For requests that mean the same when they are made twice.
    """
    try:
        return await ask(path, request)
    except Unavailable:
        if revive is None:
            raise
    await revive()
    return await ask(path, request)


async def _exchange(path: str, line: bytes) -> dict[str, Any]:
    reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
    try:
        writer.write(line)
        answered = await reader.readline()
        if not answered.endswith(b"\n"):
            raise ConnectionResetError("it ended before it answered")
        reply = json.loads(answered)
        if not isinstance(reply, dict):
            raise ValueError("its answer is not a JSON object")
        return reply
    finally:
        writer.close()
