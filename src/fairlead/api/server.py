"""The HTTP server; the only file that knows the HTTP library.

It finds the route of a request, hands it to its handler, and turns what comes of that into an
answer.  What changes something is worked on to its end, though the client may have gone.
"""

import asyncio
import contextlib
import logging
import re
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import WSMsgType, web

from fairlead import __version__
from fairlead.api.exchange import (
    LARGEST_BODY,
    Answer,
    Connection,
    Outlet,
    Query,
    Request,
    json_answer,
)
from fairlead.api.facade import Engine
from fairlead.api.guard import is_foreign
from fairlead.api.listeners import BACKLOG, Listener, open_listeners
from fairlead.api.pace import Pace
from fairlead.api.rawconnection import RawConnection
from fairlead.api.routes import ROUTES, Route, Span, Table
from fairlead.boundary.meter import Meter, NoMeter
from fairlead.dockerapi.status import FAILED, PAGE_NOT_FOUND, error_body, message_of, status_of
from fairlead.dockerapi.version import NEWEST, UNVERSIONED, Version, parse_version
from fairlead.model.errors import FairleadError, Forbidden, InvalidParameter, NotFound, NotModified

log = logging.getLogger(__name__)

HEADERS = {
    "Api-Version": str(NEWEST),
    "Docker-Experimental": "false",
    "Ostype": "linux",
    "Server": f"fairlead/{__version__} (linux)",
}
LARGEST_HEAD = 1 << 20  # bytes of the request line and of a header, as Go's server takes
MOST_HEADERS = 1024
_VERSIONED = re.compile(r"/v([0-9.]+)(/.*)", re.DOTALL)
_BROKEN_OFF = "cannot read the request: the client went away before its end"


class _TakenOver(web.Response):
    """Tells the library that the connection is no longer its."""

    async def prepare(self, request: web.BaseRequest) -> None:
        """Nothing is left to send."""

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing is left to send."""


class _WebSocket:
    """A WebSocket as a plain connection."""

    def __init__(self, socket: web.WebSocketResponse, binary: bool):
        self._socket = socket
        self._binary = binary

    async def read(self) -> bytes | None:
        """The next message's content; None at the end."""
        message = await self._socket.receive()
        if message.type is WSMsgType.BINARY:
            return bytes(message.data)
        return message.data.encode() if message.type is WSMsgType.TEXT else None

    async def write(self, content: bytes) -> None:
        """Send one message."""
        if self._binary:
            await self._socket.send_bytes(content)
        else:
            await self._socket.send_str(content.decode("utf-8", "replace"))

    async def finish(self) -> None:
        """Say goodbye."""
        await self._socket.close()


class _Request(Request):
    """A request of the library's, as handlers see it."""

    def __init__(self, inner: web.BaseRequest, version: Version, variables: Mapping[str, str]):
        self._inner = inner
        self.method = inner.method
        self.version = version
        self.variables = variables
        self.query = Query({name: inner.query.getall(name) for name in inner.query})
        # What took the place of an ordinary answer.
        self.outcome: web.StreamResponse | None = None

    @property
    def taken_over(self) -> bool:
        """Whether the connection is a console now."""
        return isinstance(self.outcome, _TakenOver | web.WebSocketResponse)

    def header(self, name: str) -> str:
        """A header, "" if it was not sent."""
        return self._inner.headers.get(name, "")

    async def body(self) -> bytes:
        """The whole body."""
        content = bytearray()
        async for piece in self.upload():
            content += piece
            if len(content) > LARGEST_BODY:
                raise InvalidParameter(f"cannot read the request: it is larger than {LARGEST_BODY} bytes")
        return bytes(content)

    async def upload(self) -> AsyncIterator[bytes]:
        """The body in pieces."""
        if self.header("Expect").lower() == "100-continue":
            await self._inner.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._inner.writer.output_size = 0
        try:
            async for piece in self._inner.content.iter_any():
                yield piece
        except (ConnectionError, web.RequestPayloadError) as error:
            raise InvalidParameter(_BROKEN_OFF) from error

    async def stream(
        self, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Outlet:
        """Send the head of an answer now."""
        answer = web.StreamResponse(status=status, headers={**HEADERS, **(headers or {})})
        answer.content_type = content_type
        self.outcome = answer
        await answer.prepare(self._inner)
        return answer

    async def hijack(self, content_type: str) -> Connection:
        """Take over the connection."""
        transport = self._inner.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        self.outcome = _TakenOver()
        connection = RawConnection(transport, self._inner.protocol)
        await connection.take_over(_raw_head(content_type, "upgrade" in self.header("Connection").lower()))
        return connection

    async def websocket(self, binary: bool) -> Connection:
        """Take over the connection as a WebSocket."""
        socket = web.WebSocketResponse(autoping=True, compress=False)
        if not socket.can_prepare(self._inner):
            raise InvalidParameter("not websocket protocol")
        self.outcome = socket
        await socket.prepare(self._inner)
        return _WebSocket(socket, binary)


def _raw_head(content_type: str, upgrades: bool) -> bytes:
    lines = [f"Content-Type: {content_type}"]
    if upgrades:
        lines = ["HTTP/1.1 101 UPGRADED", *lines, "Connection: Upgrade", "Upgrade: tcp"]
    else:
        lines = ["HTTP/1.1 200 OK", *lines]
    lines += [f"{name}: {text}" for name, text in HEADERS.items()]
    return "\r\n".join([*lines, "", ""]).encode()


class _Protocol(web.RequestHandler):
    """Answers what is no HTTP at all in the form of all errors."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A JSON error; the connection ends with it, or without it when an answer has begun."""
        if isinstance(exc, ConnectionError) or request.writer.output_size > 0:
            raise ConnectionResetError("broken off") from exc
        if status >= 500:
            log.error("cannot answer %s %s", request.method, request.path, exc_info=exc)
            message = message_of(Exception())
        answer = _response(json_answer(error_body(message or "the request is malformed"), status))
        answer.force_close()
        return answer


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Protocol(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]
            max_line_size=LARGEST_HEAD,
            max_field_size=LARGEST_HEAD,
            max_headers=MOST_HEADERS,
            logger=log,
        )


def _response(answer: Answer) -> web.Response:
    headers = {**HEADERS, **answer.headers}
    if answer.content_type:
        headers["Content-Type"] = answer.content_type
    response = web.Response(status=answer.status, body=answer.body, headers=headers)
    if not answer.content_type and not answer.body:
        response.headers.pop("Content-Type", None)
    return response


def _error(error: Exception) -> Answer:
    if isinstance(error, NotModified):
        return Answer(304)
    return json_answer(error_body(message_of(error)), status_of(error))


@dataclass(frozen=True, slots=True)
class Security:
    """How TCP listeners are guarded: `context` for TLS, `mutual` if it demands certificates of clients."""

    context: ssl.SSLContext | None = None
    mutual: bool = False


class ApiServer:
    """Serves an engine on a number of hosts (`unix://`, `tcp://`, `fd://`)."""

    def __init__(
        self,
        engine: Engine,
        hosts: Sequence[str],
        *,
        group: str | None = None,
        security: Security = Security(),
        own_names: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        routes: Sequence[Route] = ROUTES,
        any_host: bool = False,
        meter: Meter | None = None,
    ):
        """Nothing is opened before `start`.

        `group` owns the unix sockets (None: `docker` if it exists, "": as it is); `own_names` are
        host names under which TCP clients may address this machine; `environment` is where
        systemd's socket activation is looked for.  `any_host`: there is nothing here that a foreign
        site must not see.  `meter` is told how long changes take.
        """
        self._engine = engine
        self._hosts = hosts
        self._group = group
        self._security = security
        self._own_names = frozenset(name.lower() for name in own_names)
        self._environment = environment or {}
        self._table = Table(routes)
        self._guarded = not any_host
        self._meter = meter or NoMeter()
        self._listeners: tuple[Listener, ...] = ()
        self._opened: list[tuple[asyncio.Server, _Server]] = []
        self._requests: set[asyncio.Task[object]] = set()
        self._pace = Pace()
        # Those of them that change something, each in a task of its own, which outlives its client.
        self._work: dict[asyncio.Task[Answer | None], _Request] = {}

    async def start(self) -> None:
        """Open all listeners or none.  Errors as `open_listeners` raises them."""
        self._listeners = open_listeners(self._hosts, self._group, self._environment)
        loop = asyncio.get_running_loop()
        for listener in self._listeners:
            server = _Server(self._handler(listener), handler_cancellation=True)
            if listener.remote:
                opened = await loop.create_server(
                    server, sock=listener.socket, ssl=self._security.context, backlog=BACKLOG
                )
            else:
                opened = await loop.create_unix_server(server, sock=listener.socket, backlog=BACKLOG)
            self._opened.append((opened, server))

    async def stop(self, patience: float = 10.0) -> None:
        """Listen no more, let changes that are under way end for `patience` seconds, end the rest."""
        for opened, _ in self._opened:
            opened.close()
        for listener in self._listeners:
            listener.close()
        changes = [task for task, request in self._work.items() if not request.taken_over]
        if changes:
            await asyncio.wait(changes, timeout=patience)
        tasks = [*self._work, *self._requests]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(server.shutdown(0.1) for _, server in self._opened))
        self._opened.clear()
        self._listeners = ()

    def _handler(self, listener: Listener) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
        async def handle(inner: web.BaseRequest) -> web.StreamResponse:
            task = asyncio.current_task()
            assert task is not None
            self._requests.add(task)
            try:
                return await self._respond(inner, listener)
            finally:
                self._requests.discard(task)

        return handle

    async def _respond(self, inner: web.BaseRequest, listener: Listener) -> web.StreamResponse:
        request: _Request | None = None
        try:
            if listener.remote and self._guarded:
                self._refuse_foreign(inner)
            if inner.method == "OPTIONS":
                return _response(Answer())
            route, version, variables = self._find(inner)
            request = _Request(inner, version, variables)
            answer = await self._work_on(route, request)
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            if not isinstance(error, FairleadError):
                log.exception("cannot answer %s %s", inner.method, inner.path)
            if request is not None and request.outcome is not None:
                # The head has gone out: breaking off is the only way left to tell.
                log.warning("broke off the answer to %s %s: %s", inner.method, inner.path, error)
                raise ConnectionResetError("broken off") from error
            answer = _error(error)
        if request is not None and request.outcome is not None:
            return request.outcome
        return _response(answer or Answer())

    def _refuse_foreign(self, inner: web.BaseRequest) -> None:
        host, origin = inner.headers.get("Host", ""), inner.headers.get("Origin", "")
        authenticated = self._security.context is not None and self._security.mutual
        if is_foreign(host, origin, self._own_names, authenticated):
            raise Forbidden(f"cannot serve a request of a foreign site: Host {host!r}, Origin {origin!r}")

    def _find(self, inner: web.BaseRequest) -> tuple[Route, Version, Mapping[str, str]]:
        """The route, API version and variables of a request.  NotFound comes before a wrong version."""
        path, version = inner.path, ""
        if match := _VERSIONED.fullmatch(path):
            version, path = match[1], match[2]
        found = self._table.find(inner.method, path)
        if found is None:
            raise NotFound(PAGE_NOT_FOUND)
        if any("\0" in text for text in (path, *inner.query.values())):
            raise InvalidParameter("cannot read the request: its address contains a zero byte")
        route, variables = found
        return route, parse_version(version) if version else UNVERSIONED, variables

    async def _work_on(self, route: Route, request: _Request) -> Answer | None:
        if route.span is Span.HEARD:
            await self._pace.turn()
            return await route.handler(self._engine, request)
        task: asyncio.Task[Answer | None] = asyncio.ensure_future(self._change(route, request))
        self._work[task] = request
        task.add_done_callback(self._done)
        return await asyncio.shield(task)

    async def _change(self, route: Route, request: _Request) -> Answer | None:
        begun, outcome = time.monotonic(), "failed"
        try:
            answer = await route.handler(self._engine, request)
            outcome = "done"
            return answer
        except FairleadError as error:
            outcome = "refused" if status_of(error) < FAILED else "failed"
            raise
        finally:
            self._meter.time(
                "fairlead_operation_seconds",
                time.monotonic() - begun,
                operation=f"{route.method} {route.template}",
                outcome=outcome,
            )

    def _done(self, task: asyncio.Task[Answer | None]) -> None:
        self._work.pop(task, None)
        with contextlib.suppress(asyncio.CancelledError):
            error = task.exception()
            # Without its client nobody else would hear of it.
            if error is not None and not isinstance(error, (FairleadError, ConnectionError)):
                log.debug("a request ended with %r", error)
