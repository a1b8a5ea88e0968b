"""A server on a unix socket in a thread of its own, and the plainest of clients."""

import asyncio
import http.client
import json
import socket
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlencode

from fairlead.api.server import ApiServer
from tests.fakes.engine import FakeEngine

T = TypeVar("T")
PATIENCE = 10.0  # seconds that a test waits for what should come at once


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str):
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def message(self) -> str:
        return str(self.json["message"])


class Serving:
    """The engine behind the server, and requests to it."""

    def __init__(self, path: Path, engine: FakeEngine, loop: asyncio.AbstractEventLoop):
        self.path = str(path)
        self.engine = engine
        self.loop = loop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the server's loop."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self.loop)
        return future.result(PATIENCE)

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds in the server."""

        async def wait() -> None:
            async with asyncio.timeout(PATIENCE):
                while not holds():
                    await asyncio.sleep(0.005)

        self.run(wait())

    def idle(self) -> bool:
        """Whether no request is being worked on."""
        coroutines = [repr(task.get_coro()) for task in asyncio.all_tasks(self.loop)]
        return not any("_handle_request" in each or "fairlead.api" in each for each in coroutines)

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        /,
        *,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        version: str = "v1.41",
        **query: object,
    ) -> Reply:
        connection = UnixConnection(self.path)
        sent = dict(headers or {})
        content = raw
        if body is not None:
            content = json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        prefix = f"/{version}" if version else ""
        suffix = f"?{urlencode(query, doseq=True)}" if query else ""
        try:
            connection.request(method, f"{prefix}{path}{suffix}", content, sent)
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.headers), answer.read())
        finally:
            connection.close()

    def open(self, method: str, path: str, version: str = "v1.41") -> http.client.HTTPResponse:
        """A request whose answer is read bit by bit; closing it closes the connection."""
        connection = UnixConnection(self.path)
        connection.request(method, f"/{version}{path}")
        return connection.getresponse()

    def raw(self, content: bytes) -> socket.socket:
        """A connection on which these bytes have been sent."""
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(PATIENCE)
        client.connect(self.path)
        client.sendall(content)
        return client

    def create(self, *command: str, name: str = "", **body: object) -> str:
        document = {"Image": "busybox", "Cmd": list(command or ("sleep",)), **body}
        reply = self.ask("POST", "/containers/create", document, **({"name": name} if name else {}))
        assert reply.status == 201, reply.body
        return str(reply.json["Id"])

    def start(self, *command: str, name: str = "", **body: object) -> str:
        identity = self.create(*command, name=name, **body)
        assert self.ask("POST", f"/containers/{identity}/start").status == 204
        return identity


@contextmanager
def serving(path: Path, engine_class: type[FakeEngine] = FakeEngine) -> Any:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def begin() -> tuple[FakeEngine, ApiServer]:
        engine = engine_class()
        server = ApiServer(engine, [f"unix://{path}"], group="")
        await server.start()
        return engine, server

    async def end(server: ApiServer) -> list[str]:
        """Stop; what is left running that is not a program of the fake's."""
        await server.stop(patience=1)
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        left = [repr(task) for task in tasks if "Program." not in repr(task.get_coro())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await loop.shutdown_asyncgens()
        return left

    try:
        engine, server = asyncio.run_coroutine_threadsafe(begin(), loop).result(PATIENCE)
        yield Serving(path, engine, loop)
        left = asyncio.run_coroutine_threadsafe(end(server), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
    assert left == []


def read_exactly(client: socket.socket, count: int) -> bytes:
    content = b""
    while len(content) < count:
        piece = client.recv(count - len(content))
        assert piece, f"ended after {content!r}"
        content += piece
    return content


def read_to_end(client: socket.socket) -> bytes:
    content = b""
    while piece := client.recv(65536):
        content += piece
    return content


def read_head(client: socket.socket) -> str:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(client, 1)
    return head.decode()
