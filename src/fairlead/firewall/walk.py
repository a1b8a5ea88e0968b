"""What happens to one packet: it is led through the rules as the kernel would lead it.

Covered are the hooks that decide about containers: our own tables, and iptables' nat and filter.
A connection's first packet is meant; answers follow it by connection tracking.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_interface, ip_network

from fairlead.firewall.matching import Condition, Packet, holds, read
from fairlead.firewall.ruleset import Ruleset
from fairlead.firewall.tables import BY_NAME
from fairlead.model.addresses import Address, Interface, Subnet
from fairlead.model.host import NftKey

LOOPBACK = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


class Outcome(StrEnum):
    """Where a packet ends."""

    DELIVERED = "delivered"  # to the host itself
    FORWARDED = "forwarded"  # out by a link
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The host around the rules: its addresses by link, and the link of its default route.

    `routes` are further destinations and their links; the longest prefix decides.
    """

    links: Mapping[str, Sequence[Interface]]
    uplink: str = ""
    routes: Sequence[tuple[Subnet, str]] = ()

    def local(self, address: Address) -> bool:
        """Whether the host itself has the address."""
        return any(address in each for each in LOOPBACK) or any(
            address == interface.ip for link in self.links.values() for interface in link
        )

    def way_out(self, address: Address) -> str:
        """The link by which the host reaches an address; "" when there is no way."""
        if self.local(address):
            return "lo"
        connected = [
            (interface.network.prefixlen, link)
            for link, interfaces in self.links.items()
            for interface in interfaces
            if address in interface.network
        ]
        connected += [(subnet.prefixlen, link) for subnet, link in self.routes if address in subnet]
        return max(connected)[1] if connected else self.uplink

    def own_address(self, link: str, version: int) -> Address | None:
        """The host's first address on a link."""
        return next((each.ip for each in self.links.get(link, ()) if each.version == version), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the packet ended, as its receiver sees it, and the rules that decided.

    `link` is where it leaves ("" unless forwarded).  `unread` are rules of others on its way that
    are not understood here: they were passed over.
    """

    outcome: Outcome
    packet: Packet
    link: str
    trace: tuple[str, ...]
    unread: tuple[str, ...] = ()


def walk(
    rules: Ruleset,
    packet: Packet,
    surroundings: Surroundings,
    elements: Mapping[NftKey, str] | None = None,
) -> Verdict:
    """Lead a packet through the rules of its family and the elements of our own tables."""
    return _Walk(rules, packet, surroundings, elements or {}).go()


@dataclass(slots=True)
class _Walk:
    rules: Ruleset
    packet: Packet
    surroundings: Surroundings
    elements: Mapping[NftKey, str]
    way: str = ""  # the link by which it is going to leave
    redirected: bool = False
    trace: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)

    def go(self) -> Verdict:
        if self.packet.link:
            if self._spoofed() or self._for_loopback() or self._for_another_link():
                return self._end(Outcome.DROPPED)
            self._redirect("PREROUTING")
        else:
            self.way = self.surroundings.way_out(self.packet.destination)
            self._redirect("OUTPUT")
        self.way = self.surroundings.way_out(self.packet.destination)
        if not self.way or not self._filter() or self._directly_routed():
            return self._end(Outcome.DROPPED)
        if self.way == "lo":
            return self._end(Outcome.DELIVERED)
        self._hide_source()
        return self._end(Outcome.FORWARDED)

    def _end(self, outcome: Outcome) -> Verdict:
        link = self.way if outcome is Outcome.FORWARDED else ""
        return Verdict(outcome, self.packet, link, tuple(self.trace), tuple(self.unread))

    def _note(self, what: str) -> None:
        self.trace.append(what)

    # Our own tables.

    def _has(self, shelf: str, *parts: str) -> bool:
        return NftKey(shelf, " . ".join(parts)) in self.elements

    def _from_our_bridge(self) -> bool:
        return self._has("bridges", f'"{self.packet.link}"')

    def _spoofed(self) -> bool:
        """Whether a container sends in the name of somebody else."""
        port, source = f'"{self.packet.bridge_port}"', self.packet.source
        shelf, text = (
            ("ipv4_addresses", str(source))
            if source.version == 4
            else ("ipv6_addresses", f"{int(source):#x}")
        )
        if not self._has("endpoints", port) or self._has(shelf, port, text):
            return False
        self._note(f"fairlead {shelf}: {source} is not behind {self.packet.bridge_port}")
        return True

    def _for_another_link(self) -> bool:
        """Whether it is for a port that is published on an address which its link does not hold."""
        packet = self.packet
        held = self.surroundings.links.get(packet.link, ())
        if packet.link == "lo" or self._from_our_bridge() or packet.state != "NEW":
            return False
        if any(each.ip == packet.destination for each in held):
            return False
        element = self._port_on("bound_ports")
        if element:
            self._note(f"fairlead weak_host {element}")
        return bool(element)

    def _port_on(self, shelf: str) -> str:
        """The element of a shelf of addresses and ports that is for the packet, "" if there is none."""
        packet = self.packet
        for key in self._on(shelf if packet.destination.version == 4 else f"{shelf}6"):
            address, protocol, ports = key.element.split(" . ")
            first, _, last = ports.partition("-")
            if (
                address == str(packet.destination)
                and protocol == packet.protocol
                and int(first) <= packet.port <= int(last or first)
            ):
                return key.element
        return ""

    def _directly_routed(self) -> bool:
        """Whether it comes to a container from elsewhere, and not by a published port."""
        family = f"ipv{self.packet.destination.version}"
        if (
            not self.packet.link
            or self.redirected
            or self.packet.state != "NEW"
            or not self._has("guarded", f'"{self.way}"', family)
            or self._from_our_bridge()
            or self._has("trusted", f'"{self.packet.link}"', f'"{self.way}"')
            or self._port_on("opened_ports")
            or (
                self.packet.protocol in ("icmp", "ipv6-icmp") and self._has("routed", f'"{self.way}"', family)
            )
        ):
            return False
        self._note(f"fairlead direct_routing {self.way}")
        return True

    def _for_loopback(self) -> bool:
        for key in self._on("loopback"):
            if self.packet.link != "lo" and self.packet.destination in ip_network(key.element):
                self._note(f"fairlead loopback {key.element}")
                return True
        return False

    def _on(self, shelf: str) -> Iterator[NftKey]:
        return (key for key in self.elements if key.name == shelf)

    def _redirected_by_us(self, asking: str) -> bool:
        target = self._find(asking) if self.packet.destination.version == 4 else None
        if target is None:
            return False
        address, *port = self.elements[target].split(" . ")
        self._note(f"fairlead {target.name} {target.element} : {self.elements[target]}")
        self._aim(ip_address(address), int(port[0]) if port else self.packet.port)
        return True

    def _find(self, asking: str) -> NftKey | None:
        for shelf in ("ports", "address_ports", "runs"):
            for key in self._on(shelf):
                parts = dict(zip(BY_NAME[shelf].key, key.element.split(" . "), strict=True))
                first, _, last = parts["inet_service"].partition("-")
                if (
                    parts["ifname"] == f'"{asking}"'
                    and parts["inet_proto"] == self.packet.protocol
                    and int(first) <= self.packet.port <= int(last or first)
                    and self.packet.destination in ip_network(parts.get("ipv4_addr", "0.0.0.0/0"))
                ):
                    return key
        return None

    # What both hooks of a kind do: our own table first, as its priority says.

    def _aim(self, address: Address, port: int) -> None:
        self.packet = replace(self.packet, destination=address, port=port)
        self.redirected = True

    def _redirect(self, hook: str) -> None:
        local = self.surroundings.local(self.packet.destination)
        from_host = hook == "OUTPUT"
        ours = self.packet.destination in LOOPBACK[0] if from_host else local
        if ours and self._redirected_by_us("lo" if from_host else self.packet.link):
            return
        target = self._chain("nat", hook)
        if target and target.name == "DNAT":
            self._destination(target.argument("--to-destination"))

    def _destination(self, text: str) -> None:
        """Aim at `ADDRESS`, `ADDRESS:PORT` or `ADDRESS:FIRST-LAST/BASE` ([] around IPv6)."""
        host, _, ports = text.rpartition(":") if "]:" in text or text.count(":") == 1 else (text, "", "")
        address = ip_address(host.strip("[]"))
        span, _, counted_from = ports.partition("/")
        first = int(span.partition("-")[0]) if span else self.packet.port
        self._aim(address, first + (self.packet.port - int(counted_from) if counted_from else 0))

    def _hide_source(self) -> None:
        source = self.packet.source
        if self.redirected and (source in LOOPBACK[0] or any(map(self._hidden, self._on("networks")))):
            self._note("fairlead hide_source")
            return self._leave_as(self.surroundings.own_address(self.way, 4))
        target = self._chain("nat", "POSTROUTING")
        if target and target.name == "MASQUERADE":
            return self._leave_as(self.surroundings.own_address(self.way, source.version))
        if target and target.name == "SNAT":
            return self._leave_as(ip_address(target.argument("--to-source")))
        return None

    def _hidden(self, key: NftKey) -> bool:
        link, subnet = key.element.split(" . ")
        return link == f'"{self.way}"' and self.packet.source in ip_network(subnet)

    def _leave_as(self, address: Address | None) -> None:
        if address is not None:
            self.packet = replace(self.packet, source=address)

    # iptables.

    def _filter(self) -> bool:
        if not self.packet.link:
            hooks = ["OUTPUT", "INPUT"] if self.way == "lo" else ["OUTPUT"]
        else:
            hooks = ["INPUT"] if self.way == "lo" else ["FORWARD"]
        return all(self._accepted(hook) for hook in hooks)

    def _accepted(self, hook: str) -> bool:
        target = self._chain("filter", hook)
        if target is None:
            policy = self.rules.policies.get(("filter", hook), "ACCEPT")
            self._note(f"filter {hook} policy {policy}")
            return policy == "ACCEPT"
        return target.name == "ACCEPT"

    def _chain(self, table: str, chain: str) -> Condition | None:
        """The rule that decides in a chain or the chains it jumps to; None when it is left undecided."""
        for text in self.rules.rules(table, chain):
            rule = read(text)
            if rule is None:
                self.unread.append(f"{table} {chain}: {text}")
                continue
            if not holds(rule, self.packet, self.way, self.surroundings.local):
                continue
            if rule.name == "RETURN":
                return None
            if (table, rule.name) in self.rules.chains:
                decided = self._chain(table, rule.name)
                if decided is not None:
                    return decided
            elif rule.decides:
                self._note(f"{table} {chain}: {text}")
                return rule
        return None


def interfaces(*texts: str) -> tuple[Interface, ...]:
    """Interface addresses from their texts, for describing surroundings."""
    return tuple(ip_interface(text) for text in texts)
