"""The routes about the daemon itself."""

from collections.abc import Iterator

from fairlead.client.transport import Document, Filters, Query, Response, Transport, filter_text


class System:
    """One method per route."""

    def __init__(self, transport: Transport):
        self._transport = transport

    def ping(self) -> Response:
        """GET /_ping: the headers say Api-Version, Ostype and Docker-Experimental."""
        return self._transport.call("GET", "/_ping")

    def version(self) -> Document:
        """GET /version."""
        found: Document = self._transport.call("GET", "/version").document()
        return found

    def info(self) -> Document:
        """GET /info."""
        found: Document = self._transport.call("GET", "/info").document()
        return found

    def overlay(self, verify: bool = False) -> Document:
        """GET /fairlead/overlay: how the networks over several hosts stand."""
        query: Query = {"verify": verify}
        found: Document = self._transport.call("GET", "/fairlead/overlay", query).document()
        return found

    def audit(self) -> Document:
        """GET /fairlead/audit: what is not as the daemon's records say."""
        found: Document = self._transport.call("GET", "/fairlead/audit").document()
        return found

    def disk_usage(self) -> Document:
        """GET /system/df: Images, Containers, Volumes, BuildCache, LayersSize."""
        found: Document = self._transport.call("GET", "/system/df").document()
        return found

    def prune_builds(self, all: bool = False, filters: Filters | None = None) -> Document:
        """POST /build/prune: CachesDeleted and SpaceReclaimed."""
        query: Query = {"all": all, "filters": filter_text(filters)}
        answer: Document = self._transport.call("POST", "/build/prune", query).document()
        return answer

    def login(self, credentials: Document) -> Document:
        """POST /auth: Status and IdentityToken.  Refused(401) when the registry says no."""
        answer: Document = self._transport.call("POST", "/auth", None, credentials).document()
        return answer

    def events(self, since: str = "", until: str = "", filters: Filters | None = None) -> Iterator[Document]:
        """GET /events: from `since` on, live, until `until`."""
        query = {"since": since, "until": until, "filters": filter_text(filters)}
        return self._transport.call("GET", "/events", query).documents()
