"""The members of an etcd cluster: a call goes to one that answers, and never waits without an end.

One member is asked until it fails; then it is the last to be asked again.  So a member that is dead
or stuck costs one short wait, not one for every call.
"""

import asyncio
import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from fairlead.boundary.cluster import StoreAway
from fairlead.model.errors import InvalidParameter
from fairlead.store.etcd_json import Lines, complaint

# gRPC status codes
INVALID, UNAVAILABLE = 3, 14
# With this every member that has no leader says so at once, and ends its watches.
HEADERS = {"Grpc-Metadata-hasleader": "true"}
# Words with which a member says that it has not done what it was asked to.
UNDONE = ("no leader", "raft proposal dropped", "too many requests", "not capable", "leader is not ready")
KEEP_ALIVE = {  # a connection on which nothing arrives any more is found out after about ten seconds
    socket.TCP_KEEPIDLE: 5,
    socket.TCP_KEEPINTVL: 2,
    socket.TCP_KEEPCNT: 3,
    socket.TCP_USER_TIMEOUT: 10_000,
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long is waited, in seconds: to connect, for one member's answer, for all of them together."""

    connect: float = 1.0
    answer: float = 2.0
    whole: float = 6.0
    pause: float = 0.1  # between two rounds while the members elect a leader


class Refused(StoreAway):
    """etcd understood and said no."""


class _Passed(Exception):
    """A member did not do it.

    `sent`: it may have, all the same; `leaderless`: it is there, and waits for a leader.
    """

    def __init__(self, reason: str, sent: bool = False, leaderless: bool = False):
        super().__init__(reason)
        self.reason, self.sent, self.leaderless = reason, sent, leaderless


class Members:
    """The members by address (HOST:PORT), the one to ask first in front."""

    def __init__(self, addresses: Sequence[str], tls: ssl.SSLContext | None, patience: Patience):
        self._order = list(addresses)
        self._tls, self.patience = tls, patience
        self._session: aiohttp.ClientSession | None = None
        self._streams: set[aiohttp.ClientResponse] = set()
        self._closed = False

    async def close(self) -> None:
        """Let go of all connections; what is under way fails, and so do all calls from now on."""
        self._closed = True
        for response in self._streams:  # whoever reads one is not woken by the end of its connection
            response.content.set_exception(aiohttp.ClientConnectionError("it was closed"))
        if self._session is not None:
            await self._session.close()

    async def call(self, path: str, body: Mapping[str, Any], repeatable: bool = True) -> dict[str, Any]:
        """What etcd answers to a call.  Refused or InvalidParameter when it says no, else StoreAway.

        A call that is not `repeatable` is sent to another member only if it was certainly not done.
        """
        complaints: dict[str, str] = {}
        limit = time.monotonic() + self.patience.whole
        while True:
            leaderless = False
            for member in tuple(self._order):
                left = limit - time.monotonic()
                if left <= 0:
                    break
                try:
                    return await self._ask(member, path, body, min(left, self.patience.answer))
                except _Passed as passed:
                    self.avoid(member)
                    complaints[member] = passed.reason
                    leaderless = leaderless or passed.leaderless
                    if passed.sent and not repeatable:
                        raise StoreAway(
                            "cannot tell whether the shared store was changed: the connection to its member "
                            f"{member} was lost in the middle: {passed.reason}; read it again to know"
                        ) from passed
            if not leaderless or time.monotonic() + self.patience.pause > limit:
                raise self.away(complaints)
            await asyncio.sleep(self.patience.pause)

    async def ask(self, member: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What this one member answers.  ConnectionError when it does not."""
        try:
            return await self._ask(member, path, body, self.patience.answer)
        except _Passed as passed:
            raise ConnectionError(passed.reason) from passed

    @property
    def first(self) -> str:
        """The member to ask first."""
        return self._order[0]

    def avoid(self, member: str) -> None:
        """Ask this one last from now on."""
        self._order.remove(member)
        self._order.append(member)

    @staticmethod
    def away(complaints: Mapping[str, str]) -> StoreAway:
        """The error that says why each member did not answer."""
        details = "; ".join(f"{member}: {reason}" for member, reason in complaints.items())
        return StoreAway(f"cannot reach the shared store: {details or 'it took too long'}")

    async def _ask(self, member: str, path: str, body: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=min(seconds, self.patience.connect))
        async with self._guarded(seconds):
            async with self._post(member, path, body, timeout) as response:
                text = await response.read()
            return _read(response.status, text)

    @contextlib.asynccontextmanager
    async def stream(self, member: str, path: str, body: Mapping[str, Any]) -> AsyncIterator["Stream"]:
        """An answer without an end.  ConnectionError when the member does not begin one."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.patience.connect)
        try:
            async with self._guarded(self.patience.answer):
                async with asyncio.timeout(self.patience.answer):
                    response = await self._post(member, path, body, timeout)
        except _Passed as passed:
            raise ConnectionError(passed.reason) from passed
        self._streams.add(response)
        try:
            if response.status != 200:
                raise ConnectionError(f"HTTP status {response.status}")
            _notice_silence(response)
            yield Stream(response)
        finally:
            self._streams.discard(response)
            response.close()

    def _post(
        self, member: str, path: str, body: Mapping[str, Any], timeout: aiohttp.ClientTimeout
    ) -> "aiohttp.client._RequestContextManager":
        if self._closed:
            raise StoreAway("cannot reach the shared store: the connection to it was closed")
        if self._session is None:
            # One daemon's calls are few; they must never wait for one another.
            connector = aiohttp.TCPConnector(limit=0, ssl=self._tls if self._tls is not None else True)
            self._session = aiohttp.ClientSession(connector=connector, headers=HEADERS, trust_env=False)
        scheme = "http" if self._tls is None else "https"
        url = f"{scheme}://{member}{path}"
        return self._session.post(url, data=json.dumps(body).encode(), timeout=timeout, allow_redirects=False)

    @contextlib.asynccontextmanager
    async def _guarded(self, seconds: float) -> AsyncIterator[None]:
        """What can go wrong with a connection, as _Passed."""
        try:
            yield
        except (aiohttp.ClientConnectorError, aiohttp.ClientConnectorCertificateError) as error:
            raise _Passed(_reason(error)) from error
        except aiohttp.ConnectionTimeoutError as error:
            raise _Passed("it cannot be connected to in time") from error
        except TimeoutError as error:
            raise _Passed(f"no answer within {seconds:.1f} seconds", sent=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _Passed(str(error) or type(error).__name__, sent=True) from error
        except RuntimeError as error:  # the session was closed while we were in it
            if not self._closed:
                raise
            raise StoreAway("cannot reach the shared store: the connection to it was closed") from error


class Stream:
    """Documents as they come."""

    def __init__(self, response: aiohttp.ClientResponse):
        self._response, self._lines = response, Lines()

    async def next(self, seconds: float) -> list[dict[str, Any]]:
        """The next documents, none when nothing comes in that time.  ConnectionError at the end."""
        try:
            async with asyncio.timeout(seconds):
                data = await self._response.content.readany()
        except TimeoutError:
            return []
        except (aiohttp.ClientError, OSError) as error:
            raise ConnectionError(str(error) or type(error).__name__) from error
        if not data:
            raise ConnectionError("the connection ended")
        try:
            return self._lines.feed(data)
        except ValueError as error:
            raise ConnectionError(f"it does not speak JSON: {error}") from error


def _read(status: int, text: bytes) -> dict[str, Any]:
    """The document in an answer; the single one of a stream is taken out of its wrapping."""
    document = json.loads(text)
    if status == 200 and isinstance(document, dict) and "error" not in document:
        result = document.get("result", document)
        if isinstance(result, dict) and "header" in result:
            return result
    said, code = complaint(document)
    if any(words in said for words in UNDONE):
        raise _Passed(said, leaderless=True)
    if status == 200 or status >= 500 or code == UNAVAILABLE:
        raise _Passed(said, sent=True)
    raise (InvalidParameter if code == INVALID else Refused)(f"cannot use the shared store: {said}")


def _reason(error: aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not accepted: {error.certificate_error}"
    number = error.os_error.errno
    return os.strerror(number) if number and number > 0 else error.os_error.strerror or str(error)


def _notice_silence(response: aiohttp.ClientResponse) -> None:
    connection = response.connection
    transport = connection.transport if connection is not None else None
    plain = transport.get_extra_info("socket") if transport is not None else None
    if plain is not None:
        with contextlib.suppress(OSError):
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEP_ALIVE.items():
                plain.setsockopt(socket.IPPROTO_TCP, option, value)
