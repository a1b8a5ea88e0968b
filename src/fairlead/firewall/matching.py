"""One iptables rule as a condition on a packet: read from its text, and held against the packet.

A rule that uses anything not listed here is not understood, and says so, rather than being
guessed at.
"""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network

from fairlead.model.addresses import Address

_TESTS = ("-s", "-d", "-i", "-o", "-p", "--dport", "--sport", "--ctstate", "--dst-type", "--src-type")
_NO_TESTS = ("-m", "--comment")
_DECIDING = ("ACCEPT", "DROP", "REJECT", "DNAT", "SNAT", "MASQUERADE")
_TYPES = ("LOCAL",)


@dataclass(frozen=True, slots=True)
class Packet:
    """The first packet of a connection; `link` is where it comes in, "" from a process of the host.

    `bridge_port` is the port of a bridge, if it comes in by one: a container's.
    """

    source: Address
    destination: Address
    protocol: str = "tcp"
    port: int = 0
    source_port: int = 40000
    link: str = ""
    state: str = "NEW"
    bridge_port: str = ""


@dataclass(frozen=True, slots=True)
class Condition:
    """A rule: its tests as (option, negated, value), its target's `name` and the target's arguments."""

    tests: tuple[tuple[str, bool, str], ...]
    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)

    @property
    def decides(self) -> bool:
        """Whether the target ends the walk through its table."""
        return self.name in _DECIDING

    def argument(self, option: str) -> str:
        """An argument of the target, "" if it has none such."""
        return self.arguments.get(option, "")


def read(text: str) -> Condition | None:
    """The condition in a rule's text as iptables-save prints it; None when it is not understood."""
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    tests: list[tuple[str, bool, str]] = []
    name, arguments, negated = "", {}, False
    while words:
        word = words.pop(0)
        if word == "!":
            negated = True
            continue
        if not word.startswith("-"):
            return None
        value = words.pop(0) if words and (not words[0].startswith("-") or word == "-m") else ""
        if name:
            arguments[word] = value
        elif word in ("-j", "-g"):
            name = value
        elif word in _TESTS:
            if word.endswith("-type") and value not in _TYPES:
                return None
            tests.append((word, negated, value))
        elif word not in _NO_TESTS:
            return None
        negated = False
    return Condition(tuple(tests), name, arguments)


def holds(condition: Condition, packet: Packet, way_out: str, local: Callable[[Address], bool]) -> bool:
    """Whether a packet that is going to leave by `way_out` meets every test of the condition."""
    return all(
        _holds(option, value, packet, way_out, local) is not negated
        for option, negated, value in condition.tests
    )


def _holds(option: str, value: str, packet: Packet, way_out: str, local: Callable[[Address], bool]) -> bool:
    match option:
        case "-s":
            return packet.source in ip_network(value, strict=False)
        case "-d":
            return packet.destination in ip_network(value, strict=False)
        case "-i":
            return _link(packet.link, value)
        case "-o":
            return _link(way_out, value)
        case "-p":
            return packet.protocol == value
        case "--dport":
            return _in_span(packet.port, value)
        case "--sport":
            return _in_span(packet.source_port, value)
        case "--ctstate":
            return packet.state in value.split(",")
        case "--dst-type":
            return local(packet.destination)
        case _:
            return local(packet.source)


def _link(link: str, value: str) -> bool:
    return link.startswith(value[:-1]) if value.endswith("+") else link == value


def _in_span(port: int, value: str) -> bool:
    first, _, last = value.partition(":")
    return int(first) <= port <= int(last or first)
