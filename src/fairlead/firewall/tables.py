"""The shape of our own nftables tables: what each holds, where it hooks in, and its rules.

All three are named `fairlead`: in the family ip what the kernel does beside Docker's iptables
rules, in inet the guards of what is routed, in bridge the guards of what containers send.  The
rules never change: a published port, a network or a container is an element of a set or a map.
What drops counts what it drops, in counters that live as long as their table.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

TABLE = "fairlead"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A set (no `data`) or a map of a table, by the types of its keys.

    With `typeof` the key is given by the expressions that it is compared with.
    """

    name: str
    key: tuple[str, ...]
    data: tuple[str, ...] = ()
    interval: bool = False
    typeof: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """Where a chain hooks in ("" for one that others jump to), and its rules."""

    hook: str
    rules: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its shelves, its chains by name, its counters.  A shelf's name is in one table only."""

    family: str
    shelves: tuple[Shelf, ...]
    chains: Mapping[str, Chain]
    counters: tuple[str, ...] = field(default=())


_TRANSPORT = "meta l4proto { tcp, udp, sctp }"
_PORT = "meta l4proto . th dport"


def _redirect(link: str) -> tuple[str, ...]:
    return (
        f"{_TRANSPORT} dnat ip to {link} . {_PORT} map @ports",
        f"{_TRANSPORT} dnat ip to {link} . ip daddr . {_PORT} map @address_ports",
        f"{_TRANSPORT} dnat ip to {link} . ip daddr . {_PORT} map @runs",
    )


# It redirects just before iptables does (priority - 1), so that the result does not depend on who
# registered a chain first.
IP = Table(
    "ip",
    # The first part of a port's key says who is asking: a bridge's name for the containers on it,
    # "lo" for processes of the host.  Single ports have exact keys, since the cost of adding to a
    # shelf of intervals grows with what is on it; runs that keep their numbers are one interval.
    (
        Shelf("loopback", ("ipv4_addr",), interval=True),  # reached from the host itself only
        Shelf("networks", ("ifname", "ipv4_addr"), interval=True),  # a bridge and its containers' addresses
        Shelf("ports", ("ifname", "inet_proto", "inet_service"), ("ipv4_addr", "inet_service")),
        Shelf(
            "address_ports",
            ("ifname", "ipv4_addr", "inet_proto", "inet_service"),
            ("ipv4_addr", "inet_service"),
        ),
        Shelf("runs", ("ifname", "ipv4_addr", "inet_proto", "inet_service"), ("ipv4_addr",), interval=True),
    ),
    {
        # Redirection of the host's loopback needs route_localnet on the bridges, which would open the
        # host's own services on 127.0.0.0/8 to whoever sends such a packet (CVE-2020-8558); and a port
        # published on 127.0.0.1 would answer the LAN, since iptables redirects before routing checks.
        "guard": Chain(
            "type filter hook prerouting priority raw",
            ('iifname != "lo" ip daddr @loopback counter name "loopback" drop',),
        ),
        "from_containers": Chain(
            "type nat hook prerouting priority dstnat - 1",
            tuple(f"fib daddr type local {text}" for text in _redirect("iifname")),
        ),
        "from_host": Chain(
            "type nat hook output priority -101",
            tuple(f"ip daddr 127.0.0.0/8 {text}" for text in _redirect("oifname")),
        ),
        # The container must answer to the host, not to a neighbour or to its own loopback.  By source
        # subnet: with br_netfilter the in-interface is a bridge port here.
        "hide_source": Chain(
            "type nat hook postrouting priority srcnat - 1",
            (
                'ct status dnat ip saddr 127.0.0.0/8 oifname != "lo" masquerade',
                "ct status dnat oifname . ip saddr @networks masquerade",
            ),
        ),
    },
    ("loopback",),
)


def _elsewhere(family: str, shelf: str) -> str:
    """The rule for ports published on one address: not by a link on which the host does not have it."""
    asked = f"{_TRANSPORT} {family} daddr . {_PORT} @{shelf}"
    return f'{asked} fib daddr . iif type != local counter name "weak_host" drop'


def _clamp(start: str, end: str) -> str:
    return f"tcp flags syn / syn,rst iifname {start} oifname {end} tcp option maxseg size set rt mtu"


_TUNNEL, _FORGED = "udp dport @overlay_ports", 'counter name "tunnels" drop'

INET = Table(
    "inet",
    (
        Shelf("bridges", ("ifname",)),  # ours
        Shelf("guarded", ("ifname", "nf_proto")),  # bridges that are not routed to from elsewhere
        Shelf("trusted", ("ifname", "ifname")),  # a link and the bridge that it may reach all the same
        Shelf("routed", ("ifname", "nf_proto")),  # bridges whose containers are known by their own addresses
        Shelf("opened_ports", ("ipv4_addr", "inet_proto", "inet_service"), interval=True),  # of those
        Shelf("opened_ports6", ("ipv6_addr", "inet_proto", "inet_service"), interval=True),
        # Published on one address of the host.
        Shelf("bound_ports", ("ipv4_addr", "inet_proto", "inet_service"), interval=True),
        Shelf("bound_ports6", ("ipv6_addr", "inet_proto", "inet_service"), interval=True),
        Shelf("overlay_ports", ("inet_service",)),  # UDP, where overlay networks' packets arrive
        Shelf("vteps", ("ipv4_addr",)),  # the hosts that send such packets
        Shelf("vteps6", ("ipv6_addr",)),
    ),
    {
        # Behind iptables, whose FORWARD chain thus sees and decides as it does with Docker; what is
        # counted here is what would have got through.  Nothing that was let in by a published port, or
        # that answers a container, comes to the last rule, nor what goes from one of our bridges to another:
        # that is for the isolation of networks, and for the user's rules in DOCKER-USER.
        "direct_routing": Chain(
            "type filter hook forward priority filter + 10",
            (
                "oifname . meta nfproto != @guarded return",
                "ct state established,related return",
                "ct status dnat return",
                "iifname @bridges return",
                "iifname . oifname @trusted return",
                f"{_TRANSPORT} ip daddr . {_PORT} @opened_ports return",
                f"{_TRANSPORT} ip6 daddr . {_PORT} @opened_ports6 return",
                "oifname . meta nfproto @routed meta l4proto { icmp, ipv6-icmp } return",
                'counter name "direct_routing" drop',
            ),
        ),
        # Before destinations are changed, behind connection tracking.
        "weak_host": Chain(
            "type filter hook prerouting priority mangle",
            (
                'iifname "lo" return',
                "ct state != new return",
                "iifname @bridges return",
                _elsewhere("ip", "bound_ports"),
                _elsewhere("ip6", "bound_ports6"),
            ),
        ),
        # What arrives in a tunnel is believed to come from a container of its network (RFC 7348 section 7).
        "tunnels_in": Chain(
            "type filter hook input priority filter - 5",
            (
                f"{_TUNNEL} iifname @bridges {_FORGED}",
                f"{_TUNNEL} ip saddr != @vteps {_FORGED}",
                f"{_TUNNEL} ip6 saddr != @vteps6 {_FORGED}",
            ),
        ),
        # Masquerading would make it look like this host's.
        "tunnels_through": Chain(
            "type filter hook forward priority filter - 5",
            (f"{_TUNNEL} iifname @bridges oifname != @bridges {_FORGED}",),
        ),
        # Where a way out carries less than the bridges do, TCP is told so from its start, since what
        # says it later, ICMP, is lost on many ways.
        "segment_size": Chain(
            "type filter hook forward priority mangle",
            (_clamp("@bridges", "!= @bridges"), _clamp("!= @bridges", "@bridges")),
        ),
    },
    ("direct_routing", "weak_host", "tunnels"),
)

_SPOOFED = 'counter name "spoofing" drop'
_ROUTER = 'counter name "router_advertisements" drop'
# Neighbour discovery is heeded with the hop limit 255 only (RFC 4861), and nobody needs to send it
# in fragments (RFC 6980).  The first of them need not show what it is (RFC 7113).
_HIDDEN_IN_FRAGMENTS = "ip6 hoplimit 255 exthdr frag exists frag nexthdr != { tcp, udp }"
_TAGGED = "ether type { 8021q, 8021ad }"
# The target of a neighbour solicitation or advertisement, behind eight bytes.
_TARGET = "iifname . @th,64,128"

BRIDGE = Table(
    "bridge",
    (
        Shelf("endpoints", ("ifname",)),  # bridge ports, by name, behind which all must be its own
        Shelf("hardware_addresses", ("ifname", "ether_addr")),
        Shelf("ipv4_addresses", ("ifname", "ipv4_addr")),
        # Written as numbers: only so can the target of neighbour discovery be compared as well.
        Shelf("ipv6_addresses", ("iifname", "@nh,64,128"), typeof=True),
        Shelf("no_routers", ("ifname",)),  # bridge ports behind which no router is heeded
    ),
    {
        "from_endpoints": Chain(
            "type filter hook prerouting priority filter",
            (
                "meta protocol ip6 iifname @no_routers jump router",
                # Receivers look through tags with the number 0, one or more.
                f"{_TAGGED} iifname @no_routers @ll,116,12 0 {_ROUTER}",
                "iifname @endpoints jump source",
            ),
        ),
        "router": Chain(
            "",
            (
                f"icmpv6 type {{ nd-router-advert, nd-redirect }} {_ROUTER}",
                f"{_HIDDEN_IN_FRAGMENTS} {_ROUTER}",
            ),
        ),
        "source": Chain(
            "",
            (
                f"{_TAGGED} {_SPOOFED}",
                f"iifname . ether saddr != @hardware_addresses {_SPOOFED}",
                # What bridges say to each other (IEEE 802.1D, table 7-10) is not for containers to say.
                f"ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 {_SPOOFED}",
                "meta protocol vmap { ip : goto ipv4_source, arp : goto arp_source, ip6 : goto ipv6_source }",
            ),
        ),
        "ipv4_source": Chain(
            "",
            (
                "iifname . ip saddr @ipv4_addresses return",
                "ip saddr 0.0.0.0 udp sport 68 udp dport 67 return",  # asks DHCP for an address
                _SPOOFED,
            ),
        ),
        "arp_source": Chain(
            "",
            (
                f"iifname . arp saddr ether != @hardware_addresses {_SPOOFED}",
                "iifname . arp saddr ip @ipv4_addresses return",
                "arp operation request arp saddr ip 0.0.0.0 return",  # is this address free? (RFC 5227)
                _SPOOFED,
            ),
        ),
        "ipv6_source": Chain(
            "",
            (
                f"{_HIDDEN_IN_FRAGMENTS} {_SPOOFED}",
                f"icmpv6 type nd-neighbor-advert {_TARGET} != @ipv6_addresses {_SPOOFED}",
                "iifname . @nh,64,128 @ipv6_addresses return",
                # Who has no address yet asks whether its own is free, and joins groups.
                f"ip6 saddr :: icmpv6 type nd-neighbor-solicit {_TARGET} @ipv6_addresses return",
                "ip6 saddr :: icmpv6 type { mld-listener-report, mld2-listener-report } return",
                _SPOOFED,
            ),
        ),
    },
    ("spoofing", "router_advertisements"),
)

TABLES = (IP, INET, BRIDGE)
BY_FAMILY = {table.family: table for table in TABLES}
SHELVES = tuple(shelf for table in TABLES for shelf in table.shelves)
BY_NAME = {shelf.name: shelf for shelf in SHELVES}
TABLE_OF = {shelf.name: table for table in TABLES for shelf in table.shelves}
