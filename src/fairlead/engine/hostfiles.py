"""The texts of /etc/hosts, /etc/hostname and /etc/resolv.conf that a container sees.

Source of the forms: libnetwork `etchosts` and `resolvconf`.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from fairlead.model.addresses import Address
from fairlead.model.container import HostsEntry
from fairlead.model.errors import Failed

LOOPBACK_HOSTS = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "ff00::0\tip6-mcastprefix\n"
    "ff02::1\tip6-allnodes\n"
    "ff02::2\tip6-allrouters\n"
)
# Used when the host has no resolver that a container could reach (libnetwork's own choice).
FALLBACK_SERVERS = ("8.8.8.8", "8.8.4.4")
FALLBACK_SERVERS6 = ("2001:4860:4860::8888", "2001:4860:4860::8844")
STUB = "127.0.0.53"  # systemd-resolved's own server, on the host's loopback
EMBEDDED_SERVER = "127.0.0.11"
HOST_GATEWAY = "host-gateway"  # stands for the host's address on docker0 in --add-host
SERVER_LINE = re.compile(r"^nameserver[ \t]+(\S+)[^\n]*\n*", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ResolvConf:
    """A resolv.conf as far as it concerns names."""

    servers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()

    def text(self) -> str:
        """The file's text: search, nameserver and options lines."""
        lines = []
        if self.search and self.search != (".",):
            lines.append("search " + " ".join(self.search))
        lines += [f"nameserver {server}" for server in self.servers]
        if any(self.options):
            lines.append("options " + " ".join(self.options))
        return "".join(f"{line}\n" for line in lines)


def parse_resolv_conf(text: str) -> ResolvConf:
    """Read a resolv.conf; the last search or domain line counts, comments do not (resolv.conf(5))."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:])
        elif words[0] == "options":
            options = tuple(words[1:])
    return ResolvConf(tuple(servers), search, options)


def is_loopback(server: str) -> bool:
    """Whether a name server is on the host's loopback, where no container reaches it."""
    try:
        return ip_address(server.split("%")[0]).is_loopback
    except ValueError:
        return False


def is_own_loopback(server: str) -> bool:
    """Whether a name server that was chosen for a container is on its own loopback, our own left out."""
    return is_loopback(server) and server != EMBEDDED_SERVER


def addresses_in(servers: Collection[str]) -> tuple[str, ...]:
    """Those that are addresses, in their order, each once."""
    return tuple(dict.fromkeys(each for each in servers if _is_address(each)))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def in_force(text: str, resolved: str) -> str:
    """The resolv.conf that counts for containers: systemd-resolved's where the host asks its stub alone.

    Source: libnetwork `resolvconf.Path`.
    """
    return resolved if resolved and parse_resolv_conf(text).servers == (STUB,) else text


def name_servers(text: str, resolved: str) -> tuple[str, ...]:
    """Whom the host's own programs ask; behind systemd-resolved's stub those that it asks itself."""
    servers = (*parse_resolv_conf(text).servers, *parse_resolv_conf(in_force(text, resolved)).servers)
    return addresses_in(servers)


def ndots(options: Sequence[str]) -> int:
    """How many dots a name needs to be tried before the search domains; with our resolver 0 by default."""
    found = [word.partition(":")[2] for word in options if word.startswith("ndots:")]
    return int(found[-1]) if found and found[-1].isdigit() else 0


def reachable(host: ResolvConf, ipv6: bool) -> tuple[str, ...]:
    """The host's servers that a container without a resolver of ours can ask."""
    servers = tuple(each for each in host.servers if _within_reach(each, ipv6))
    return servers or _fallback(ipv6)


def _within_reach(server: str, ipv6: bool) -> bool:
    return not is_loopback(server) and (ipv6 or ":" not in server)


def _fallback(ipv6: bool) -> tuple[str, ...]:
    return FALLBACK_SERVERS + (FALLBACK_SERVERS6 if ipv6 else ())


def filtered(text: str, ipv6: bool) -> str:
    """The host's resolv.conf without the servers that a container does not reach, all else as it is.

    Where no server is left the fallback follows after an empty line.
    Source: libnetwork `resolvconf.FilterResolvDNS`.
    """
    kept = SERVER_LINE.sub(lambda line: line[0] if _within_reach(line[1], ipv6) else "", text)
    if SERVER_LINE.search(kept):
        return kept
    return kept + "".join(f"\nnameserver {server}" for server in _fallback(ipv6)) + "\n"


def own_names(hostname: str, domain: str) -> tuple[str, ...]:
    """What a container calls itself: the full name, then its first part.

    Either option may have brought the domain.  Source: libnetwork `updateHostsFile`.
    """
    full = f"{hostname}.{domain}" if domain else hostname
    first, dot, _ = full.partition(".")
    return (full, first) if dot else (full,)


def hosts_text(own: Sequence[HostsEntry], extra: Sequence[str], gateway: Address | None) -> str:
    """The text of /etc/hosts: loopback, --add-host entries (`name:address`), then links and the own name.

    `gateway` is what the word host-gateway stands for; Failed where it is asked for and there is none.
    """
    return "".join([LOOPBACK_HOSTS, *_extra_lines(extra, gateway), *map(_line, own)])


def _extra_lines(extra: Sequence[str], gateway: Address | None) -> list[str]:
    lines = []
    for each in extra:
        name, _, address = each.partition(":")
        if address == HOST_GATEWAY:
            if gateway is None:
                raise Failed(f"unable to derive the IP value for {HOST_GATEWAY}")
            address = str(gateway)
        lines.append(f"{address}\t{name}\n")
    return lines


def edited(text: str, gone: Collection[HostsEntry], come: Sequence[HostsEntry]) -> str:
    """A hosts file with some entries of ours replaced; what the container wrote itself stays."""
    lost = set(map(_line, gone))
    kept = "".join(line for line in text.splitlines(keepends=True) if line not in lost)
    if kept and not kept.endswith("\n"):
        kept += "\n"
    return kept + "".join(map(_line, come))


def moved(text: str, name: str, address: Address) -> str:
    """A hosts file in which the entry that begins with `name` leads to another address."""
    return re.sub(rf"^\S+(?=\t{re.escape(name)}(\s|$))", str(address), text, flags=re.MULTILINE)


def without(text: str, name: str) -> str:
    """A hosts file without the entry that begins with `name`."""
    return re.sub(rf"^\S+\t{re.escape(name)}(?=\s).*\n", "", text, flags=re.MULTILINE)


def _line(entry: HostsEntry) -> str:
    return f"{entry.address}\t{' '.join(entry.names)}\n"
