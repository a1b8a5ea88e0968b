"""The routes under /networks."""

from fairlead.client.transport import Document, Documents, Filters, Query, Transport, filter_text, quoted


class Networks:
    """One method per route; a network is named by its name, its id or the beginning of its id."""

    def __init__(self, transport: Transport):
        self._transport = transport

    def list(self, filters: Filters | None = None) -> Documents:
        """GET /networks."""
        found = self._transport.call("GET", "/networks", {"filters": filter_text(filters)}).document()
        return found or []

    def inspect(self, network: str, verbose: bool = False, scope: str = "") -> Document:
        """GET /networks/{id}."""
        query: Query = {"verbose": verbose, "scope": scope}
        found: Document = self._transport.call(
            "GET", f"/networks/{quoted(network, 'network')}", query
        ).document()
        return found

    def create(self, body: Document) -> Document:
        """POST /networks/create: the answer has Id and Warning."""
        created: Document = self._transport.call("POST", "/networks/create", None, body).document()
        return created

    def remove(self, network: str) -> None:
        """DELETE /networks/{id}; Refused(403) while containers are on it."""
        self._transport.call("DELETE", f"/networks/{quoted(network, 'network')}").read()

    def connect(self, network: str, container: str, endpoint: Document | None = None) -> None:
        """POST /networks/{id}/connect: an endpoint of a container, with its settings."""
        body: Document = {"Container": container}
        if endpoint is not None:
            body["EndpointConfig"] = endpoint
        self._transport.call("POST", f"/networks/{quoted(network, 'network')}/connect", None, body).read()

    def disconnect(self, network: str, container: str, force: bool = False) -> None:
        """POST /networks/{id}/disconnect."""
        body = {"Container": container, "Force": force}
        self._transport.call("POST", f"/networks/{quoted(network, 'network')}/disconnect", None, body).read()

    def prune(self, filters: Filters | None = None) -> Document:
        """POST /networks/prune: NetworksDeleted."""
        query: Query = {"filters": filter_text(filters)}
        answer: Document = self._transport.call("POST", "/networks/prune", query).document()
        return answer
