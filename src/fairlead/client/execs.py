"""The routes of exec: a further process in a running container."""

from fairlead.client.hijack import Hijacked
from fairlead.client.transport import Document, Transport, quoted


class Execs:
    """Created under a container, then known by an id of its own."""

    def __init__(self, transport: Transport):
        self._transport = transport

    def create(self, container: str, body: Document) -> str:
        """POST /containers/{id}/exec: the id of the exec, not yet started."""
        path = f"/containers/{quoted(container)}/exec"
        return str(self._transport.call("POST", path, None, body).document()["Id"])

    def start(self, exec_id: str, tty: bool = False) -> None:
        """POST /exec/{id}/start, detached."""
        body = {"Detach": True, "Tty": tty}
        self._transport.call("POST", f"/exec/{quoted(exec_id, 'exec')}/start", None, body).read()

    def attach(self, exec_id: str, tty: bool = False, size: tuple[int, int] | None = None) -> Hijacked:
        """POST /exec/{id}/start, with its streams; `size` is its terminal's height and width."""
        body: Document = {"Detach": False, "Tty": tty}
        if size and any(size):
            body["ConsoleSize"] = list(size)
        return self._transport.hijack(f"/exec/{quoted(exec_id, 'exec')}/start", None, body)

    def resize(self, exec_id: str, height: int, width: int) -> None:
        """POST /exec/{id}/resize."""
        query = {"h": height, "w": width}
        self._transport.call("POST", f"/exec/{quoted(exec_id, 'exec')}/resize", query).read()

    def inspect(self, exec_id: str) -> Document:
        """GET /exec/{id}/json: Running, ExitCode, Pid and what was asked for."""
        found: Document = self._transport.call("GET", f"/exec/{quoted(exec_id, 'exec')}/json").document()
        return found
