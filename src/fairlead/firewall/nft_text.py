"""Our own nftables tables as text: their elements as keys and values, commands, and listings read back."""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Address

from fairlead.firewall.tables import BY_FAMILY, BY_NAME, TABLE, TABLE_OF, TABLES, Shelf, Table
from fairlead.model.addresses import Subnet
from fairlead.model.endpoint import PublishedPort
from fairlead.model.host import Key, NftKey, Step, Value

_OURS = re.compile(rf"^table (\S+) {TABLE} \{{\n(.*?)^\}}", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^\t(set|map|chain) (\S+) \{\n(.*?)^\t\}", re.MULTILINE | re.DOTALL)
_ELEMENTS = re.compile(r"elements = \{([^}]*)\}")


def kind(shelf: str) -> str:
    """What nft calls a shelf: a set or a map."""
    return "map" if BY_NAME[shelf].data else "set"


def place(shelf: str) -> str:
    """How nft addresses a shelf: family, table and name."""
    return f"{TABLE_OF[shelf].family} {TABLE} {shelf}"


def _types(shelf: Shelf) -> str:
    data = f" : {' . '.join(shelf.data)}" if shelf.data else ""
    return f"{'typeof' if shelf.typeof else 'type'} {' . '.join(shelf.key)}{data}"


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


def skeleton(tables: Iterable[Table] = TABLES) -> str:
    """Commands that make the tables, their shelves and rules, whatever of it is there already."""
    lines = []
    for table in tables:
        where = f"{table.family} {TABLE}"
        lines.append(f"add table {where}")
        lines += [f"add counter {where} {counter}" for counter in table.counters]
        for shelf in table.shelves:
            flags = " flags interval;" if shelf.interval else ""
            lines.append(f"add {kind(shelf.name)} {where} {shelf.name} {{ {_types(shelf)};{flags} }}")
        for name, chain in table.chains.items():
            lines.append(f"add chain {where} {name}" + (f" {{ {chain.hook}; }}" if chain.hook else ""))
            lines.append(f"flush chain {where} {name}")
        lines += [
            f"add rule {where} {name} {text}" for name, chain in table.chains.items() for text in chain.rules
        ]
    return "".join(line + "\n" for line in lines)


def removal(tables: Iterable[Table]) -> str:
    """Commands that delete tables."""
    return "".join(f"delete table {table.family} {TABLE}\n" for table in tables)


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
        f"{verb} element {place(shelf)} {{ {', '.join(elements)} }}\n"
        for (verb, shelf), elements in groups.items()
    )


@dataclass(slots=True)
class FoundTable:
    """What nft shows of one table beside its elements."""

    rules: dict[str, int] = field(default_factory=dict)  # their number by chain
    shelves: dict[str, str] = field(default_factory=dict)  # name: "map type ... flags ..."

    def fits(self, table: Table) -> bool:
        """Whether what is there can be completed: nothing has another name or shape than ours."""
        shapes = {shelf.name: _shape(shelf) for shelf in table.shelves}
        return self.shelves.items() <= shapes.items() and self.rules.keys() <= table.chains.keys()

    def complete(self, table: Table) -> bool:
        """Whether every shelf and every chain is there."""
        everything = {shelf.name for shelf in table.shelves}
        return (
            self.fits(table)
            and self.shelves.keys() == everything
            and self.rules.keys() == table.chains.keys()
        )

    def intact(self, table: Table) -> bool:
        """Whether every chain has its rules as well."""
        rules = {name: len(chain.rules) for name, chain in table.chains.items()}
        return self.complete(table) and self.rules == rules


@dataclass(slots=True)
class Found:
    """What nft shows of our tables: elements by key, and the rest by the table's family."""

    elements: dict[NftKey, str] = field(default_factory=dict)
    tables: dict[str, FoundTable] = field(default_factory=dict)

    def table(self, table: Table) -> FoundTable:
        """What was found of a table."""
        return self.tables.get(table.family, FoundTable())

    def complete(self, tables: Iterable[Table]) -> bool:
        """Whether these tables have every shelf and every chain."""
        return all(self.table(each).complete(each) for each in tables)

    @property
    def intact(self) -> bool:
        """Whether all our tables are whole."""
        return all(self.table(each).intact(each) for each in TABLES)


def _shape(shelf: Shelf) -> str:
    return f"{kind(shelf.name)} {_types(shelf)}" + (" flags interval" if shelf.interval else "")


def parse(listing: str) -> Found:
    """What `nft list` or `nft get element` prints of our tables; other tables are passed over."""
    found = Found()
    for family, content in _OURS.findall(listing):
        if family in BY_FAMILY:
            _read_table(found, found.tables.setdefault(family, FoundTable()), content)
    return found


def _read_table(found: Found, table: FoundTable, content: str) -> None:
    for sort, name, body in _BLOCK.findall(content):
        lines = [line.strip() for line in body.splitlines()]
        if sort == "chain":
            table.rules[name] = sum(1 for line in lines if line and not line.startswith("type "))
            continue
        table.shelves[name] = " ".join(
            [sort, *(line for line in lines if line.startswith(("type", "flags")))]
        )
        if elements := _ELEMENTS.search(body):
            for element in elements[1].split(","):
                key, _, data = element.strip().partition(" : ")
                found.elements[NftKey(name, key)] = data


def tidy_complaint(complaint: str) -> str:
    """The first line of what nft says, without its leading word and place."""
    lines = complaint.strip().splitlines()
    return re.sub(r"^(\S+:\d+:\d+(-\d+)?: )?Error: ", "", lines[0]) if lines else "it gives no reason"
