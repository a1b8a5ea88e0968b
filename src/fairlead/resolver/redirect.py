"""Port 53 of 127.0.0.11 leads to the resolver's sockets, and stays free for a name server in the sandbox.

A socket bound to 127.0.0.11:53 would keep a container's own server from binding 0.0.0.0:53.  So the
sockets have other ports, and the kernel exchanges the numbers on the way: without connection
tracking, which would cost all the container's traffic.
"""

from fairlead.libnftables import Libnftables, Refused

ADDRESS = "127.0.0.11"
PORT = 53
TABLE = "ip fairlead"

RULES = """\
add chain {table} names {{ type filter hook output priority raw; }}
add rule {table} names oifname != "lo" return
add rule {table} names ip daddr {address} udp dport {port} udp dport set {udp}
add rule {table} names ip daddr {address} tcp dport {port} tcp dport set {tcp}
add rule {table} names ip saddr {address} udp sport {udp} udp sport set {port}
add rule {table} names ip saddr {address} tcp sport {tcp} tcp sport set {port}
"""
REMOVE = f"add table {TABLE}\ndelete table {TABLE}\n"


def redirect(library: Libnftables, udp: int, tcp: int) -> str:
    """Lead port 53 to these ports, in the namespace of `library`; what is there then.

    Takes the place of an earlier redirection.  Raises Refused.
    """
    rules = RULES.format(table=TABLE, address=ADDRESS, port=PORT, udp=udp, tcp=tcp)
    library.run(f"{REMOVE}add table {TABLE}\n{rules}")
    return shown(library)


def shown(library: Libnftables) -> str:
    """What is there now, "" for nothing: to be compared with what `redirect` returned."""
    try:
        return library.run(f"list table {TABLE}")
    except Refused:
        return ""


def withdraw(library: Libnftables) -> None:
    """Take the redirection away; fine when there is none."""
    library.run(REMOVE)
