"""Law: whatever comes, goes and is renamed, each container hears what a plain model of it all says.

The names go the way they go in the engine, from records over steps into the zone; the model walks
over all containers for every question.
"""

from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_interface, ip_network

import dns.message
import dns.rcode
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from fairlead.dns.answer import answer
from fairlead.dns.wire import LONGEST, parse
from fairlead.dns.zone import Zone, view_of
from fairlead.engine.wishes import names_on, network_links
from fairlead.model.container import Config, Container, HostConfig
from fairlead.model.endpoint import Attachment, Endpoint, Sandbox
from fairlead.model.host import Key, NameKey, PointerKey, Resolver, ResolverKey, Step, Value
from fairlead.model.network import Network, Pool
from fairlead.model.surroundings import Surroundings
from fairlead.planner.sandbox import name_state, sandbox_state
from fairlead.planner.steps import difference, transition

SUBNETS = {"blue": ("10.1.0.0/24", "fd01::/64"), "Green": ("10.2.0.0/24",), "a.b": ("10.3.0.0/24",)}
INTERNAL = "Green"
NETWORKS = {
    name: Network(
        name * 8,
        name,
        "bridge",
        0,
        number,
        pools=tuple(Pool(ip_network(each)) for each in subnets),
        internal=name == INTERNAL,
    )
    for number, (name, subnets) in enumerate(SUBNETS.items())
}
HOSTS = Surroundings(name_servers=("198.51.100.1",))
WORDS = ("web", "Web", "db", "web.blue", "a", "b", "blue", "gone")
words = some.sampled_from(WORDS)
networks = some.sampled_from(list(NETWORKS))
links = some.lists(some.tuples(words, words), max_size=2)
aliases = some.lists(words, max_size=2)
asked = some.tuples(
    some.sampled_from([*WORDS, "x" * 12]),
    some.sampled_from(
        ["", ".blue", ".green", ".a.b", ".b", ".BLUE.", ".lan", ".blue.lan", ".", ".example.com"]
    ),
).map("".join)


@dataclass
class Place:
    """A place on a network, as the model knows it."""

    network: str
    names: tuple[str, ...]
    links: list[tuple[str, str]]  # target, alias
    addresses: list[IPv4Interface | IPv6Interface]


@dataclass
class Box:
    """A running container, as the model knows it."""

    container: Container
    search: bool
    places: dict[str, Place] = field(default_factory=dict)


class Names(RuleBasedStateMachine):
    """Containers come and go, join and leave, are renamed, and ask."""

    @initialize()
    def begin(self) -> None:
        self.boxes: dict[int, Box] = {}
        self.number = 1
        self.zone = Zone()
        self.resolvers: dict[str, Resolver] = {}
        self.told: dict[Key, Value | None] = {}

    # -- what happens ----------------------------------------------------------------------------

    @rule(name=words, hostname=words, network=networks, aliases=aliases, links=links, search=some.booleans())
    def run(
        self,
        name: str,
        hostname: str,
        network: str,
        aliases: list[str],
        links: list[tuple[str, str]],
        search: bool,
    ) -> None:
        identity = "x" * 12 if self.number == 1 else f"{self.number:064x}"
        config = Config(image="busybox", hostname=hostname)
        self.number += 1
        made = Container(identity, name, 0, "0" * 64, config, HostConfig())
        self.boxes[self.number] = Box(made, search)
        self.join(self.boxes[self.number], network, aliases, links)

    @precondition(lambda self: self.boxes)
    @rule(which=some.integers(0), network=networks, aliases=aliases, links=links)
    def connect(self, which: int, network: str, aliases: list[str], links: list[tuple[str, str]]) -> None:
        box = self.box(which)
        if network not in box.places:
            self.join(box, network, aliases, links)

    @precondition(lambda self: self.boxes)
    @rule(which=some.integers(0), network=networks)
    def disconnect(self, which: int, network: str) -> None:
        self.box(which).places.pop(network, None)
        self.converge()

    @precondition(lambda self: self.boxes)
    @rule(which=some.integers(0), name=words)
    def rename(self, which: int, name: str) -> None:
        box = self.box(which)
        old = box.container.name
        box.container = Container(
            box.container.id, name, 0, "0" * 64, box.container.config, box.container.host_config
        )
        for place in box.places.values():
            place.names = tuple(dict.fromkeys((name, *(each for each in place.names if each != old))))
        self.converge()

    @precondition(lambda self: self.boxes)
    @rule(which=some.integers(0))
    def remove(self, which: int) -> None:
        del self.boxes[list(self.boxes)[which % len(self.boxes)]]
        self.converge()

    # -- what is asked ---------------------------------------------------------------------------

    @precondition(lambda self: self.boxes)
    @rule(which=some.integers(0), name=asked, kind=some.sampled_from(["A", "AAAA", "TXT", "SRV"]))
    def ask(self, which: int, name: str, kind: str) -> None:
        box = self.box(which)
        expected = self.expected(box, name.rstrip(".").lower(), kind)
        assert self.heard(box, name, kind) == expected

    @precondition(lambda self: self.boxes)
    @rule(which=some.integers(0), network=networks, last=some.integers(1, 40), six=some.booleans())
    def ask_back(self, which: int, network: str, last: int, six: bool) -> None:
        box = self.box(which)
        address = NETWORKS[network].pools[-1 if six else 0].subnet[last]
        expected: object = self.unknown(box, "")
        if network in box.places:
            expected = "NXDOMAIN"
            for each in self.boxes.values():
                place = each.places.get(network)
                if place is not None and address in [interface.ip for interface in place.addresses]:
                    expected = {f"{place.names[0]}.{network}.".lower()}
        heard = self.heard(box, address.reverse_pointer, "PTR")
        assert heard == expected

    # -- the model -------------------------------------------------------------------------------

    def expected(self, box: Box, name: str, kind: str) -> object:
        found = list(self.meant(box, name))
        if box.search and name.endswith(".lan") and "." not in name.removesuffix(".lan"):
            found += self.meant(box, name.removesuffix(".lan"))
        wanted = {"A": 4, "AAAA": 6}.get(kind, 0)
        for each in found:
            if of_kind := {str(address) for address in each if address.version == wanted}:
                return of_kind
        return set() if found else self.unknown(box, name)

    def meant(self, box: Box, name: str) -> "list[list[IPv4Interface | IPv6Interface]]":
        """The addresses of each that may be meant, the best first."""
        parts = name.split(".")
        found = []
        for cut in range(len(parts), 0, -1):
            short, network = ".".join(parts[:cut]), ".".join(parts[cut:])
            here = [place for place in box.places.values() if not network or place.network.lower() == network]
            linked = [
                (place, target) for place in here for target, alias in place.links if alias.lower() == short
            ]
            for place, wanted in [*linked, *((place, short) for place in here)]:
                known = [
                    neighbour.addresses
                    for other in self.boxes.values()
                    if (neighbour := other.places.get(place.network)) is not None
                    and wanted.lower() in [each.lower() for each in neighbour.names]
                ]
                if known:
                    found.append([address.ip for each in known for address in each])
        return found  # type: ignore[return-value]

    @staticmethod
    def unknown(box: Box, name: str) -> object:
        """What is said of a name that nobody has: None where others are asked."""
        if set(box.places) == {INTERNAL} or (
            INTERNAL in box.places and name.endswith(f".{INTERNAL.lower()}")
        ):
            return "NXDOMAIN"
        return None

    # -- the way from the records to the zone ------------------------------------------------------

    def box(self, which: int) -> Box:
        return list(self.boxes.values())[which % len(self.boxes)]

    def join(self, box: Box, network: str, aliases: list[str], links: list[tuple[str, str]]) -> None:
        self.number += 1
        addresses = [ip_interface(f"{pool.subnet[self.number]}/24") for pool in NETWORKS[network].pools]
        attachment = Attachment(network, aliases=tuple(aliases))
        names = names_on(box.container, attachment, NETWORKS[network])
        box.places[network] = Place(network, names, links, addresses)
        self.converge()

    def converge(self) -> None:
        desired: dict[Key, Value | None] = {}
        for number, box in self.boxes.items():
            desired |= state(number, box)
        for step in difference(transition(self.told, desired), self.told):
            self.perform(step)
        self.told = desired

    def perform(self, step: Step) -> None:
        match step.key:
            case NameKey():
                assert self.zone.name(step.key) == step.before
                self.zone.set_name(step.key, step.after)  # type: ignore[arg-type]
            case PointerKey():
                self.zone.set_pointer(step.key, step.after)  # type: ignore[arg-type]
            case ResolverKey():
                self.resolvers[step.key.namespace] = step.after  # type: ignore[assignment]

    def heard(self, box: Box, name: str, kind: str) -> object:
        """The texts of the records, the code where that is not NOERROR, None: others are asked."""
        view = view_of(self.resolvers[sandbox_name(self.number_of(box))])
        query = parse(dns.message.make_query(name, kind).to_wire())
        given = answer(query, self.zone, view, 0, LONGEST)
        if given is None:
            return None
        message = dns.message.from_wire(given)
        if message.rcode():
            return dns.rcode.to_text(message.rcode())
        return {record.to_text().lower() for rrset in message.answer for record in rrset}

    def number_of(self, box: Box) -> int:
        return next(number for number, each in self.boxes.items() if each is box)


def sandbox_name(number: int) -> str:
    return f"box{number}"


def state(number: int, box: Box) -> dict[Key, Value | None]:
    """The names, reverse names and resolver of a container."""
    attachments = [
        (
            Attachment(place.network, links=tuple(f"{target}:{alias}" for target, alias in place.links)),
            NETWORKS[place.network],
        )
        for place in box.places.values()
    ]
    sandbox = Sandbox(
        f"{number:064x}",
        box.container.id,
        sandbox_name(number),
        embedded_dns=True,
        search=("lan",) if box.search else (),
        ndots=1 if box.search else 0,
        links=tuple(link for each in attachments for link in network_links(*each)),
    )
    places = [(NETWORKS[place.network], endpoint(number, box, place)) for place in box.places.values()]
    made = dict(sandbox_state(sandbox, places, HOSTS))
    for each in places:
        made |= name_state(*each)
    return {key: value for key, value in made.items() if isinstance(key, NameKey | PointerKey | ResolverKey)}


def endpoint(number: int, box: Box, place: Place) -> Endpoint:
    four = next(each for each in place.addresses if isinstance(each, IPv4Interface))
    six = next((each for each in place.addresses if isinstance(each, IPv6Interface)), None)
    identity = f"{number}-{place.network}"
    network = NETWORKS[place.network]
    return Endpoint(
        identity, network.id, box.container.id, "s", 0, "eth0", "veth", "", four, six, names=place.names
    )


TestNames = Names.TestCase
TestNames.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
