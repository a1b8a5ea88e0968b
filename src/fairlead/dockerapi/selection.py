"""Which networks, images, volumes and events a list, a prune or the event stream is about.

Each function answers for one object; what a filter refers to by name is resolved by the caller.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from fairlead.dockerapi.filters import Filters, glob
from fairlead.dockerapi.image import created_seconds
from fairlead.dockerapi.times import SECOND, parse_moment
from fairlead.model.container import Volume
from fairlead.model.errors import InvalidParameter
from fairlead.model.views import Event, ImageView, NetworkView

NETWORK_FILTERS = frozenset("dangling driver id label name scope type".split())
IMAGE_FILTERS = frozenset("before dangling label reference since until".split())
VOLUME_FILTERS = frozenset("dangling driver label name".split())
PRUNE_FILTERS: Mapping[str, frozenset[str]] = {
    "containers": frozenset({"label", "label!", "until"}),
    "networks": frozenset({"label", "label!", "until"}),
    "images": frozenset({"dangling", "label", "label!", "until"}),
    "volumes": frozenset({"all", "label", "label!"}),
}
_PREDEFINED = frozenset({"bridge", "host", "none"})
# Actions that carry their command or state after a colon; a filter may name them without.
_OPEN_ACTIONS = frozenset({"exec_create", "exec_start", "health_status"})


def check_networks(filters: Filters) -> None:
    """InvalidParameter for a filter or value that does not exist."""
    filters.require_known(NETWORK_FILTERS)
    for value in filters.get("type"):
        if value not in ("custom", "builtin"):
            raise InvalidParameter(f"invalid filter: 'type'='{value}'")
    try:
        filters.truth("dangling")
    except InvalidParameter as error:
        raise InvalidParameter(
            'invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")'
        ) from error


def shows_network(filters: Filters, view: NetworkView) -> bool:
    """Whether the network is to be listed."""
    network = view.network
    predefined = network.name in _PREDEFINED
    dangling = filters.truth("dangling")
    return (
        filters.matches("name", network.name)
        and filters.matches("id", network.id)
        and filters.exact("driver", network.driver)
        and filters.exact("scope", network.scope)
        and filters.exact("type", "builtin" if predefined else "custom")
        and filters.labels("label", network.labels)
        and dangling in (None, not predefined and not view.members)
    )


def check_images(filters: Filters) -> None:
    """InvalidParameter for a filter or value that does not exist."""
    filters.require_known(IMAGE_FILTERS)
    filters.truth("dangling")


def shown_image(
    filters: Filters, view: ImageView, now: int, before: int | None = None, since: int | None = None
) -> ImageView | None:
    """The image as listed: with the tags that the reference filter leaves; None if it is not listed.

    `before` and `since` are creation times in seconds of the images that those filters name.
    """
    image = view.image
    created = created_seconds(image)
    dangling = filters.truth("dangling")
    if dangling is not None and dangling != (not image.tags):
        return None
    if not filters.labels("label", image.config.labels):
        return None
    if (before is not None and created >= before) or (since is not None and created <= since):
        return None
    if any(created * SECOND >= parse_moment(value, now) for value in filters.get("until")):
        return None
    patterns = filters.get("reference")
    if not patterns:
        return view
    tags = tuple(tag for tag in image.tags if any(_refers(pattern, tag, ":") for pattern in patterns))
    digests = tuple(each for each in image.digests if any(_refers(one, each, "@") for one in patterns))
    return replace(view, image=replace(image, tags=tags, digests=digests)) if tags or digests else None


def _refers(pattern: str, reference: str, separator: str) -> bool:
    return glob(pattern, (reference, reference.rpartition(separator)[0]))


def check_volumes(filters: Filters) -> None:
    """InvalidParameter for a filter or value that does not exist."""
    filters.require_known(VOLUME_FILTERS)
    filters.truth("dangling")


def shows_volume(filters: Filters, volume: Volume, in_use: bool) -> bool:
    """Whether the volume is to be listed."""
    return (
        filters.matches("name", volume.name)
        and filters.exact("driver", volume.driver)
        and filters.labels("label", volume.labels)
        and filters.truth("dangling") in (None, not in_use)
    )


def shows_event(filters: Filters, event: Event) -> bool:
    """Whether the event is to be shown; filters that no event has are ignored, as in Docker."""
    name = event.attributes.get("name", "")
    subjects = ("container", "network", "volume", "plugin", "daemon", "node", "service", "secret", "config")
    return (
        filters.exact("type", event.type)
        and filters.exact("scope", event.scope)
        and _is_action(filters, event.action)
        and filters.labels("label", event.attributes)
        and all(filters.begins(each, event.id) or filters.begins(each, name) for each in subjects)
        and _is_image(filters, event)
    )


def _is_action(filters: Filters, action: str) -> bool:
    if _OPEN_ACTIONS.intersection(filters.get("event")):
        return filters.begins("event", action)
    return filters.exact("event", action)


def _is_image(filters: Filters, event: Event) -> bool:
    if "image" not in filters:
        return True
    name = event.attributes.get("image" if event.type == "container" else "name", "")
    bare = name.rpartition(":")[0] if "/" not in name.rpartition(":")[2] else ""
    return any(filters.exact("image", each) for each in (event.id, name, bare) if each)


@dataclass(frozen=True, slots=True)
class PruneSelection:
    """A query of one of the prune routes, checked; `before` in nanoseconds, None for any time."""

    filters: Filters
    before: int | None = None

    def chooses(self, labels: Mapping[str, str], created: int) -> bool:
        """Whether something with these labels, made at that time (nanoseconds), may be pruned."""
        return (
            self.filters.labels("label", labels)
            and self.filters.without_labels("label!", labels)
            and (self.before is None or created < self.before)
        )


def parse_prune(subject: str, filters: Filters, now: int) -> PruneSelection:
    """The query of `POST /SUBJECT/prune`; InvalidParameter for a filter that it does not have."""
    filters.require_known(PRUNE_FILTERS[subject])
    filters.truth("dangling")
    filters.truth("all")
    moments = [parse_moment(value, now) for value in filters.get("until")]
    if len(moments) > 1:
        raise InvalidParameter("more than one until filter specified")
    return PruneSelection(filters, moments[0] if moments else None)
