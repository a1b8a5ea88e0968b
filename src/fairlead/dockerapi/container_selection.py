"""Which containers a list shows; what a filter refers to by name is resolved by the caller."""

import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from fairlead.dockerapi.container_render import port_map
from fairlead.dockerapi.filters import Filters
from fairlead.dockerapi.options import check_host_port
from fairlead.model.container import Container
from fairlead.model.errors import InvalidParameter
from fairlead.model.views import ContainerView

CONTAINER_FILTERS = frozenset(
    "ancestor before exited expose health id is-task isolation label name network publish since status "
    "volume".split()
)
_STATUSES = frozenset("created dead exited paused removing restarting running".split())
_HEALTHS = frozenset("healthy none starting unhealthy".split())


@dataclass(frozen=True, slots=True)
class ContainerSelection:
    """A query of `GET /containers/json`.  `ancestors` are image ids that the filter's names stand for."""

    filters: Filters = field(default_factory=Filters)
    show_all: bool = False
    limit: int = 0
    before: Container | None = None
    since: Container | None = None
    ancestors: Collection[str] = ()

    def check(self) -> None:
        """InvalidParameter for a filter or value that does not exist."""
        filters = self.filters
        filters.require_known(CONTAINER_FILTERS)
        for value in filters.get("status"):
            if value not in _STATUSES:
                raise InvalidParameter(f"Invalid filter 'status={value}'")
        for value in filters.get("health"):
            if value not in _HEALTHS:
                raise InvalidParameter(f"Unrecognised filter value for health: {value}")
        for value in filters.get("exited"):
            if re.fullmatch(r"-?[0-9]{1,9}", value) is None:
                raise InvalidParameter(f"Invalid filter 'exited={value}': it must be an exit code")
        filters.truth("is-task")
        for name in ("publish", "expose"):
            for value in filters.get(name):
                _wanted_ports(name, value)

    def shows(self, view: ContainerView) -> bool:
        """Whether the container is to be listed (without regard to the limit)."""
        running = view.container.state.running
        if not (running or self.show_all or self.limit > 0 or "status" in self.filters):
            return False
        return all(test(self, view) for test in _CONTAINER_TESTS)


def _by_identity(query: ContainerSelection, view: ContainerView) -> bool:
    container = view.container
    names = (container.name, f"/{container.name}")
    return query.filters.matches("id", container.id) and query.filters.matches("name", *names)


def _by_state(query: ContainerSelection, view: ContainerView) -> bool:
    filters, state = query.filters, view.container.state
    codes = filters.get("exited")
    ended = not state.running and state.started != 0
    return (
        filters.exact("status", state.status)
        and filters.exact("health", state.health.status if state.health else "none")
        and (not codes or (ended and str(state.exit_code) in codes))
        and filters.truth("is-task") is not True
    )


def _by_age(query: ContainerSelection, view: ContainerView) -> bool:
    order = _age(view.container)
    return (query.before is None or order < _age(query.before)) and (
        query.since is None or order > _age(query.since)
    )


def _age(container: Container) -> tuple[int, int]:
    return container.created, container.sequence


def _by_origin(query: ContainerSelection, view: ContainerView) -> bool:
    if "ancestor" in query.filters and view.container.image_id not in query.ancestors:
        return False
    return query.filters.labels("label", view.container.config.labels)


def _by_network(query: ContainerSelection, view: ContainerView) -> bool:
    wanted = query.filters.get("network")
    if not wanted:
        return True
    identities = [each.network.id for each in view.networks if each.network]
    names = {each.name for each in view.networks}
    return any(value in names or any(one.startswith(value) for one in identities) for value in wanted)


def _by_volume(query: ContainerSelection, view: ContainerView) -> bool:
    wanted = query.filters.get("volume")
    places = {
        place for mount in view.container.mounts for place in (mount.destination, mount.name or mount.source)
    }
    return not wanted or any(value in places for value in wanted)


def _by_port(query: ContainerSelection, view: ContainerView) -> bool:
    """`expose` is about ports inside, `publish` about ports of the host; both of running containers."""
    inside: set[tuple[int, str]] = set()
    outside: set[tuple[int, str]] = set()
    for text, bindings in port_map(view).items():
        number, _, protocol = text.partition("/")
        inside.add((int(number), protocol))
        outside.update((port, protocol) for _, port in bindings or ())
    return all(
        any(
            number in span and kind == protocol
            for value in query.filters.get(name)
            for span, kind in (_wanted_ports(name, value),)
            for number, protocol in found
        )
        for name, found in (("expose", inside), ("publish", outside))
        if name in query.filters
    )


def _wanted_ports(name: str, value: str) -> tuple[range, str]:
    """A span of ports and their protocol.  Source of the words: go-connections' `ParsePortRange`."""
    text, _, protocol = value.partition("/")
    first, dash, last = text.partition("-")
    try:
        check_host_port(text or "x")
    except InvalidParameter as error:
        why = _no_span(text, first, last if dash else first)
        raise InvalidParameter(f"error while looking up for {name} {value}: {why}") from error
    return range(int(first), int(last if dash else first) + 1), protocol or "tcp"


def _no_span(text: str, *ends: str) -> str:
    if not text:
        return "empty string specified for ports."
    for end in ends:
        if not (end.isascii() and end.isdecimal()):
            return f'strconv.ParseUint: parsing "{end}": invalid syntax'
        if int(end) > 65535:
            return f'strconv.ParseUint: parsing "{end}": value out of range'
    return f"Invalid range specified for the Port: {text}"


_CONTAINER_TESTS: tuple[Callable[[ContainerSelection, ContainerView], bool], ...] = (
    _by_identity,
    _by_state,
    _by_age,
    _by_origin,
    _by_network,
    _by_volume,
    _by_port,
)
