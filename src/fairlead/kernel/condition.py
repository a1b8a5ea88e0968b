"""One look at the host for `fairlead doctor`: files of /proc, /sys and /etc, and what the firewall says.

It needs no daemon.  What cannot be read counts as being in order.
"""

import contextlib
import ipaddress
import json
import os
import re
import resource
import shutil
import struct
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

from fairlead import process
from fairlead.libnftables import Libnftables, Refused
from fairlead.model.addresses import Address
from fairlead.model.condition import Condition, Filled, Port, RouteFacts
from fairlead.model.errors import FairleadError

PROGRAMS = (
    ("conmon",),
    ("crun", "runc"),
    ("iptables-restore",),
    ("iptables-save",),
    ("ip6tables-restore",),
    ("skopeo",),
    ("containers-storage",),
    ("buildah",),
)
FEATURES = {  # a file that is there, or that has a word in it, where the kernel has it
    "overlay filesystems": ("/proc/filesystems", "overlay"),
    "connection tracking": ("/proc/sys/net/netfilter", ""),
    "network namespaces": ("/proc/self/ns/net", ""),
    "br_netfilter": ("/proc/sys/net/bridge", ""),
}
SETTINGS = (
    "net.ipv4.ip_forward",
    "net.ipv6.conf.all.forwarding",
    "net.ipv4.conf.all.rp_filter",
    "net.bridge.bridge-nf-call-iptables",
)
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
VPN_KINDS = ("tun", "wireguard", "ipip", "gre", "xfrm")
OUR_LINKS = ("docker0", "br-0123456789ab", "veth0123456")
LISTENING = "0A"
OUR_TABLES = r"(ip|ip6|inet|bridge|netdev|arp) fairlead\S*"


def look() -> Condition:
    """The host that this process is in, without what only the daemon knows."""
    routes = json.loads(_output("ip", "-j", "route") or "[]") + json.loads(
        _output("ip", "-6", "-j", "route") or "[]"
    )
    defaults = [each["dev"] for each in routes if each["dst"] == "default" and "dev" in each]
    saved = _output("iptables-save", "-t", "filter")
    policy = re.search(r"^:FORWARD (\S+)", saved, re.M)
    links = json.loads(_output("ip", "-d", "-j", "link") or "[]")
    addresses = json.loads(_output("ip", "-j", "address") or "[]")
    bridges = [each["ifname"] for each in links if _is_ours(each)]
    sizes = [each["mtu"] for each in links if each.get("ifname") in defaults]
    return Condition(
        missing_programs=tuple(_missing_programs()),
        missing_features=tuple(_missing_features()),
        settings={name: _text("/proc/sys/" + name.replace(".", "/")).strip() for name in SETTINGS},
        forward_rules=tuple(re.findall(r"^-A FORWARD (.*)$", saved, re.M)),
        forward_policy=policy[1] if policy else "ACCEPT",
        closed_chains=tuple(_closed_chains()),
        routes=tuple(_routes(routes)),
        bridges=tuple(bridges),
        ipv6_bridges=tuple(each for each in bridges if _has_ipv6(addresses, each)),
        default_links=tuple(defaults),
        tunnels=tuple(each["ifname"] for each in links if _is_tunnel(each)),
        uplink_mtu=min(sizes, default=0),
        tracked=_filled("net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max"),
        neighbours=_neighbours(),
        watchers=Filled(_watchers(), _number("/proc/sys/fs/inotify/max_user_instances")),
        files=_files(),
        most_files=resource.getrlimit(resource.RLIMIT_NOFILE)[1],
        name_servers=tuple(_name_servers()),
        own_addresses=tuple(_own_addresses(addresses)),
        taken_ports=frozenset(_taken_ports()),
        network_manager=_runs("NetworkManager") and not _left_alone(),
        networkd_files=tuple(_networkd_files()) if _runs("systemd-network") else (),
    )


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""


def _number(path: str) -> int:
    text = _text(path).strip()
    return int(text) if text.isdigit() else 0


def _output(*words: str) -> str:
    with contextlib.suppress(FairleadError):
        done = process.call(list(words), deadline=20, environment={"PATH": os.environ.get("PATH", PATH)})
        return done.stdout.decode(errors="replace") if not done.code else ""
    return ""


def _missing_programs() -> Iterator[str]:
    for names in PROGRAMS:
        if not any(shutil.which(name) for name in names):
            yield " or ".join(names)


def _missing_features() -> Iterator[str]:
    for feature, (path, word) in FEATURES.items():
        if not os.path.exists(path) or word and word not in _text(path).split():
            yield feature


def _closed_chains() -> Iterator[str]:
    """Chains at the forward hook with the policy drop that are neither iptables' nor ours."""
    with contextlib.suppress(FairleadError, Refused):
        with contextlib.closing(Libnftables()) as library:
            text = library.run("list chains", terse=True)
        table = ""
        for line in text.splitlines():
            words = line.split()
            if words[:1] == ["table"]:
                table = " ".join(words[1:3])
            elif words[:1] == ["chain"]:
                chain = words[1]
            elif "hook forward" in line and "policy drop" in line:
                iptables = table in ("ip filter", "ip6 filter") and chain == "FORWARD"
                if not iptables and not re.fullmatch(OUR_TABLES, table):
                    yield f"table {table}, chain {chain}"


def _routes(found: list[dict[str, Any]]) -> Iterator[RouteFacts]:
    for each in found:
        if each["dst"] != "default" and "dev" in each and each.get("type", "unicast") == "unicast":
            destination = ipaddress.ip_network(each["dst"], strict=False)
            if not destination.is_link_local and not destination.is_multicast:
                yield RouteFacts(destination, each["dev"])


def _is_tunnel(link: dict[str, Any]) -> bool:
    return link.get("linkinfo", {}).get("info_kind") in VPN_KINDS


def _filled(used: str, limit: str) -> Filled:
    return Filled(_number(f"/proc/sys/{used}"), _number(f"/proc/sys/{limit}"))


def _neighbours() -> Filled:
    """The kernel has one table for all namespaces; its statistics count all of them."""
    rows = _text("/proc/net/stat/arp_cache").splitlines()
    used = int(rows[1].split()[0], 16) if len(rows) > 1 else 0
    return Filled(used, _number("/proc/sys/net/ipv4/neigh/default/gc_thresh3"))


def _watchers() -> int:
    """The inotify instances of this user's processes, as far as they can be seen."""
    count = 0
    for path in glob("/proc/[0-9]*/fd"):
        with contextlib.suppress(OSError):
            if os.stat(path).st_uid == os.getuid():
                for entry in os.scandir(path):
                    with contextlib.suppress(OSError):
                        count += os.readlink(entry.path) == "anon_inode:inotify"
    return count


def _files() -> Filled:
    words = _text("/proc/sys/fs/file-nr").split()
    return Filled(int(words[0]), int(words[2])) if len(words) == 3 else Filled()


def _name_servers() -> Iterator[str]:
    for line in _text("/etc/resolv.conf").splitlines():
        words = line.split()
        if words[:1] == ["nameserver"] and len(words) > 1:
            with contextlib.suppress(ValueError):
                ipaddress.ip_address(words[1].partition("%")[0])
                yield words[1]


def _is_ours(link: dict[str, Any]) -> bool:
    named = re.fullmatch(r"docker0|docker_gwbridge|br-[0-9a-f]{12}", link.get("ifname", ""))
    return named is not None and link.get("linkinfo", {}).get("info_kind") == "bridge"


def _has_ipv6(addresses: list[dict[str, Any]], link: str) -> bool:
    found = [each for of in addresses if of.get("ifname") == link for each in of.get("addr_info", ())]
    return any(each["family"] == "inet6" and each["scope"] == "global" for each in found)


def _own_addresses(addresses: list[dict[str, Any]]) -> Iterator[Address]:
    for link in addresses:
        for each in link.get("addr_info", ()):
            yield ipaddress.ip_address(each["local"])


def _taken_ports() -> Iterator[Port]:
    """Ports that somebody has bound: for TCP, listens on."""
    for protocol in ("tcp", "udp"):
        for line in (_text(f"/proc/net/{protocol}") + _text(f"/proc/net/{protocol}6")).splitlines():
            words = line.split()
            if words and words[0].endswith(":") and (protocol == "udp" or words[3] == LISTENING):
                (number,) = struct.unpack("!H", bytes.fromhex(words[1].rpartition(":")[2]))
                yield protocol, number


def _runs(name: str) -> bool:
    """Whether a process of that name runs; the kernel keeps fifteen letters of names."""
    return any(_text(path).strip() == name[:15] for path in glob("/proc/[0-9]*/comm"))


def _left_alone() -> bool:
    """Whether NetworkManager was told to leave links of ours alone."""
    files = ["/etc/NetworkManager/NetworkManager.conf", *glob("/etc/NetworkManager/conf.d/*.conf")]
    return any("unmanaged-devices" in _text(path) and "veth" in _text(path) for path in files)


def _networkd_files() -> Iterator[str]:
    """Files of systemd-networkd whose [Match] takes in links with names as ours."""
    for path in sorted(glob("/etc/systemd/network/*.network") + glob("/run/systemd/network/*.network")):
        text = _text(path)
        names = [word for line in re.findall(r"^Name=(.*)$", text, re.M) for word in line.split()]
        patterns = [re.compile(re.escape(name).replace(r"\*", ".*")) for name in names if name[:1] != "!"]
        taken = any(pattern.fullmatch(link) for pattern in patterns for link in OUR_LINKS)
        if taken and not re.search(r"^Unmanaged=(yes|true|1)", text, re.M | re.I):
            yield path
