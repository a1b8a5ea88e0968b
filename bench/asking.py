"""One request of a daemon's API by a connection of its own, whose client may go away before the answer."""

import http.client
import json
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds for an answer


class Gone(Exception):
    """The daemon went away, or was away, before it had answered."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    method: str
    path: str
    body: dict[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.method} {self.path}" + (f" {json.dumps(self.body)}" if self.body else "")


class _Connection(http.client.HTTPConnection):
    def __init__(self, place: Path, patience: float):
        super().__init__("localhost", timeout=patience)
        self._place = str(place)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._place)


class Call:
    """A request that has been sent; a context manager that closes the connection at its end."""

    def __init__(self, place: Path, question: Question, patience: float = PATIENCE):
        """Send it.  Gone if nobody listens."""
        self._connection = _Connection(place, patience)
        body = None if question.body is None else json.dumps(question.body)
        kind = {"Content-Type": "application/json"} if body else {}
        try:
            self._connection.request(question.method, question.path, body, kind)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise Gone(str(error)) from error

    def __enter__(self) -> "Call":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def answer(self) -> tuple[int, Any]:
        """Status and document, None where there is none.  TimeoutError; Gone if it is cut off."""
        try:
            response = self._connection.getresponse()
            text = response.read()
        except TimeoutError:
            raise
        except (OSError, http.client.HTTPException) as error:
            raise Gone(str(error)) from error
        return response.status, json.loads(text) if text.strip() else None


def ask(place: Path, question: Question, patience: float = PATIENCE) -> tuple[int, Any]:
    """Ask and wait for the answer.  Gone, TimeoutError."""
    with Call(place, question, patience) as call:
        return call.answer()
