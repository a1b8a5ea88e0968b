"""One look at what packets' paths depend on: links, routes and sockets of namespaces, and the firewall."""

import contextlib
import ipaddress
import json
import struct
from collections.abc import Iterator
from typing import Any

from fairlead import process
from fairlead.explain.scene import Inside, LinkFacts, Listening, RouteFacts
from fairlead.firewall.iptables_text import parse
from fairlead.firewall.nft_text import parse as parse_tables
from fairlead.firewall.ruleset import Ruleset
from fairlead.firewall.tables import TABLE, TABLES
from fairlead.libnftables import Libnftables, Refused
from fairlead.model.addresses import Address
from fairlead.model.errors import FairleadError
from fairlead.model.host import NftKey

DEADLINE = 20.0  # seconds
LISTENING = "0A"
DEFAULT = {4: "0.0.0.0/0", 6: "::/0"}


def inside(pid: int = 0) -> Inside:
    """The network namespace of a process, of this one for 0."""
    enter = ["nsenter", "-t", str(pid), "-n"] if pid else []
    links = {each["ifname"]: _link(each) for each in _listed([*enter, "ip", "-d", "-j", "address"])}
    routes = [
        route
        for version in (4, 6)
        for each in _listed([*enter, "ip", f"-{version}", "-j", "route"])
        if (route := _route(each, version)) is not None
    ]
    return Inside(links, tuple(routes), tuple(_listening(pid)))


def rules() -> dict[int, Ruleset]:
    """The rules of iptables, by IP version."""
    return {4: parse(_output(["iptables-save"])), 6: parse(_output(["ip6tables-save"]))}


def elements() -> dict[NftKey, str]:
    """What our own tables hold."""
    texts = []
    with contextlib.closing(Libnftables()) as library:
        for table in TABLES:
            with contextlib.suppress(Refused):
                texts.append(library.run(f"list table {table.family} {TABLE}"))
    return dict(parse_tables("".join(texts)).elements)


def bridged_packets_pass() -> bool:
    """Whether bridged packets pass iptables."""
    with contextlib.suppress(OSError), open("/proc/sys/net/bridge/bridge-nf-call-iptables") as file:
        return file.read().strip() == "1"
    return False


def _output(words: list[str]) -> str:
    done = process.call(words, deadline=DEADLINE, check=True)
    return done.stdout.decode(errors="replace")


def _listed(words: list[str]) -> list[dict[str, Any]]:
    with contextlib.suppress(FairleadError):
        found: list[dict[str, Any]] = json.loads(_output(words) or "[]")
        return found
    return []


def _link(found: dict[str, Any]) -> LinkFacts:
    addresses = [
        ipaddress.ip_interface(f"{each['local']}/{each['prefixlen']}") for each in found["addr_info"]
    ]
    return LinkFacts(
        "UP" in found["flags"],
        tuple(addresses),
        found["ifindex"],
        found.get("link_index", 0),
        found.get("master", ""),
        bool(found.get("linkinfo", {}).get("info_slave_data", {}).get("isolated")),
    )


def _route(found: dict[str, Any], version: int) -> RouteFacts | None:
    if found.get("type", "unicast") != "unicast" or "dev" not in found:
        return None
    text = DEFAULT[version] if found["dst"] == "default" else found["dst"]
    gateway = ipaddress.ip_address(found["gateway"]) if "gateway" in found else None
    return RouteFacts(ipaddress.ip_network(text, strict=False), found["dev"], gateway)


def _listening(pid: int) -> Iterator[Listening]:
    for protocol in ("tcp", "udp"):
        for suffix in ("", "6"):
            text = ""
            with contextlib.suppress(OSError), open(f"/proc/{pid or 'self'}/net/{protocol}{suffix}") as file:
                text = file.read()
            for line in text.splitlines()[1:]:
                words = line.split()
                if protocol == "udp" or words[3] == LISTENING:
                    place, _, port = words[1].rpartition(":")
                    yield Listening(protocol, _address(place), int(port, 16))


def _address(text: str) -> Address:
    """An address as /proc/net has it: words of four bytes, each in the host's order."""
    numbers = [int(text[start : start + 8], 16) for start in range(0, len(text), 8)]
    return ipaddress.ip_address(b"".join(struct.pack("=I", number) for number in numbers))
