"""One look at the host, or one change of it: a conversation per namespace, all closed at its end."""

import errno
import socket
from types import TracebackType

from fairlead.kernel.messages import FoundLink, link_named, link_numbered, links_of_kind, read_link
from fairlead.kernel.namespaces import Namespaces
from fairlead.kernel.netlink import Conversation, Refused, Request
from fairlead.model.errors import NotFound
from fairlead.model.host import OVERLAY

NO_LINK = (errno.ENODEV, errno.EINVAL, errno.ERANGE)  # the latter for names that no link can have


class Visit:
    """A context manager; what it opened does not outlive it."""

    def __init__(self, namespaces: Namespaces):
        self.namespaces = namespaces
        self._conversations: dict[str, Conversation] = {}
        self._packets: dict[str, socket.socket] = {}

    def __enter__(self) -> "Visit":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for namespace in [*self._conversations, *self._packets]:
            self.leave(namespace)

    def talk(self, namespace: str) -> Conversation:
        """The conversation with one namespace.  Raises NotFound if it is not ours."""
        conversation = self._conversations.get(namespace)
        if conversation is None:
            conversation = Conversation(self.namespaces.connect(namespace))
            self._conversations[namespace] = conversation
        return conversation

    def leave(self, namespace: str) -> None:
        """End the conversation with a namespace, so that it can go."""
        conversation, packets = self._conversations.pop(namespace, None), self._packets.pop(namespace, None)
        if conversation is not None:
            conversation.close()
        if packets is not None:
            packets.close()

    def send_frame(self, namespace: str, link: str, frame: bytes) -> None:
        """Send a frame by a link.  Raises OSError, NotFound for the namespace."""
        if namespace not in self._packets:
            self._packets[namespace] = self.namespaces.packets(namespace)
        self._packets[namespace].sendto(frame, (link, 0))

    def link(self, namespace: str, name: str) -> FoundLink | None:
        """A link by name, None if there is none.  Raises NotFound for the namespace."""
        return self._ask(namespace, link_named(name))

    def link_numbered(self, namespace: str, index: int) -> FoundLink | None:
        """A link by number, None if there is none.  Raises NotFound for the namespace."""
        return self._ask(namespace, link_numbered(index))

    def overlays(self) -> list[str]:
        """The namespaces of ours that overlay networks have."""
        return [name for name in self.namespaces.owned() if name.startswith(OVERLAY)]

    def links_of(self, namespace: str, kind: str) -> list[FoundLink]:
        """The links of a namespace that are of a kind; none where there is no such namespace of ours."""
        try:
            found = map(read_link, self.talk(namespace).dump(links_of_kind(kind)))
        except NotFound:
            return []
        return [link for link in found if link.kind == kind]

    def _ask(self, namespace: str, request: Request) -> FoundLink | None:
        try:
            return read_link(self.talk(namespace).get(request))
        except Refused as error:
            if error.code in NO_LINK:
                return None
            raise
