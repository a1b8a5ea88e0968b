"""Containers watched while they run: logs, attach, resize, stats."""

import asyncio
import time

from fairlead.api.conversation import Manner, converse
from fairlead.api.exchange import Answer, Connection, Request, closing, json_line
from fairlead.api.facade import Engine
from fairlead.dockerapi.detach import parse_detach_keys
from fairlead.dockerapi.details import log_details
from fairlead.dockerapi.frames import MULTIPLEXED_STREAM, RAW_STREAM, STDERR, STDOUT, frame
from fairlead.dockerapi.stats import Sample, render_stats
from fairlead.dockerapi.times import parse_stamp, rfc3339_fixed
from fairlead.dockerapi.version import Version
from fairlead.model.commands import LogQuery
from fairlead.model.errors import InvalidParameter, NotFound
from fairlead.model.views import LogLine

_NAMES_MULTIPLEXING = Version(1, 42)
STATS_INTERVAL = 1.0  # seconds, Docker's


def stream_type(terminal: bool, version: Version) -> str:
    """The content type of a console; older API versions do not tell the two apart."""
    return RAW_STREAM if terminal or version < _NAMES_MULTIPLEXING else MULTIPLEXED_STREAM


async def logs(engine: Engine, request: Request) -> None:
    """GET /containers/{id}/logs."""
    query = request.query
    wanted = LogQuery(
        stdout=query.truth("stdout"),
        stderr=query.truth("stderr"),
        since=parse_stamp(query.text("since"), "since"),
        until=parse_stamp(query.text("until"), "until"),
        tail=_tail(query.text("tail")),
        follow=query.truth("follow"),
    )
    if not wanted.stdout and not wanted.stderr:
        raise InvalidParameter("Bad parameters: you must choose at least one stream")
    container = engine.containers.get(request.variables["id"])
    details = log_details(container) if query.truth("details") else b""
    async with closing(await engine.containers.logs(container.id, wanted)) as lines:
        outlet = await request.stream(stream_type(container.config.tty, request.version))
        async for line in lines:
            await outlet.write(_logged(line, container.config.tty, query.truth("timestamps"), details))


def _tail(text: str) -> int:
    """How many of the last lines; Docker takes anything that is no number for all of them."""
    return int(text) if text.isascii() and text.isdigit() else -1


def _logged(line: LogLine, terminal: bool, stamped: bool, details: bytes = b"") -> bytes:
    content = details + line.content
    if stamped:
        content = rfc3339_fixed(line.time).encode() + b" " + content
    return content if terminal else frame(line.stream, content)


def _streams(request: Request) -> frozenset[int]:
    wanted = {STDOUT: request.query.truth("stdout"), STDERR: request.query.truth("stderr")}
    return frozenset(stream for stream, chosen in wanted.items() if chosen)


def _keys(request: Request) -> bytes:
    text = request.query.text("detachKeys")
    try:
        return parse_detach_keys(text)
    except InvalidParameter as error:
        raise InvalidParameter(f"Invalid detach keys ({text}) provided") from error


async def attach(engine: Engine, request: Request) -> None:
    """POST /containers/{id}/attach."""
    query = request.query
    container = engine.containers.get(request.variables["id"])
    terminal = container.config.tty
    manner = Manner(
        multiplexed=not terminal,
        streams=_streams(request),
        feeds_input=query.truth("stdin"),
        ends_input=container.config.stdin_once and not terminal,
        detach_keys=_keys(request) if terminal else b"",
    )
    await _attach(engine, request, container.id, manner, stream_type(terminal, request.version))


async def attach_websocket(engine: Engine, request: Request) -> None:
    """GET /containers/{id}/attach/ws: output is not multiplexed there."""
    query = request.query
    container = engine.containers.get(request.variables["id"])
    chooses = request.version >= _NAMES_MULTIPLEXING
    manner = Manner(
        multiplexed=False,
        streams=_streams(request) if chooses else frozenset({STDOUT, STDERR}),
        feeds_input=query.truth("stdin") if chooses else True,
        ends_input=container.config.stdin_once and not container.config.tty,
        detach_keys=_keys(request) if container.config.tty else b"",
    )
    await _attach(engine, request, container.id, manner, None)


async def _attach(
    engine: Engine, request: Request, container: str, manner: Manner, content_type: str | None
) -> None:
    """What was written before if asked for, then the console itself if asked for."""
    console = await engine.containers.attach(container) if request.query.truth("stream") else None
    try:
        history = request.query.truth("logs") and manner.streams
        lines = await engine.containers.logs(container, _history(manner)) if history else None
        connection: Connection
        if content_type is None:
            connection = await request.websocket(binary=request.version >= (1, 28))
        else:
            connection = await request.hijack(content_type)
    except BaseException:
        if console is not None:
            await console.close()
        raise
    try:
        if lines is not None:
            async for line in lines:
                await connection.write(_logged(line, not manner.multiplexed, stamped=False))
        if console is not None:
            await converse(connection, console, manner)
    except ConnectionError:
        pass  # the client has gone: nothing is left to say
    finally:
        if console is not None:
            await console.close()
        await connection.finish()


def _history(manner: Manner) -> LogQuery:
    return LogQuery(stdout=STDOUT in manner.streams, stderr=STDERR in manner.streams)


async def resize(engine: Engine, request: Request) -> Answer:
    """POST /containers/{id}/resize."""
    height, width = request.query.number("h"), request.query.number("w")
    check_size(height, width)
    await engine.containers.resize(request.variables["id"], height, width)
    return Answer()


def check_size(height: int, width: int) -> None:
    """InvalidParameter unless a terminal can have that size."""
    if not (0 <= height < 1 << 16 and 0 <= width < 1 << 16):
        raise InvalidParameter(f"cannot resize to {height} by {width}: each must lie between 0 and 65535")


async def stats(engine: Engine, request: Request) -> None:
    """GET /containers/{id}/stats."""
    query = request.query
    container = engine.containers.get(request.variables["id"])
    streams = query.truth("stream", default=True)
    before = Sample()
    if not streams and not query.truth("one-shot"):
        before = await _sample(engine, container.id)
        if before.usage:
            await asyncio.sleep(STATS_INTERVAL)
    sample = await _sample(engine, container.id)
    outlet = await request.stream("application/json")
    while True:
        await outlet.write(json_line(render_stats(container, sample, before)))
        if not streams:
            return
        await asyncio.sleep(STATS_INTERVAL)
        try:
            container = engine.containers.get(container.id)
            before, sample = sample, await _sample(engine, container.id)
        except NotFound:
            return  # removed: the stream ends with it


async def _sample(engine: Engine, reference: str) -> Sample:
    if not engine.containers.get(reference).state.running:
        return Sample()
    usage = await engine.containers.usage(reference)
    return Sample(time.time_ns(), usage)
