"""The routes under /images, and commit."""

from collections.abc import Iterator, Mapping, Sequence
from typing import IO

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

REGISTRY_AUTH = "X-Registry-Auth"


class Images:
    """One method per route; streams of progress are JSON documents, an `error` in one is the failure."""

    def __init__(self, transport: Transport):
        self._transport = transport

    def list(self, all: bool = False, filters: Filters | None = None, digests: bool = False) -> Documents:
        """GET /images/json: tagged and dangling images; with `all` also those between them."""
        query: Query = {"all": all, "digests": digests, "filters": filter_text(filters)}
        found = self._transport.call("GET", "/images/json", query).document()
        return found or []

    def pull(
        self, repository: str, tag: str = "", platform: str = "", credentials: str = ""
    ) -> Iterator[Document]:
        """POST /images/create with fromImage: progress; without a tag, all of them."""
        query: Query = {"fromImage": repository, "tag": tag, "platform": platform}
        answer = self._transport.call("POST", "/images/create", query, headers=_auth(credentials))
        return answer.documents()

    def import_(
        self,
        source: str,
        archive: IO[bytes] | None,
        repository: str = "",
        tag: str = "",
        message: str = "",
        changes: Sequence[str] = (),
        platform: str = "",
    ) -> Iterator[Document]:
        """POST /images/create with fromSrc: an image of one layer, from a URL or ("-") an archive."""
        query: Query = {
            "fromSrc": source,
            "repo": repository,
            "tag": tag,
            "message": message,
            "changes": list(changes),
            "platform": platform,
        }
        return self._transport.call("POST", "/images/create", query, archive).documents()

    def inspect(self, image: str) -> Document:
        """GET /images/{name}/json."""
        found: Document = self._transport.call("GET", f"/images/{_name(image)}/json").document()
        return found

    def history(self, image: str, platform: str = "") -> Documents:
        """GET /images/{name}/history: newest layer first."""
        path = f"/images/{_name(image)}/history"
        found: Documents = self._transport.call("GET", path, {"platform": platform}).document()
        return found

    def push(
        self, image: str, tag: str = "", credentials: str = "", platform: str = ""
    ) -> Iterator[Document]:
        """POST /images/{name}/push: progress; without a tag, all of them."""
        query: Query = {"tag": tag, "platform": platform}
        # The header must be there even when nobody is logged in: "e30=" is {}.
        headers = _auth(credentials or "e30=")
        return self._transport.call(
            "POST", f"/images/{_name(image)}/push", query, headers=headers
        ).documents()

    def tag(self, image: str, repository: str, tag: str = "") -> None:
        """POST /images/{name}/tag: a further name."""
        query: Query = {"repo": repository, "tag": tag}
        self._transport.call("POST", f"/images/{_name(image)}/tag", query).read()

    def remove(self, image: str, force: bool = False, keep_parents: bool = False) -> Documents:
        """DELETE /images/{name}: what was Untagged and Deleted."""
        query: Query = {"force": force, "noprune": keep_parents}
        found = self._transport.call("DELETE", f"/images/{_name(image)}", query).document()
        return found or []

    def prune(self, filters: Filters | None = None) -> Document:
        """POST /images/prune: ImagesDeleted and SpaceReclaimed."""
        query: Query = {"filters": filter_text(filters)}
        answer: Document = self._transport.call("POST", "/images/prune", query).document()
        return answer

    def load(self, archive: IO[bytes], quiet: bool = False) -> Response:
        """POST /images/load: progress as documents when the answer is JSON, else plain text."""
        headers = {"Content-Type": "application/x-tar"}
        return self._transport.call(
            "POST", "/images/load", {"quiet": "1" if quiet else "0"}, archive, headers
        )

    def build(self, context: IO[bytes], query: Query, credentials: str = "") -> Iterator[Document]:
        """POST /build: the steps of a build from a context, a tar."""
        headers = {"Content-Type": "application/x-tar", "X-Registry-Config": credentials or "e30="}
        return self._transport.call("POST", "/build", query, context, headers).documents()

    def save(self, images: Sequence[str]) -> Response:
        """GET /images/get: a tar archive of several images."""
        return self._transport.call("GET", "/images/get", {"names": list(images)})

    def commit(
        self,
        container: str,
        repository: str = "",
        tag: str = "",
        comment: str = "",
        author: str = "",
        changes: Sequence[str] = (),
        pause: bool = True,
    ) -> str:
        """POST /commit: an image of a container as it is; the image's id."""
        query: Query = {
            "container": container,
            "repo": repository,
            "tag": tag,
            "comment": comment,
            "author": author,
            "changes": list(changes),
            "pause": None if pause else "0",
        }
        return str(self._transport.call("POST", "/commit", query, {}).document()["Id"])


def _name(image: str) -> str:
    return "/".join(quoted(part, "image") for part in image.split("/"))


def _auth(credentials: str) -> Mapping[str, str]:
    return {REGISTRY_AUTH: credentials} if credentials else {}
