"""Port 53 of 127.0.0.11 leads to the resolver's sockets, and stays free for a name server in the sandbox.

A socket bound to 127.0.0.11:53 would keep a container's own server from binding 0.0.0.0:53.  So the
sockets have other ports, and the kernel exchanges the numbers on the way: without connection
tracking, which would cost all the container's traffic.
"""

import re

from fairlead.libnftables import Libnftables, Refused

ADDRESS = "127.0.0.11"
PORT = 53
TABLE = "ip fairlead"

CHAIN = f"add chain {TABLE} names {{ type filter hook output priority raw; }}"
RULES = (
    'oifname != "lo" return',
    "ip daddr {address} udp dport {port} udp dport set {udp}",
    "ip daddr {address} tcp dport {port} tcp dport set {tcp}",
    "ip saddr {address} udp sport {udp} udp sport set {port}",
    "ip saddr {address} tcp sport {tcp} tcp sport set {port}",
)
REMOVE = f"add table {TABLE}\ndelete table {TABLE}\n"


def shown(library: Libnftables) -> str:
    """What there is of it in the namespace of `library`, as text; "" for nothing."""
    try:
        return library.run(f"list table {TABLE}")
    except Refused:
        return ""


def leads_to(text: str) -> tuple[int, int] | None:
    """The ports for UDP and TCP that a whole redirection leads to; None for anything else."""
    found = [
        re.search(rf"{kind} dport {PORT} {kind} dport set (\d+)$", text, re.M) for kind in ("udp", "tcp")
    ]
    if not all(found):
        return None
    udp, tcp = (int(each[1]) for each in found if each)
    rules = [line.strip() for line in text.splitlines() if " set " in line or "return" in line]
    return (udp, tcp) if rules == _rules(udp, tcp) else None


def redirect(library: Libnftables, before: str, udp: int, tcp: int) -> str:
    """Lead port 53 to these ports, in the place of what was shown before; what is shown then.

    Raises Refused.
    """
    commands = [f"add table {TABLE}", CHAIN, *(f"add rule {TABLE} names {each}" for each in _rules(udp, tcp))]
    # What is removed must be waited for, so only where there is something.
    library.run((REMOVE if before else "") + "\n".join(commands) + "\n")
    return shown(library)


def withdraw(library: Libnftables) -> None:
    """Take the redirection away; fine when there is none."""
    library.run(REMOVE)


def _rules(udp: int, tcp: int) -> list[str]:
    return [each.format(address=ADDRESS, port=PORT, udp=udp, tcp=tcp) for each in RULES]
