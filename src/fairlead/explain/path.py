"""Why one end reaches the other, or does not: the packet is followed hop by hop up to what decides.

A connection's first packet is followed, and its answer as far as the receiver's own routes go; what
answers is let through by connection tracking.
"""

from dataclasses import dataclass
from ipaddress import ip_address

from fairlead.explain.scene import Inside, LinkFacts, Membership, Party, Scene
from fairlead.firewall.matching import Packet
from fairlead.firewall.walk import Outcome, Surroundings, Verdict, walk
from fairlead.model.addresses import Address

ICMP = {4: "icmp", 6: "ipv6-icmp"}


@dataclass(frozen=True, slots=True)
class Question:
    """Who sends what where.

    `source` is a container, or an address of who is outside, or None for the host itself.  `port` 0
    is a ping.
    """

    source: Party | Address | None
    target: Party | Address
    protocol: str = "tcp"
    port: int = 0


@dataclass(frozen=True, slots=True)
class Explanation:
    """Whether it arrives, every hop on the way, and the sentence that says what decides."""

    reaches: bool
    hops: tuple[str, ...]
    sentence: str


class _Stop(Exception):
    """The packet ends here; the text says why."""


def explain(scene: Scene, question: Question) -> Explanation:
    """Follow the packet."""
    path = _Path(scene, question)
    try:
        sentence = path.follow()
    except _Stop as stop:
        return Explanation(False, tuple(path.hops), str(stop))
    return Explanation(True, tuple(path.hops), sentence)


class _Path:
    def __init__(self, scene: Scene, question: Question):
        self.scene = scene
        self.question = question
        self.hops: list[str] = []

    def follow(self) -> str:
        source, target = self.question.source, self.question.target
        for party in (source, target):
            if isinstance(party, Party) and not party.running:
                raise _Stop(f"Container {party.name} does not run.")
        destination = self._destination(source, target)
        if isinstance(source, Party) and source.inside is not None:
            return self._from_container(source, source.inside, destination)
        if source is None or isinstance(source, Party):
            link, address = "", self._host_address(destination)
            self.hops.append(f"the host sends from {address}")
        else:
            link, address = self._way_in(source), source
            self.hops.append(f"{source} sends to the host's link {link}")
        return self._through_host(self._packet(address, destination, link))

    # -- the ends ----------------------------------------------------------------------------------

    @staticmethod
    def _destination(source: Party | Address | None, target: Party | Address) -> Address:
        """The target's address: on a network that both are on, or else its first."""
        if not isinstance(target, Party):
            return target
        own = {each.network for each in source.memberships} if isinstance(source, Party) else set()
        ranked = sorted(target.memberships, key=lambda each: each.network not in own)
        addresses = [address for each in ranked for address in each.addresses]
        if not addresses:
            raise _Stop(f"Container {target.name} is on no network, and so has no address.")
        return addresses[0]

    def _packet(self, source: Address, destination: Address, link: str, port: str = "") -> Packet:
        number = self.question.port
        protocol = self.question.protocol if number else ICMP[destination.version]
        return Packet(source, destination, protocol, number, link=link, bridge_port=port)

    def _host_address(self, destination: Address) -> Address:
        if self.scene.host.holds(destination):
            return destination
        route = self.scene.host.route(destination)
        if route is None:
            raise _Stop(f"The host has no route to {destination}.")
        found = self._own_address(self.scene.host, route.link, destination.version)
        return found or ip_address("127.0.0.1" if destination.version == 4 else "::1")

    def _way_in(self, source: Address) -> str:
        route = self.scene.host.route(source)
        if route is None:
            raise _Stop(f"The host has no route to {source}, and so could not answer it.")
        return route.link

    @staticmethod
    def _own_address(inside: Inside, link: str, version: int) -> Address | None:
        found = inside.links.get(link, LinkFacts(False)).addresses
        usable = [each.ip for each in found if each.version == version and not each.ip.is_link_local]
        return usable[0] if usable else None

    # -- out of a container ------------------------------------------------------------------------

    def _from_container(self, source: Party, inside: Inside, destination: Address) -> str:
        route = inside.route(destination)
        if route is None:
            raise _Stop(f"Container {source.name} has no route to {destination}{self._why_no_route(source)}.")
        link = self._up(inside, route.link, f"in container {source.name}")
        address = self._own_address(inside, route.link, destination.version)
        if address is None:
            raise _Stop(f"The link {route.link} of container {source.name} has no address.")
        if route.link == "lo" or inside.holds(destination):
            return self._arrived(source, inside, destination)
        membership = self._membership(source, address)
        next_hop = route.gateway or destination
        way = f"by the gateway {route.gateway}" if route.gateway else "directly"
        self.hops.append(
            f"{source.name} sends from {address} by {route.link}, {way} (route {route.destination})"
        )
        port = self._plugged_in(source, route.link, link, membership)
        if route.gateway is not None and not self.scene.host.holds(route.gateway):
            holder = self.scene.party_at(route.gateway)
            who = f"container {holder.name}" if holder else "nobody that the host knows"
            raise _Stop(
                f"Container {source.name} sends it to {next_hop}, which is {who}, not the host: its route to"
                f" {route.destination} is not the one that the engine made."
            )
        if route.gateway is None:
            self._neighbour(source, membership, destination)
        return self._through_host(self._packet(address, destination, membership.bridge, port))

    @staticmethod
    def _why_no_route(source: Party) -> str:
        names = ", ".join(each.network for each in source.memberships)
        return f": its networks ({names}) lead nowhere else" if names else ": it is on no network"

    def _membership(self, party: Party, address: Address) -> Membership:
        for each in party.memberships:
            if address in each.addresses:
                if not each.bridge:
                    raise _Stop(f"The network {each.network} has no bridge on this host to follow it over.")
                return each
        raise _Stop(f"Container {party.name} sends from {address}, which the engine has not given to it.")

    def _up(self, inside: Inside, name: str, where: str) -> LinkFacts:
        link = inside.links.get(name)
        if link is None:
            raise _Stop(f"There is no link {name} {where}.")
        if not link.up:
            raise _Stop(f"The link {name} {where} is down.")
        return link

    def _plugged_in(self, party: Party, name: str, link: LinkFacts, membership: Membership) -> str:
        """The host's end of a container's link, which has to be up and on its bridge."""
        ends = [name for name, each in self.scene.host.links.items() if each.number == link.peer]
        if not ends:
            raise _Stop(f"The host's end of the link {name} of container {party.name} is gone.")
        end = self._up(self.scene.host, ends[0], f"of the host (the other end is in container {party.name})")
        if end.master != membership.bridge:
            raise _Stop(f"The link {ends[0]} of the host is not on the bridge {membership.bridge}.")
        self._up(self.scene.host, membership.bridge, f"of the host (network {membership.network})")
        self.hops.append(f"{ends[0]} is on the bridge {membership.bridge} (network {membership.network})")
        return ends[0]

    def _neighbour(self, source: Party, membership: Membership, destination: Address) -> None:
        target = self.scene.party_at(destination)
        near = target is not None and any(
            each.bridge == membership.bridge and destination in each.addresses for each in target.memberships
        )
        if not near and not self.scene.host.holds(destination):
            raise _Stop(
                f"Container {source.name} asks for {destination} on the network {membership.network},"
                " and nobody there has it."
            )

    # -- through the host --------------------------------------------------------------------------

    def _through_host(self, packet: Packet) -> str:
        before = self.scene.host.route(packet.destination)
        crossing = packet.link and before is not None and before.link == packet.link
        apart = packet.bridge_port in self.scene.host.links and (
            self.scene.host.links[packet.bridge_port].isolated
        )
        past = crossing and not self.scene.bridged and not apart
        if past and not self.scene.host.holds(packet.destination):
            self.hops.append("the bridge carries it past iptables (bridge-nf-call-iptables is 0)")
            return self._into(packet, packet.link)
        verdict = walk(
            self.scene.rules[packet.destination.version], packet, self._surroundings(), self.scene.elements
        )
        self.hops += [f"rule: {each}" for each in verdict.trace]
        self.hops += [f"not understood, and passed over: {each}" for each in verdict.unread]
        if verdict.outcome is Outcome.DROPPED:
            raise _Stop(self._dropped(packet, verdict))
        if verdict.packet.destination != packet.destination or verdict.packet.port != packet.port:
            self.hops.append(f"it is led to {_place(verdict.packet)}")
        if verdict.outcome is Outcome.DELIVERED:
            return self._to_host(verdict.packet)
        self._up(self.scene.host, verdict.link, "of the host")
        return self._into(verdict.packet, verdict.link)

    def _surroundings(self) -> Surroundings:
        links = {name: each.addresses for name, each in self.scene.host.links.items()}
        routes = tuple((each.destination, each.link) for each in self.scene.host.routes)
        return Surroundings(links, routes=routes)

    @staticmethod
    def _dropped(packet: Packet, verdict: Verdict) -> str:
        if not verdict.trace:
            return f"The host has no route to {verdict.packet.destination}."
        return f"The host drops it, by {verdict.trace[-1]}."

    def _to_host(self, packet: Packet) -> str:
        protocol, address, port = packet.protocol, packet.destination, packet.port
        if not port:
            return f"It arrives at the host, which has {address}."
        publications = [
            (party, each)
            for party in self.scene.parties
            if party.running
            for each in party.published
            if (each.protocol, each.port) == (protocol, port)
        ]
        if self.scene.host.hears(protocol, address, port):
            for party, each in publications:
                if each.address == address or each.address.is_unspecified:
                    return f"The port holder carries it to port {each.inner} of container {party.name}."
            return f"It arrives at the host, where somebody listens on {_place(packet)}."
        for party, each in publications:
            raise _Stop(
                f"Container {party.name} publishes port {port}/{protocol} on {each.address} only, not on"
                f" {address}, where nobody listens."
            )
        stopped = [party.name for party in self.scene.parties if not party.running and _wants(party, packet)]
        idle = f"; container {stopped[0]}, which would, does not run" if stopped else ""
        raise _Stop(
            f"Nobody listens on {_place(packet)} of the host, and no running container publishes it{idle}."
        )

    # -- into a container, or out of the host ----------------------------------------------------------

    def _into(self, packet: Packet, link: str) -> str:
        target = self.scene.party_at(packet.destination)
        if target is None:
            bridges = {each.bridge for party in self.scene.parties for each in party.memberships} - {""}
            if link in bridges:
                raise _Stop(f"No running container has {packet.destination}, to which {link} leads.")
            return f"It leaves the host by {link}, as {packet.source}."
        inside = target.inside
        membership = next(each for each in target.memberships if packet.destination in each.addresses)
        if link != membership.bridge:
            raise _Stop(
                f"The host sends it out by {link}, while {packet.destination} is container {target.name} on"
                f" {membership.bridge}: a route of the host leads elsewhere."
            )
        if inside is None:
            return f"It arrives at container {target.name}."
        names = [
            name
            for name, each in inside.links.items()
            if any(interface.ip == packet.destination for interface in each.addresses)
        ]
        if not names:
            raise _Stop(f"Container {target.name} has lost its address {packet.destination}.")
        own = self._up(inside, names[0], f"in container {target.name}")
        self._plugged_in(target, names[0], own, membership)
        self._answers(target, inside, packet)
        return self._arrived(target, inside, packet.destination, packet)

    def _answers(self, target: Party, inside: Inside, packet: Packet) -> None:
        """Whether the receiver's own routes lead back."""
        back = inside.route(packet.source)
        if back is None:
            raise _Stop(f"It arrives at container {target.name}, which has no route back to {packet.source}.")
        if back.gateway is not None and not self.scene.host.holds(back.gateway):
            raise _Stop(
                f"It arrives at container {target.name}, which answers {packet.source} by {back.gateway}:"
                " that is not the host."
            )
        if back.gateway is None and self.scene.party_at(packet.source) is None:
            local = self.scene.host.holds(packet.source)
            if not local:
                raise _Stop(
                    f"It arrives at container {target.name}, which looks for {packet.source} on its own link"
                    f" {back.link}, and not by the host."
                )

    def _arrived(self, target: Party, inside: Inside, address: Address, packet: Packet | None = None) -> str:
        port = packet.port if packet else self.question.port
        protocol = packet.protocol if packet else self.question.protocol
        if port and not inside.hears(protocol, address, port):
            raise _Stop(
                f"It arrives at container {target.name}, where nobody listens on {address}"
                f" port {port}/{protocol}."
            )
        source = f", as {packet.source}" if packet else ""
        where = f"port {port}/{protocol} of " if port else ""
        return f"It arrives at {where}container {target.name}{source}."


def _wants(party: Party, packet: Packet) -> bool:
    return any((each.protocol, each.port) == (packet.protocol, packet.port) for each in party.published)


def _place(packet: Packet) -> str:
    return (
        f"{packet.destination} port {packet.port}/{packet.protocol}"
        if packet.port
        else str(packet.destination)
    )
