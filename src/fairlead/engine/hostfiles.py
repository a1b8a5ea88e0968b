"""The texts of /etc/hosts, /etc/hostname and /etc/resolv.conf that a container sees.

Source of the forms: libnetwork `etchosts` and `resolvconf`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from fairlead.model.container import HostsEntry

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
EMBEDDED_SERVER = "127.0.0.11"


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
        if self.options:
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


def reachable(host: ResolvConf, ipv6: bool) -> tuple[str, ...]:
    """The host's servers that a container without a resolver of ours can ask."""
    servers = tuple(each for each in host.servers if not is_loopback(each) and (ipv6 or ":" not in each))
    return servers or FALLBACK_SERVERS


def hosts_text(own: Sequence[HostsEntry], extra: Sequence[str]) -> str:
    """The text of /etc/hosts: loopback, --add-host entries (`name:address`), then links and the own name."""
    lines = [LOOPBACK_HOSTS]
    for each in extra:
        name, _, address = each.partition(":")
        lines.append(f"{address}\t{name}\n")
    lines += [f"{entry.address}\t{' '.join(entry.names)}\n" for entry in own]
    return "".join(lines)
