"""The routes under /volumes."""

from fairlead.client.transport import Document, Filters, Transport, filter_text, quoted


class Volumes:
    """One method per route; a volume is known by its name."""

    def __init__(self, transport: Transport):
        self._transport = transport

    def list(self, filters: Filters | None = None) -> Document:
        """GET /volumes: Volumes and Warnings."""
        found: Document = self._transport.call(
            "GET", "/volumes", {"filters": filter_text(filters)}
        ).document()
        return found

    def inspect(self, volume: str) -> Document:
        """GET /volumes/{name}."""
        found: Document = self._transport.call("GET", f"/volumes/{quoted(volume, 'volume')}").document()
        return found

    def create(self, body: Document) -> Document:
        """POST /volumes/create: the volume; one that is there already is no error."""
        created: Document = self._transport.call("POST", "/volumes/create", None, body).document()
        return created

    def remove(self, volume: str, force: bool = False) -> None:
        """DELETE /volumes/{name}; Refused(409) while containers use it."""
        self._transport.call("DELETE", f"/volumes/{quoted(volume, 'volume')}", {"force": force}).read()

    def prune(self, filters: Filters | None = None) -> Document:
        """POST /volumes/prune: VolumesDeleted and SpaceReclaimed."""
        query = {"filters": filter_text(filters)}
        answer: Document = self._transport.call("POST", "/volumes/prune", query).document()
        return answer
