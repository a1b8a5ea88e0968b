"""What can be wrong with a host: one table of stable codes, each a question to one look at it.

A code is never used again for something else.  Every check yields the subjects that it concerns; its
sentence and its remedy speak about one of them.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from fairlead.model.addresses import Subnet
from fairlead.model.condition import Condition, NetworkFacts

SMALLEST_FILES = 4096  # descriptors that the port holder or a busy resolver needs
EMBEDDED = "127.0.0.11"  # the name server that containers have
HEADS = ("-j DOCKER-USER", "-j DOCKER-ISOLATION-STAGE-1")


class Severity(StrEnum):
    """What follows: only errors make the exit code 1."""

    ERROR = "error"  # something does not work
    WARNING = "warning"  # something may stop to work, or works otherwise than one thinks


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that can be wrong; `sentence` and `remedy` have {subject} in them."""

    code: str
    severity: Severity
    sentence: str
    remedy: str
    subjects: Callable[[Condition], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Complaint:
    """What is wrong with this host."""

    code: str
    severity: Severity
    sentence: str
    remedy: str


def examine(condition: Condition) -> list[Complaint]:
    """All that is wrong, in the order of the table."""
    return [
        Complaint(
            check.code,
            check.severity,
            check.sentence.format(subject=subject),
            check.remedy.format(subject=subject),
        )
        for check in CHECKS
        for subject in check.subjects(condition)
    ]


def _if(wrong: bool, subject: str = "") -> Iterator[str]:
    if wrong:
        yield subject


def _bridges(condition: Condition) -> list[NetworkFacts]:
    return [network for network in condition.networks if network.bridge]


def _dropping_before_ours(condition: Condition) -> Iterator[str]:
    """Rules of others that drop before DOCKER-USER is asked."""
    for rule in condition.forward_rules:
        if rule in HEADS:
            return
        if rule.endswith("-j DROP") or "-j REJECT" in rule:
            yield rule


def _closed_without_us(condition: Condition) -> bool:
    return condition.forward_policy == "DROP" and not any(rule in HEADS for rule in condition.forward_rules)


def _overlapping(condition: Condition) -> Iterator[str]:
    """Subnets of networks that are reached by another link than their bridge.

    Default routes overlap everything, and so do the halves that VPNs put before them.
    """
    for network in condition.networks:
        for route in condition.routes:
            if route.link == network.bridge or route.destination.prefixlen <= 1:
                continue
            vpn = ", a VPN" if route.link in condition.tunnels else ""
            for subnet in network.subnets:
                if _overlap(subnet, route.destination):
                    yield f"{subnet} of network {network.name} and {route.destination} by {route.link}{vpn}"


def _overlap(one: Subnet, other: Subnet) -> bool:
    return one.version == other.version and one.overlaps(other)


def _too_large(condition: Condition) -> Iterator[str]:
    for network in _bridges(condition):
        if condition.uplink_mtu and network.mtu > condition.uplink_mtu:
            yield f"{network.name} ({network.mtu} bytes, the way out {condition.uplink_mtu})"


def _asking_ourselves(condition: Condition) -> Iterator[str]:
    subnets = [subnet for network in _bridges(condition) for subnet in network.subnets]
    for server in condition.name_servers:
        address = ip_address(server.partition("%")[0])
        in_network = any(address in subnet for subnet in subnets if subnet.version == address.version)
        if server == EMBEDDED or in_network:
            yield server


def _nobody_there(condition: Condition) -> Iterator[str]:
    if not {("udp", 53), ("tcp", 53)} & condition.taken_ports:
        for server in condition.name_servers:
            address = ip_address(server.partition("%")[0])
            if server != EMBEDDED and (address.is_loopback or address in condition.own_addresses):
                yield server


def _held(condition: Condition) -> Iterator[str]:
    for (protocol, number), container in condition.wanted_ports:
        if (protocol, number) in condition.taken_ports:
            yield f"{number}/{protocol} of container {container}"


E, W = Severity.ERROR, Severity.WARNING
CHECKS = (
    Check(
        "FL101",
        W,
        "The daemon does not answer, so that networks and ports were not looked at: {subject}.",
        "Start it with `fairlead daemon`, or name its socket with -H.",
        lambda host: _if(bool(host.daemon), host.daemon),
    ),
    Check(
        "FL102",
        E,
        "The program {subject} is not installed.",
        "Install the Debian package that has it (packages.txt names them all).",
        lambda host: iter(host.missing_programs),
    ),
    Check(
        "FL103",
        E,
        "The kernel lacks {subject}.",
        "Load the module (`modprobe`), or use a kernel that has it built in.",
        lambda host: iter(host.missing_features),
    ),
    Check(
        "FL201",
        E,
        "IPv4 forwarding is off: containers reach nobody but their own network.",
        "sysctl -w net.ipv4.ip_forward=1, and see who switched it off (a file in /etc/sysctl.d).",
        lambda host: _if(host.settings.get("net.ipv4.ip_forward") == "0" and bool(host.bridges)),
    ),
    Check(
        "FL202",
        E,
        "IPv6 forwarding is off, and there are networks with IPv6.",
        "sysctl -w net.ipv6.conf.all.forwarding=1, with accept_ra=2 on links that get their address by RA.",
        lambda host: _if(
            host.settings.get("net.ipv6.conf.all.forwarding") == "0" and bool(host.ipv6_bridges)
        ),
    ),
    Check(
        "FL203",
        W,
        "Reverse path filtering is strict, and there are several ways out: answers by another are dropped.",
        "sysctl -w net.ipv4.conf.all.rp_filter=2",
        lambda host: _if(
            host.settings.get("net.ipv4.conf.all.rp_filter") == "1" and len(set(host.default_links)) > 1
        ),
    ),
    Check(
        "FL204",
        W,
        "Bridged packets do not pass iptables: rules in DOCKER-USER do not see what neighbours exchange.",
        "modprobe br_netfilter; sysctl -w net.bridge.bridge-nf-call-iptables=1",
        lambda host: _if(host.settings.get("net.bridge.bridge-nf-call-iptables") == "0"),
    ),
    Check(
        "FL205",
        E,
        "A rule before DOCKER-USER drops forwarded packets: FORWARD {subject}.",
        "Move it into DOCKER-USER, or narrow it down to links that are not the engine's.",
        _dropping_before_ours,
    ),
    Check(
        "FL206",
        E,
        "iptables drops what is forwarded (policy of FORWARD), and the engine's rules are not there.",
        "Start the daemon, or let it write rules (without --iptables=false).",
        lambda host: _if(_closed_without_us(host)),
    ),
    Check(
        "FL207",
        E,
        "A chain of another program drops what is forwarded, whatever the engine's rules say: {subject}.",
        "Accept the engine's bridges there (firewalld: put them into the zone trusted).",
        lambda host: iter(host.closed_chains),
    ),
    Check(
        "FL301",
        E,
        "A network has addresses that are elsewhere too: {subject}.",
        "Make the network anew with another --subnet, and give the daemon other --default-address-pool.",
        _overlapping,
    ),
    Check(
        "FL302",
        W,
        "Packets of a network are larger than the way out carries: {subject}.",
        "Make it anew with -o com.docker.network.driver.mtu=SIZE, or leave the option out: then it follows.",
        _too_large,
    ),
    Check(
        "FL303",
        W,
        "NetworkManager runs, and may take the engine's links for its own.",
        "Write `[keyfile]` and "
        "`unmanaged-devices=interface-name:docker*;interface-name:br-*;interface-name:veth*` into"
        " /etc/NetworkManager/conf.d/fairlead.conf.",
        lambda host: _if(host.network_manager),
    ),
    Check(
        "FL304",
        W,
        "systemd-networkd takes the engine's links for its own, by {subject}.",
        "Narrow [Match] down, or write a file before it for docker* br-* veth* with [Link] Unmanaged=yes.",
        lambda host: iter(host.networkd_files),
    ),
    Check(
        "FL401",
        W,
        "The table of tracked connections is nearly full ({subject}): new connections will be dropped.",
        "sysctl -w net.netfilter.nf_conntrack_max=NUMBER, and see who opens so many.",
        lambda host: _if(host.tracked.nearly, f"{host.tracked.used} of {host.tracked.limit}"),
    ),
    Check(
        "FL402",
        W,
        "The table of neighbours is nearly full ({subject}): containers will not find each other.",
        "sysctl -w net.ipv4.neigh.default.gc_thresh3=NUMBER, and gc_thresh2 and gc_thresh1 below it.",
        lambda host: _if(host.neighbours.nearly, f"{host.neighbours.used} of {host.neighbours.limit}"),
    ),
    Check(
        "FL403",
        W,
        "The inotify instances of root are nearly used up ({subject}): each container has one.",
        "sysctl -w fs.inotify.max_user_instances=1024",
        lambda host: _if(host.watchers.nearly, f"{host.watchers.used} of {host.watchers.limit}"),
    ),
    Check(
        "FL404",
        W,
        "The files that the machine may have open are nearly used up ({subject}).",
        "sysctl -w fs.file-max=NUMBER",
        lambda host: _if(host.files.nearly, f"{host.files.used} of {host.files.limit}"),
    ),
    Check(
        "FL405",
        W,
        "A process may open {subject} files only: a held port takes one, a connection to [::1] two.",
        "Start the daemon with a higher limit (LimitNOFILE= of its unit, or ulimit -n).",
        lambda host: _if(0 < host.most_files < SMALLEST_FILES, str(host.most_files)),
    ),
    Check(
        "FL501",
        E,
        "The host asks its own containers for names: /etc/resolv.conf names {subject}.",
        "Name a server that is elsewhere, or give the daemon one with --dns.",
        _asking_ourselves,
    ),
    Check(
        "FL502",
        E,
        "Nobody answers on port 53 at {subject}, which /etc/resolv.conf names.",
        "Start the name server (systemd-resolved, dnsmasq), or give the daemon another with --dns.",
        _nobody_there,
    ),
    Check(
        "FL503",
        W,
        "/etc/resolv.conf names no name server: containers find only each other.",
        "Write a line `nameserver ADDRESS` into it, or give the daemon one with --dns.",
        lambda host: _if(not host.name_servers),
    ),
    Check(
        "FL601",
        W,
        "Somebody else holds a port that a stopped container publishes: {subject}.",
        "See who with `ss -ltnup`; end it, or publish another port.",
        _held,
    ),
)


def as_document(complaints: list[Complaint]) -> dict[str, object]:
    """What `--json` prints."""
    sound = not any(each.severity is Severity.ERROR for each in complaints)
    return {
        "Sound": sound,
        "Findings": [
            {
                "Code": each.code,
                "Severity": each.severity.value,
                "Sentence": each.sentence,
                "Remedy": each.remedy,
            }
            for each in complaints
        ],
    }


def as_table() -> str:
    """The table as documentation."""
    lines = ["| Code | Severity | What is wrong | What helps |", "| --- | --- | --- | --- |"]
    for check in CHECKS:
        texts = [text.format(subject="…").replace("|", "\\|") for text in (check.sentence, check.remedy)]
        lines.append(f"| {check.code} | {check.severity.value} | {texts[0]} | {texts[1]} |")
    return "\n".join(lines) + "\n"
