"""Our own nftables table: its one shape, its elements as keys and values, and their text.

The table `ip fairlead` holds what the kernel can do beside Docker's iptables rules.  Its rules
never change; a published port is an element of a map.  It redirects just before iptables does
(priority - 1), so that the result does not depend on who registered a chain first.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from fairlead.model.addresses import Subnet
from fairlead.model.endpoint import PublishedPort
from fairlead.model.host import Key, NftKey, Step, Value

FAMILY = "ip"
TABLE = "fairlead"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A set (no `data`) or a map of the table, by the types of its keys."""

    name: str
    key: tuple[str, ...]
    data: tuple[str, ...] = ()
    interval: bool = False


# The first part of a port's key says who is asking: a bridge's name for the containers on it,
# "lo" for processes of the host.  Single ports have exact keys, since the cost of adding to a
# shelf of intervals grows with what is on it; runs that keep their numbers are one interval.
SHELVES = (
    Shelf("loopback", ("ipv4_addr",), interval=True),  # reached from the host itself only
    Shelf("networks", ("ifname", "ipv4_addr"), interval=True),  # a bridge and its containers' addresses
    Shelf("ports", ("ifname", "inet_proto", "inet_service"), ("ipv4_addr", "inet_service")),
    Shelf(
        "address_ports", ("ifname", "ipv4_addr", "inet_proto", "inet_service"), ("ipv4_addr", "inet_service")
    ),
    Shelf("runs", ("ifname", "ipv4_addr", "inet_proto", "inet_service"), ("ipv4_addr",), interval=True),
)
BY_NAME = {shelf.name: shelf for shelf in SHELVES}

_OURS = re.compile(rf"^table {FAMILY} {TABLE} \{{\n(.*?)^\}}", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^\t(set|map|chain) (\S+) \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)
_ELEMENTS = re.compile(r"elements = \{([^}]*)\}")

_TRANSPORT = "meta l4proto { tcp, udp, sctp }"
_PORT = "meta l4proto . th dport"


def _redirect(link: str) -> tuple[str, ...]:
    return (
        f"{_TRANSPORT} dnat ip to {link} . {_PORT} map @ports",
        f"{_TRANSPORT} dnat ip to {link} . ip daddr . {_PORT} map @address_ports",
        f"{_TRANSPORT} dnat ip to {link} . ip daddr . {_PORT} map @runs",
    )


# Chain: where it hooks in, and its rules.
CHAINS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    # Redirection of the host's loopback needs route_localnet on the bridges, which would open the
    # host's own services on 127.0.0.0/8 to whoever sends such a packet (CVE-2020-8558); and a port
    # published on 127.0.0.1 would answer the LAN, since iptables redirects before routing checks.
    "guard": (
        "type filter hook prerouting priority raw",
        ('iifname != "lo" ip daddr @loopback drop',),
    ),
    "from_containers": (
        "type nat hook prerouting priority dstnat - 1",
        tuple(f"fib daddr type local {text}" for text in _redirect("iifname")),
    ),
    "from_host": (
        "type nat hook output priority -101",
        tuple(f"ip daddr 127.0.0.0/8 {text}" for text in _redirect("oifname")),
    ),
    # The container must answer to the host, not to a neighbour or to its own loopback.  By source
    # subnet: with br_netfilter the in-interface is a bridge port here.
    "hide_source": (
        "type nat hook postrouting priority srcnat - 1",
        (
            'ct status dnat ip saddr 127.0.0.0/8 oifname != "lo" masquerade',
            "ct status dnat oifname . ip saddr @networks masquerade",
        ),
    ),
}


def kind(shelf: str) -> str:
    """What nft calls a shelf: a set or a map."""
    return "map" if BY_NAME[shelf].data else "set"


def _types(shelf: Shelf) -> str:
    return " . ".join(shelf.key) + (f" : {' . '.join(shelf.data)}" if shelf.data else "")


def span(first: int, count: int, joint: str) -> str:
    """A run of ports as text: one number, or the first and last with `joint` between them."""
    return str(first) if count == 1 else f"{first}{joint}{first + count - 1}"


def loopback_guard() -> dict[Key, Value]:
    """Packets to the host's loopback addresses come from the host only."""
    return {NftKey("loopback", "127.0.0.0/8"): ""}


def hairpin_sources(link: str, subnets: Collection[Subnet]) -> dict[Key, Value]:
    """The addresses behind a bridge, hidden when they reach a neighbour by a published port."""
    return {NftKey("networks", f'"{link}" . {subnet}'): "" for subnet in subnets}


def redirection(link: str, port: PublishedPort, inside: IPv4Address) -> dict[Key, Value]:
    """The elements that lead who asks from `link` for a published port to the container's address.

    A run that keeps its numbers is one element; one that shifts them is an element for each port,
    since nftables cannot count an offset.
    """
    if port.count > 1 and port.host_port == port.container_port:
        everywhere = "127.0.0.0/8" if link == "lo" else "0.0.0.0/0"
        bound = everywhere if port.host_address.is_unspecified else str(port.host_address)
        ports = span(port.host_port, port.count, "-")
        return {NftKey("runs", f'"{link}" . {bound} . {port.protocol} . {ports}'): str(inside)}
    if port.host_address.is_unspecified:
        shelf, asked = "ports", f'"{link}" . {port.protocol}'
    else:
        shelf, asked = "address_ports", f'"{link}" . {port.host_address} . {port.protocol}'
    return {
        NftKey(shelf, f"{asked} . {port.host_port + offset}"): f"{inside} . {port.container_port + offset}"
        for offset in range(port.count)
    }


def skeleton() -> str:
    """Commands that make the table, its shelves and its rules, whatever of it is there already."""
    lines = [f"add table {FAMILY} {TABLE}"]
    for shelf in SHELVES:
        flags = " flags interval;" if shelf.interval else ""
        lines.append(
            f"add {kind(shelf.name)} {FAMILY} {TABLE} {shelf.name} {{ type {_types(shelf)};{flags} }}"
        )
    for chain, (hook, rules) in CHAINS.items():
        lines.append(f"add chain {FAMILY} {TABLE} {chain} {{ {hook}; }}")
        lines.append(f"flush chain {FAMILY} {TABLE} {chain}")
        lines += [f"add rule {FAMILY} {TABLE} {chain} {text}" for text in rules]
    return "".join(line + "\n" for line in lines)


def commands(steps: Sequence[Step]) -> str:
    """Commands that carry out steps on elements; removals first, since intervals must not overlap."""
    groups: dict[tuple[str, str], list[str]] = {}
    for step in steps:
        if isinstance(step.key, NftKey) and step.before is not None:
            groups.setdefault(("delete", step.key.name), []).append(step.key.element)
    for step in steps:
        if isinstance(step.key, NftKey) and step.after is not None:
            content = f" : {step.after}" if step.after else ""
            groups.setdefault(("add", step.key.name), []).append(step.key.element + content)
    return "".join(
        f"{verb} element {FAMILY} {TABLE} {shelf} {{ {', '.join(elements)} }}\n"
        for (verb, shelf), elements in groups.items()
    )


@dataclass(slots=True)
class Found:
    """What nft shows of the table: elements by key, rules by chain (their number), shelves by name."""

    elements: dict[NftKey, str] = field(default_factory=dict)
    rules: dict[str, int] = field(default_factory=dict)
    shelves: dict[str, str] = field(default_factory=dict)  # name: "map type ... flags ..."

    @property
    def fits(self) -> bool:
        """Whether what is there can be completed: nothing has another name or shape than ours."""
        shapes = {shelf.name: _shape(shelf) for shelf in SHELVES}
        return self.shelves.items() <= shapes.items() and self.rules.keys() <= CHAINS.keys()

    @property
    def complete(self) -> bool:
        """Whether every shelf and every chain is there."""
        return self.fits and self.shelves.keys() == BY_NAME.keys() and self.rules.keys() == CHAINS.keys()

    @property
    def intact(self) -> bool:
        """Whether every chain has its rules as well."""
        return self.complete and self.rules == {chain: len(rules) for chain, (_, rules) in CHAINS.items()}


def _shape(shelf: Shelf) -> str:
    return f"{kind(shelf.name)} type {_types(shelf)}" + (" flags interval" if shelf.interval else "")


def parse(listing: str) -> Found:
    """What `nft list` or `nft get element` prints of our table; other tables are passed over."""
    found = Found()
    ours = "".join(table[1] for table in _OURS.finditer(listing))
    for block in _BLOCK.finditer(ours):
        sort, name, body = block.groups()
        lines = [line.strip() for line in body.splitlines()]
        if sort == "chain":
            found.rules[name] = sum(1 for line in lines if line and not line.startswith("type "))
            continue
        found.shelves[name] = " ".join(
            [sort, *(line for line in lines if line.startswith(("type", "flags")))]
        )
        if elements := _ELEMENTS.search(body):
            for element in elements[1].split(","):
                key, _, data = element.strip().partition(" : ")
                found.elements[NftKey(name, key)] = data
    return found


def tidy_complaint(complaint: str) -> str:
    """The first line of what nft says, without its leading word and place."""
    lines = complaint.strip().splitlines()
    return re.sub(r"^(\S+:\d+:\d+(-\d+)?: )?Error: ", "", lines[0]) if lines else "it gives no reason"
