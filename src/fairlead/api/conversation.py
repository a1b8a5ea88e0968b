"""A client at a console: output to the client, input to the process, until one of them has gone.

A client that only ends its input still hears the rest of the output.
"""

import asyncio
import contextlib
from dataclasses import dataclass

from fairlead.api.exchange import Connection
from fairlead.boundary import Stream
from fairlead.dockerapi.detach import DetachFilter
from fairlead.dockerapi.frames import STDERR, STDOUT, frame


@dataclass(frozen=True, slots=True)
class Manner:
    """How they talk.

    `streams`: which output the client wants.  `ends_input`: the process's input ends with the
    client's.  `detach_keys`: b"" where none are looked for.
    """

    multiplexed: bool
    streams: frozenset[int] = frozenset({STDOUT, STDERR})
    feeds_input: bool = False
    ends_input: bool = False
    detach_keys: bytes = b""


async def converse(connection: Connection, console: Stream, manner: Manner) -> None:
    """Carry both directions until the output has ended, the client has gone, or it has typed the detach keys.

    Closes neither side.
    """
    tasks = {
        asyncio.ensure_future(_carry_output(connection, console, manner)),
        asyncio.ensure_future(_carry_input(connection, console, manner)),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            with contextlib.suppress(ConnectionError):
                task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _carry_output(connection: Connection, console: Stream, manner: Manner) -> None:
    while (piece := await console.read()) is not None:
        stream, content = piece
        if stream in manner.streams and content:
            await connection.write(frame(stream, content) if manner.multiplexed else content)


async def _carry_input(connection: Connection, console: Stream, manner: Manner) -> None:
    keys = DetachFilter(manner.detach_keys) if manner.detach_keys else None
    while (content := await connection.read()) is not None:
        if not manner.feeds_input:
            continue
        if not content:
            if manner.ends_input:
                await console.close_input()
            continue
        passed, detached = keys.feed(content) if keys else (content, False)
        if passed:
            await console.write(passed)
        if detached:
            return
