"""The routes under /containers."""

import json
from base64 import b64decode
from collections.abc import Iterable, Iterator
from typing import IO, Any

from fairlead.client.hijack import Hijacked
from fairlead.client.transport import (
    Document,
    Documents,
    Filters,
    Query,
    Response,
    Transport,
    filter_text,
    quoted,
)

TAR = {"Content-Type": "application/x-tar"}


class Containers:
    """One method per route; a container is named by its name, its id or the beginning of its id."""

    def __init__(self, transport: Transport):
        self._transport = transport

    def list(
        self, all: bool = False, limit: int = 0, size: bool = False, filters: Filters | None = None
    ) -> Documents:
        """GET /containers/json: running containers, newest first; `limit` counts stopped ones too."""
        query: Query = {"all": all, "limit": limit or None, "size": size, "filters": filter_text(filters)}
        found: Documents = self._transport.call("GET", "/containers/json", query).document()
        return found

    def create(self, body: Document, name: str = "", platform: str = "") -> Document:
        """POST /containers/create: Id and Warnings.  Refused(404) when the image is missing."""
        query: Query = {"name": name, "platform": platform}
        created: Document = self._transport.call("POST", "/containers/create", query, body).document()
        return created

    def inspect(self, container: str, size: bool = False) -> Document:
        """GET /containers/{id}/json."""
        query: Query = {"size": size}
        found: Document = self._transport.call("GET", _path(container, "json"), query).document()
        return found

    def top(self, container: str, arguments: str = "") -> Document:
        """GET /containers/{id}/top: Titles, and Processes as rows of the same length."""
        query: Query = {"ps_args": arguments}
        found: Document = self._transport.call("GET", _path(container, "top"), query).document()
        return found

    def logs(
        self,
        container: str,
        *,
        stdout: bool = True,
        stderr: bool = True,
        follow: bool = False,
        timestamps: bool = False,
        details: bool = False,
        since: str = "",
        until: str = "",
        tail: str = "",
    ) -> Response:
        """GET /containers/{id}/logs: frames, or plain bytes of a container with a terminal."""
        query: Query = {
            "stdout": stdout,
            "stderr": stderr,
            "follow": follow,
            "timestamps": timestamps,
            "details": details,
            "since": since,
            "until": until,
            "tail": tail,
        }
        return self._transport.call("GET", _path(container, "logs"), query)

    def changes(self, container: str) -> Documents:
        """GET /containers/{id}/changes: Path and Kind (0 changed, 1 added, 2 deleted)."""
        found = self._transport.call("GET", _path(container, "changes")).document()
        return found or []

    def export(self, container: str) -> Response:
        """GET /containers/{id}/export: a tar archive of its filesystem."""
        return self._transport.call("GET", _path(container, "export"))

    def stats(self, container: str, stream: bool = True, one_shot: bool = False) -> Iterator[Document]:
        """GET /containers/{id}/stats: one document a second, or one alone."""
        query: Query = {"stream": "1" if stream else "0", "one-shot": one_shot}
        return self._transport.call("GET", _path(container, "stats"), query).documents()

    def resize(self, container: str, height: int, width: int) -> None:
        """POST /containers/{id}/resize: the size of its terminal, in characters."""
        self._act(container, "resize", {"h": height, "w": width})

    def start(self, container: str, detach_keys: str = "") -> None:
        """POST /containers/{id}/start; one that runs already stays as it is."""
        self._act(container, "start", {"detachKeys": detach_keys})

    def stop(self, container: str, timeout: int | None = None, signal: str = "") -> None:
        """POST /containers/{id}/stop: after `timeout` seconds it is killed (-1: never)."""
        self._act(container, "stop", {"t": _seconds(timeout), "signal": signal})

    def restart(self, container: str, timeout: int | None = None, signal: str = "") -> None:
        """POST /containers/{id}/restart."""
        self._act(container, "restart", {"t": _seconds(timeout), "signal": signal})

    def kill(self, container: str, signal: str = "") -> None:
        """POST /containers/{id}/kill."""
        self._act(container, "kill", {"signal": signal})

    def pause(self, container: str) -> None:
        """POST /containers/{id}/pause."""
        self._act(container, "pause", {})

    def unpause(self, container: str) -> None:
        """POST /containers/{id}/unpause."""
        self._act(container, "unpause", {})

    def rename(self, container: str, name: str) -> None:
        """POST /containers/{id}/rename."""
        self._act(container, "rename", {"name": name})

    def update(self, container: str, body: Document) -> Document:
        """POST /containers/{id}/update: resources and RestartPolicy; the answer has Warnings."""
        answer: Document = self._transport.call("POST", _path(container, "update"), None, body).document()
        return answer

    def attach(
        self,
        container: str,
        *,
        stdin: bool,
        stdout: bool,
        stderr: bool,
        logs: bool = False,
        detach_keys: str = "",
    ) -> Hijacked:
        """POST /containers/{id}/attach: its streams, until it ends or either side leaves."""
        query: Query = {
            "stream": True,
            "stdin": stdin,
            "stdout": stdout,
            "stderr": stderr,
            "logs": logs,
            "detachKeys": detach_keys,
        }
        return self._transport.hijack(
            _path(container, "attach"), query, headers={"Content-Type": "text/plain"}
        )

    def wait(self, container: str, condition: str = "") -> Response:
        """POST /containers/{id}/wait: the head comes at once, the document with StatusCode when it is over.

        `condition` is not-running (the default), next-exit or removed.
        """
        return self._transport.call("POST", _path(container, "wait"), {"condition": condition})

    def remove(self, container: str, volumes: bool = False, link: bool = False, force: bool = False) -> None:
        """DELETE /containers/{id}: with its anonymous volumes, or only a link, or although it runs."""
        query: Query = {"v": volumes, "link": link, "force": force}
        self._transport.call("DELETE", f"/containers/{quoted(container)}", query).read()

    def prune(self, filters: Filters | None = None) -> Document:
        """POST /containers/prune: ContainersDeleted and SpaceReclaimed."""
        query: Query = {"filters": filter_text(filters)}
        answer: Document = self._transport.call("POST", "/containers/prune", query).document()
        return answer

    def path_stat(self, container: str, path: str) -> Document:
        """HEAD /containers/{id}/archive: name, size, mode (as Go counts it), mtime, linkTarget."""
        answer = self._transport.call("HEAD", _path(container, "archive"), {"path": path})
        return _stat(answer)

    def download(self, container: str, path: str) -> tuple[Response, Document]:
        """GET /containers/{id}/archive: a tar archive of a file or directory, and its stat."""
        answer = self._transport.call("GET", _path(container, "archive"), {"path": path})
        return answer, _stat(answer)

    def upload(
        self,
        container: str,
        path: str,
        archive: IO[bytes] | Iterable[bytes],
        copy_owner: bool = False,
        overwrite: bool = False,
    ) -> None:
        """PUT /containers/{id}/archive: unpack a tar archive into a directory.

        `overwrite` lets a directory take the place of a file and the other way round.
        """
        query: Query = {
            "path": path,
            "noOverwriteDirNonDir": "" if overwrite else "true",
            "copyUIDGID": "true" if copy_owner else "",
        }
        self._transport.call("PUT", _path(container, "archive"), query, archive, TAR).read()

    def _act(self, container: str, action: str, query: dict[str, Any]) -> None:
        self._transport.call("POST", _path(container, action), query).read()


def _path(container: str, rest: str) -> str:
    return f"/containers/{quoted(container)}/{rest}"


def _seconds(timeout: int | None) -> str | None:
    return None if timeout is None else str(timeout)


def _stat(answer: Response) -> Document:
    stat: Document = json.loads(b64decode(answer.header("X-Docker-Container-Path-Stat") or b"e30="))
    return stat
