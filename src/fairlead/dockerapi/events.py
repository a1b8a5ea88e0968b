"""How Docker writes an event: one JSON object a line, with the members of old for containers and images."""

from fairlead.dockerapi.times import SECOND
from fairlead.model.views import Event


def render_event(event: Event) -> dict[str, object]:
    """One event.  `status`, `id` and `from` are what clients read before API 1.22 gave them `Actor`."""
    document: dict[str, object] = {}
    if event.type in ("container", "image"):
        document["status"] = event.action
        if event.id:
            document["id"] = event.id
        if event.type == "container" and "image" in event.attributes:
            document["from"] = event.attributes["image"]
    return document | {
        "Type": event.type,
        "Action": event.action,
        "Actor": {"ID": event.id, "Attributes": dict(event.attributes)},
        "scope": event.scope,
        "time": event.time // SECOND,
        "timeNano": event.time,
    }
