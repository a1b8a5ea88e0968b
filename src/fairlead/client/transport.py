"""One request, one connection: HTTP over a unix socket, TCP or TLS, with Docker's errors.

A fresh connection costs a tenth of a millisecond on a socket, and none can have gone stale.
"""

import contextlib
import errno
import http.client
import json
import os
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import IO, Any

from fairlead.client.address import Address
from fairlead.client.errors import ClientError, ConnectionLost, Refused, Unreachable
from fairlead.client.hijack import Hijacked
from fairlead.client.streams import documents
from fairlead.client.tls import TlsFiles

Document = dict[str, Any]
Documents = list[Document]
Value = str | int | bool | None | Sequence[str]
Query = Mapping[str, Value]
Body = Mapping[str, Any] | bytes | IO[bytes] | Iterable[bytes] | None
Filters = Mapping[str, Sequence[str]]

LATEST = (1, 48)
_BLOCK = 65536


class Response:
    """An answer whose head has arrived; reading it takes what the daemon has sent so far."""

    def __init__(self, answer: http.client.HTTPResponse):
        self._answer = answer
        self.status = answer.status

    def header(self, name: str, default: str = "") -> str:
        """One header's value."""
        return str(self._answer.headers.get(name, default))

    def read(self) -> bytes:
        """All of it."""
        return b"".join(self.pieces())

    def document(self) -> Any:
        """All of it as one JSON value; an empty answer is None."""
        content = self.read()
        if not content.strip():
            return None
        try:
            return json.loads(content)
        except ValueError as problem:
            raise ConnectionLost(f"cannot read the answer of the daemon: {problem}") from None

    def pieces(self) -> Iterator[bytes]:
        """Yield bytes as they come, until the daemon ends the answer.

        Raises ConnectionLost when it ends too early.
        """
        try:
            while piece := self._answer.read1(_BLOCK):
                yield piece
            if self._answer.length:
                raise ConnectionLost("unexpected EOF")
        except (http.client.HTTPException, OSError) as problem:
            raise ConnectionLost(f"unexpected EOF: {problem}") from None

    def documents(self) -> Iterator[Document]:
        """Yield JSON documents as they come."""
        return documents(self.pieces())

    def close(self) -> None:
        """Stop listening."""
        self._answer.close()


class _Connection(http.client.HTTPConnection):
    """An HTTP connection to an Address that can be left open for hijacking."""

    def __init__(self, address: Address, tls: TlsFiles | None):
        super().__init__(address.host or "fairlead", address.port or None, blocksize=_BLOCK)
        self.address, self.tls, self.hijacked = address, tls, False

    def connect(self) -> None:
        """Open the socket."""
        if self.address.path:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.connect(self.address.path)
            return
        super().connect()
        if self.tls:
            plain: Any = self.sock
            self.sock = self.tls.wrap(plain, self.address.host)

    def close(self) -> None:
        """Close, unless the connection has become somebody's stream."""
        if not self.hijacked:
            super().close()


class Transport:
    """Sends requests to one daemon, in one version of the API.

    Without a fixed version the daemon is asked once, and the lower of its newest and ours is used.
    """

    def __init__(self, address: Address, version: str = "", tls: TlsFiles | None = None):
        self.address = address
        self._version = version
        self._tls = tls

    @property
    def version(self) -> str:
        """The version in use, as in `1.41`."""
        if not self._version:
            answer = self._exchange("GET", "/_ping", None, {})
            answer.read()
            self._version = _lower(answer.header("Api-Version"))
        return self._version

    def older_than(self, major: int, minor: int) -> bool:
        """Whether the version in use came before that one."""
        return tuple(int(part) for part in self.version.split(".")) < (major, minor)

    def call(
        self,
        method: str,
        path: str,
        query: Query | None = None,
        body: Body = None,
        headers: Mapping[str, str] | None = None,
    ) -> Response:
        """Send one request; the answer's content is still to be read.

        `query` values that are None, False or "" are left out; lists repeat the name.
        Raises Refused for a status from 400 on, Unreachable and ConnectionLost.
        """
        answer = self._exchange(method, self._target(path, query), body, dict(headers or {}))
        if answer.status >= 400:
            raise _refusal(answer, f"{method} {path}")
        return answer

    def hijack(
        self, path: str, query: Query | None = None, body: Body = None, headers: Any = None
    ) -> Hijacked:
        """POST, and take the connection over as a raw stream in both directions.

        Raises as `call`.
        """
        connection = _Connection(self.address, self._tls)
        sent = {"Connection": "Upgrade", "Upgrade": "tcp", **(headers or {})}
        connection.hijacked = True
        answer = self._send(connection, "POST", self._target(path, query), body, sent)
        if answer.status >= 400:
            connection.hijacked = False
            raise _refusal(Response(answer), f"POST {path}")
        return Hijacked(connection.sock, answer)

    def _target(self, path: str, query: Query | None) -> str:
        return f"/v{self.version}{path}{_query_text(query or {})}"

    def _exchange(self, method: str, target: str, body: Body, headers: dict[str, str]) -> Response:
        connection = _Connection(self.address, self._tls)
        return Response(self._send(connection, method, target, body, headers))

    def _send(
        self, connection: _Connection, method: str, target: str, body: Body, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        content: Any = body
        if isinstance(body, Mapping):
            content = json.dumps(body, separators=(",", ":")).encode(errors="surrogateescape")
            headers["Content-Type"] = "application/json"
        try:
            connection.connect()
        except OSError as problem:
            raise self._unreachable(problem) from None
        try:
            # A daemon that refuses an upload answers before all is sent: the answer is what counts.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, target, content, headers)
            return connection.getresponse()
        except (http.client.HTTPException, OSError) as problem:
            connection.hijacked = False
            connection.close()
            raise ConnectionLost(f"error during connect: {method} {target}: {problem or 'EOF'}") from None

    def _unreachable(self, problem: OSError) -> Unreachable:
        if hasattr(problem, "reason"):
            # What TLS does not like has numbers of its own.
            return Unreachable(f"error during connect: {self.address.text}: {problem}")
        if problem.errno in (errno.EACCES, errno.EPERM):
            return Unreachable(
                "permission denied while trying to connect to the Docker daemon socket at "
                f"{self.address.text}: {os.strerror(problem.errno).lower()}"
            )
        if problem.errno in (errno.ECONNREFUSED, errno.ENOENT, None) or self.address.path:
            return Unreachable(
                f"Cannot connect to the Docker daemon at {self.address.text}. Is the docker daemon running?"
            )
        return Unreachable(f"error during connect: {self.address.text}: {problem}")


def quoted(name: str, kind: str = "container") -> str:
    """A name as one segment of a path.  ClientError when there is none: the path would be another's."""
    if not name.strip():
        raise ClientError(f"invalid {kind} name or ID: value is empty")
    return _quote(name)


def filter_text(filters: Filters | None) -> str | None:
    """Filters as the API wants them in a query; None when there are none."""
    if not filters:
        return None
    return json.dumps({name: dict.fromkeys(values, True) for name, values in filters.items()})


_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def _quote(text: str) -> str:
    # urllib.parse would do the same for five milliseconds of import.
    return "".join(chr(b) if b in _SAFE else f"%{b:02X}" for b in text.encode(errors="surrogateescape"))


def _query_text(query: Mapping[str, Value]) -> str:
    pairs: list[str] = []
    for name, value in query.items():
        if value is None or value is False or value == "":
            continue
        if isinstance(value, str | int):
            value = [str(int(value)) if isinstance(value, bool) else str(value)]
        pairs.extend(f"{name}={_quote(one)}" for one in value)
    return "?" + "&".join(pairs) if pairs else ""


def _lower(theirs: str) -> str:
    major, _, minor = theirs.partition(".")
    newest = (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (1, 24)
    return ".".join(map(str, min(newest, LATEST)))


def _refusal(answer: Response, request: str) -> Refused:
    content = answer.read()
    try:
        message = str(json.loads(content)["message"])
    except (ValueError, KeyError, TypeError):
        message = content.decode(errors="replace").strip()
    return Refused(answer.status, message or f"{request} answered {answer.status} without a reason")
