"""One request and the ways to answer it, free of any HTTP library.

A handler gets a `Request` and returns an `Answer`; or it takes the connection over (`stream`,
`hijack`, `websocket`) and returns None when it is done with it.
"""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from fairlead.dockerapi.jsonwords import complaint
from fairlead.dockerapi.version import Version
from fairlead.model.errors import InvalidParameter

T = TypeVar("T")

JSON_TYPE = "application/json"
TAR_TYPE = "application/x-tar"
LARGEST_BODY = 16 << 20  # bytes of a JSON body; Docker's own documents stay far below
_FALSE = frozenset({"", "0", "no", "false", "none"})


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def json_answer(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A JSON document, on a line of its own as Docker writes it."""
    return Answer(status, json_line(document), JSON_TYPE, headers or {})


def json_line(document: object) -> bytes:
    """A document as one line of JSON."""
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


@asynccontextmanager
async def closing(pieces: AsyncIterator[T]) -> AsyncIterator[AsyncIterator[T]]:
    """The iterator, which is closed at the end of the block, also when it has not been used up."""
    try:
        yield pieces
    finally:
        close = getattr(pieces, "aclose", None)
        if close is not None:
            await close()


class Outlet(Protocol):
    """An answer that is written bit by bit."""

    async def write(self, content: bytes) -> None:
        """Send more; ConnectionError when the client has gone."""
        ...


class Connection(Protocol):
    """A connection without HTTP: both directions on their own."""

    async def read(self) -> bytes | None:
        """What the client sent; b"" once when it ends its side, None when it has gone."""
        ...

    async def write(self, content: bytes) -> None:
        """Send; waits while the client is slow.  ConnectionError when it has gone."""
        ...

    async def finish(self) -> None:
        """Everything has been sent: end the connection without losing any of it."""
        ...


@dataclass(frozen=True, slots=True)
class Query:
    """The query of a URL; parameters may come several times."""

    values: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def text(self, name: str, default: str = "") -> str:
        """The first value."""
        return next(iter(self.values.get(name, ())), default)

    def all(self, name: str) -> tuple[str, ...]:
        """All values."""
        return tuple(self.values.get(name, ()))

    def flat(self) -> Mapping[str, str]:
        """The first value of each."""
        return {name: self.text(name) for name in self.values}

    def truth(self, name: str, default: bool = False) -> bool:
        """Docker's notion of true: anything but nothing, 0, no, false and none."""
        if name not in self.values:
            return default
        return self.text(name).strip().lower() not in _FALSE

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number; InvalidParameter when it is none, or missing without a default."""
        text = self.text(name)
        if not text and default is not None:
            return default
        if re.fullmatch(r"[+-]?[0-9]{1,18}", text) is None:
            raise InvalidParameter(f"invalid value {text!r} for {name}: it must be a whole number")
        return int(text)


class Request(Protocol):
    """What a client asks."""

    method: str
    version: Version
    variables: Mapping[str, str]  # parts of the path, by their names in the route
    query: Query

    def header(self, name: str) -> str:
        """A header, "" if it was not sent."""
        ...

    async def body(self) -> bytes:
        """The whole body.  InvalidParameter when it is larger than LARGEST_BODY or breaks off."""
        ...

    def upload(self) -> AsyncIterator[bytes]:
        """The body in pieces, of any size.  InvalidParameter when it breaks off."""
        ...

    async def stream(
        self, content_type: str, status: int = 200, headers: Mapping[str, str] | None = None
    ) -> Outlet:
        """Send the head of an answer now, the rest bit by bit."""
        ...

    async def hijack(self, content_type: str) -> Connection:
        """Take over the connection: `101 UPGRADED` if the client asked for it, else `200 OK`."""
        ...

    async def websocket(self, binary: bool) -> Connection:
        """Take over the connection as a WebSocket.  InvalidParameter when the client did not ask for one."""
        ...


async def send_archive(
    request: Request,
    pieces: AsyncIterator[bytes],
    content_type: str = TAR_TYPE,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Answer with a body that is made while it is sent."""
    async with closing(pieces):
        outlet = await request.stream(content_type, headers=headers)
        async for piece in pieces:
            await outlet.write(piece)


async def read_json(request: Request, required: bool = True) -> object:
    """The body as JSON; None for no body where none is required.

    Raises InvalidParameter for another content type and for anything that is not JSON.
    """
    content = await request.body()
    kind = request.header("Content-Type").partition(";")[0].strip().lower()
    if content and kind != JSON_TYPE:
        raise InvalidParameter(
            f"Content-Type specified ({request.header('Content-Type')}) must be 'application/json'"
        )
    if not content.strip():
        if required:
            raise InvalidParameter("got EOF while reading request body")
        return None
    try:
        document: object = json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
        _require_characters(document)
    except (ValueError, RecursionError) as error:
        reason = complaint(error) if isinstance(error, ValueError) else error
        raise InvalidParameter(f"invalid JSON: {reason}") from error
    return document


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _require_characters(value: object) -> None:
    """ValueError for strings that the kernel cannot take: half a surrogate pair, a zero byte."""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("a string contains a zero byte")
        value.encode("utf-8")
    elif isinstance(value, list):
        for item in value:
            _require_characters(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            _require_characters(key)
            _require_characters(item)
