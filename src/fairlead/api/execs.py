"""Execs: made, started on a console or detached, resized, shown."""

import contextlib

from fairlead.api.container_streams import check_size, stream_type
from fairlead.api.conversation import Manner, converse
from fairlead.api.exchange import Answer, Request, json_answer, read_json
from fairlead.api.facade import Engine
from fairlead.dockerapi import container_parse
from fairlead.dockerapi.detach import parse_detach_keys
from fairlead.dockerapi.exec import render_exec
from fairlead.dockerapi.frames import STDERR, STDOUT, frame
from fairlead.dockerapi.status import message_of
from fairlead.model.errors import FairleadError
from fairlead.model.views import ExecView


async def create(engine: Engine, request: Request) -> Answer:
    """POST /containers/{id}/exec."""
    command = container_parse.parse_exec_create(await read_json(request), request.version)
    identity = await engine.execs.create(request.variables["id"], command)
    return json_answer({"Id": identity}, 201)


async def inspect(engine: Engine, request: Request) -> Answer:
    """GET /exec/{id}/json."""
    return json_answer(render_exec(await engine.execs.inspect(request.variables["id"])))


async def resize(engine: Engine, request: Request) -> Answer:
    """POST /exec/{id}/resize."""
    height, width = request.query.number("h"), request.query.number("w")
    check_size(height, width)
    await engine.execs.resize(request.variables["id"], height, width)
    return Answer()


async def start(engine: Engine, request: Request) -> Answer | None:
    """POST /exec/{id}/start.

    On a console the connection is taken over before the process starts, so that what goes wrong
    then is told as output, as Docker tells it; clients read the exit code from inspect.
    """
    document = await read_json(request, required=False)
    detach, terminal, size = container_parse.parse_exec_start(document, request.version)
    view = await engine.execs.inspect(request.variables["id"])
    if detach:
        await engine.execs.start(view.id, detach=True, tty=view.tty, console_size=size)
        return Answer()
    # Whether output is multiplexed follows this request, what the process runs on the first one.
    connection = await request.hijack(stream_type(terminal, request.version))
    try:
        console = await engine.execs.start(view.id, detach=False, tty=view.tty, console_size=size)
        if console is not None:
            try:
                await converse(connection, console, _manner(view, terminal))
            finally:
                await console.close()
    except FairleadError as error:
        message = message_of(error).encode() + b"\r\n"
        # A client that has gone needs no telling.
        with contextlib.suppress(ConnectionError):
            await connection.write(message if terminal else frame(STDOUT, message))
    except ConnectionError:
        pass  # the client has gone: the process lives on
    finally:
        await connection.finish()
    return None


def _manner(view: ExecView, terminal: bool) -> Manner:
    wanted = {STDOUT: view.open_stdout, STDERR: view.open_stderr}
    return Manner(
        multiplexed=not terminal,
        streams=frozenset(stream for stream, open_ in wanted.items() if open_),
        feeds_input=view.open_stdin,
        ends_input=True,
        detach_keys=parse_detach_keys(view.detach_keys) if view.tty else b"",
    )
