"""Whose state it is: the host's base, each network and each running container, as far as they are settled."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from fairlead.engine.context import Context
from fairlead.engine.networks import Networks
from fairlead.engine.sandboxes import Sandboxes
from fairlead.engine.sharing import KEPT
from fairlead.engine.stay import Stay
from fairlead.firewall.policy import users_chain
from fairlead.model.container import Container
from fairlead.model.host import AddressKey, Family, Key, LinkSettingKey, State, SysctlKey, Value
from fairlead.model.network import Network
from fairlead.planner.base import base_state, ipv6_base_state
from fairlead.planner.deviation import Part, Place, part_of, place_of
from fairlead.planner.drivers import driver_of
from fairlead.planner.steps import indifferent

HOST, CLUSTER = "host", "cluster"


@dataclass(frozen=True, slots=True)
class Subject:
    """One of them: a container's id, a network's, HOST or CLUSTER; its name and networks, for messages."""

    id: str
    name: str
    networks: tuple[Network, ...]
    state: State
    container: Container | None = None
    parts: Mapping[Part, Sequence[Key]] = field(init=False)
    places: Mapping[Place, Sequence[Key]] = field(init=False)

    def __post_init__(self) -> None:
        """Sort its keys by the part of the host and by the link that they are about, once."""
        parts: dict[Part, list[Key]] = {part: [] for part in Part}
        places: dict[Place, list[Key]] = {}
        for key, value in self.state.items():
            part = part_of(key)
            if part is None or indifferent(key, value):
                continue
            parts[part].append(key)
            place = place_of(key, value)
            if place is not None:
                places.setdefault(place, []).append(key)
        object.__setattr__(self, "parts", parts)
        object.__setattr__(self, "places", places)


@dataclass(slots=True)
class Subjects:
    """All that is settled and that nobody is changing just now.

    A subject is the same object as before as long as its records are.
    """

    context: Context
    networks: Networks
    sandboxes: Sandboxes
    _known: dict[str, tuple[tuple[object, ...], Subject]] = field(default_factory=dict)
    busy: bool = False  # whether one was left out the last time since it is being changed

    def all(self) -> list[Subject]:
        """The base first, then networks, then containers."""
        self.busy = False
        found = list(self._found())
        there = {each.id for each in found}
        self._known = {each: known for each, known in self._known.items() if each in there}
        return found

    def _found(self) -> Iterator[Subject]:
        records = self.context.records
        yield self._base()
        for network in sorted(records.networks.values(), key=lambda each: each.default_bridge):
            if network.phase == "settled" and network.scope != "global" and self._free(network.id):
                yield self._network(network)
        if records.members or any(each.scope == "global" for each in records.networks.values()):
            cluster = self.sandboxes.overlays.cluster
            if cluster is not None and not cluster.presence.turn.locked():
                yield self._cluster(cluster.state())
        for container in records.containers.values():
            stay = self.sandboxes.of(container.id)
            if stay is None or stay.sandbox.phase not in ("settled", KEPT) or container.phase != "settled":
                continue
            if self._free(container.id):
                yield self._container(container, stay)

    def _free(self, identity: str) -> bool:
        """Whether nobody holds its lock; who does brings it into line himself."""
        held = self.context.held(identity)
        self.busy |= held
        return not held

    def _base(self) -> Subject:
        settings = self.context.settings
        ipv6 = any(
            each.enable_ipv6 and each.phase == "settled" and driver_of(each).publishes
            for each in self.context.records.networks.values()
        )

        def made() -> Subject:
            state = base_state(settings, forwards_already=True)
            if settings.iptables:
                state.update(users_chain(Family.IPV4))
            if ipv6:
                state.update(ipv6_base_state(settings, forwards_already=True))
            return Subject(HOST, HOST, (), state)

        return self._same(HOST, (settings, ipv6), made)

    def _network(self, network: Network) -> Subject:
        context = self.context

        def made() -> Subject:
            state = driver_of(network).network_state(network, context.settings, context.surroundings)
            if network.adoption is not None:  # `Networks.follow` sees to what is on somebody else's bridge
                on_it = (LinkSettingKey, AddressKey, SysctlKey)
                state = {key: value for key, value in state.items() if not isinstance(key, on_it)}
            return Subject(network.id, network.name, (network,), state)

        return self._same(network.id, (network, context.settings, context.surroundings), made)

    def _container(self, container: Container, stay: Stay) -> Subject:
        context = self.context
        places = tuple(place for place in stay.places if place[1].phase == "settled")
        inputs = (stay.sandbox, container.name, context.settings, context.surroundings)

        def made() -> Subject:
            state = self.sandboxes.state(Stay(stay.sandbox, places), container.name)
            return Subject(
                container.id, container.name, tuple(network for network, _ in places), state, container
            )

        return self._same(container.id, (*inputs, *(each for place in places for each in place)), made)

    def _cluster(self, state: State) -> Subject:
        known = self._known.get(CLUSTER)
        if known is not None and known[1].state == state:
            return known[1]
        return self._same(CLUSTER, (state,), lambda: Subject(CLUSTER, CLUSTER, (), state))

    def _same(self, identity: str, inputs: tuple[object, ...], made: Callable[[], Subject]) -> Subject:
        """The subject as it was made before, if it was made of the very same records."""
        known = self._known.get(identity)
        if known is not None and list(map(id, known[0])) == list(map(id, inputs)):
            return known[1]
        subject = made()
        self._known[identity] = inputs, subject
        return subject


def together(subjects: Sequence[Subject], keys: Set[Key]) -> dict[Key, Value | None]:
    """What all want under these keys; what one wants is there, though another could do without."""
    state: dict[Key, Value | None] = {}
    for subject in subjects:
        for key in keys & subject.state.keys():
            value = subject.state[key]
            if value is not None or key not in state:
                state[key] = value
    return state
