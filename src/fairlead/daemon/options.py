"""One table of everything that can be set: flag, daemon.json key, kind of value, help.

Names and meanings are dockerd's, so that its flags and files serve here.
"""

from dataclasses import dataclass
from enum import Enum

from fairlead.model.guards import Guard


class Kind(Enum):
    """What a value looks like, on the command line and in daemon.json."""

    TEXT = "string"
    NUMBER = "integer"
    SWITCH = "boolean"
    TEXTS = "list of strings"
    POOLS = "list of pools"
    ULIMITS = "map of limits"
    MAP = "map of strings"
    MAPS = "map of maps of strings"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting.  `key` is its name in daemon.json, "" if it has none there."""

    flags: tuple[str, ...]
    key: str
    kind: Kind
    help: str
    reloadable: bool = False

    @property
    def name(self) -> str:
        """The long flag without its dashes."""
        return next(flag for flag in self.flags if flag.startswith("--")).removeprefix("--")


TEXT, NUMBER, SWITCH, TEXTS = Kind.TEXT, Kind.NUMBER, Kind.SWITCH, Kind.TEXTS

OPTIONS = (
    Option(
        ("-H", "--host"),
        "hosts",
        TEXTS,
        "Daemon socket(s) to listen on: unix://PATH, tcp://ADDRESS:PORT, fd://",
    ),
    Option(("--data-root",), "data-root", TEXT, "Directory for records, images and logs"),
    Option(("--exec-root",), "exec-root", TEXT, "Directory for sockets, pins and process files"),
    Option(("-p", "--pidfile"), "pidfile", TEXT, "File that the daemon's process id is written to"),
    Option(("-D", "--debug"), "debug", SWITCH, "Log more", reloadable=True),
    Option(("-l", "--log-level"), "log-level", TEXT, "debug, info, warn, error or fatal"),
    Option(("-G", "--group"), "group", TEXT, "Group that may use the unix socket"),
    Option(("-b", "--bridge"), "bridge", TEXT, 'Bridge of the default network; "none" for no such network'),
    Option(("--bip",), "bip", TEXT, "Address and prefix of docker0, such as 192.168.99.1/24"),
    Option(
        ("--fixed-cidr",), "fixed-cidr", TEXT, "Part of docker0's subnet that containers get addresses from"
    ),
    Option(("--ipv6",), "ipv6", SWITCH, "Give docker0 IPv6 too"),
    Option(("--fixed-cidr-v6",), "fixed-cidr-v6", TEXT, "docker0's IPv6 subnet; else the first free one"),
    Option(("--default-gateway",), "default-gateway", TEXT, "Gateway of containers on docker0"),
    Option(("--default-gateway-v6",), "default-gateway-v6", TEXT, "IPv6 gateway of containers on docker0"),
    Option(
        ("--host-gateway-ip",),
        "host-gateway-ip",
        TEXT,
        "What host-gateway means in --add-host; else docker0's address",
    ),
    Option(
        ("--default-network-opt",),
        "default-network-opts",
        Kind.MAPS,
        "Option of new networks of a driver that say nothing else: DRIVER=OPTION=VALUE",
    ),
    Option(("--mtu",), "mtu", NUMBER, "MTU of containers' interfaces"),
    Option(("--iptables",), "iptables", SWITCH, "Write firewall rules"),
    Option(("--ip6tables",), "ip6tables", SWITCH, "Write firewall rules for networks with IPv6 too"),
    Option(("--ip-forward",), "ip-forward", SWITCH, "Switch IPv4 forwarding on"),
    Option(("--ip-masq",), "ip-masq", SWITCH, "Masquerade what containers on docker0 send"),
    Option(("--allow",), "allow", TEXTS, f"Switch off guard(s): {', '.join(Guard)}"),
    Option(
        ("--allow-direct-routing",),
        "allow-direct-routing",
        SWITCH,
        "Let other links route to containers: the same as --allow=direct-routing",
    ),
    Option(("--icc",), "icc", SWITCH, "Let containers on docker0 talk to each other"),
    Option(("--ip",), "ip", TEXT, "Host address for ports published on docker0 that name none"),
    Option(("--userland-proxy",), "userland-proxy", SWITCH, "Relay what the kernel cannot forward"),
    Option(("--dns",), "dns", TEXTS, "Name server(s) for containers", reloadable=True),
    Option(("--dns-search",), "dns-search", TEXTS, "Search domain(s) for containers", reloadable=True),
    Option(("--dns-opt",), "dns-opts", TEXTS, "Resolver option(s) for containers", reloadable=True),
    Option(
        ("--default-address-pool",),
        "default-address-pools",
        Kind.POOLS,
        "Block for the subnets of networks: base=ADDRESS/PREFIX,size=PREFIX",
    ),
    Option(
        ("--live-restore",),
        "live-restore",
        SWITCH,
        "Containers live on when the daemon ends (the default)",
        True,
    ),
    Option(("--repair",), "repair", SWITCH, "Bring back at once what others break (the default)", True),
    Option(("--insecure-registry",), "insecure-registries", TEXTS, "Registries reached without TLS", True),
    Option(("--registry-mirror",), "registry-mirrors", TEXTS, "Registries asked before Docker Hub", True),
    Option(("--label",), "labels", TEXTS, "Label(s) of this daemon, shown by info", reloadable=True),
    Option(
        ("--default-ulimit",), "default-ulimits", Kind.ULIMITS, "Limit for containers: name=soft[:hard]", True
    ),
    Option(("--log-driver",), "log-driver", TEXT, "Logging driver of containers that name none"),
    Option(("--log-opt",), "log-opts", Kind.MAP, "Option(s) of that driver: NAME=VALUE"),
    Option(
        ("--default-runtime",),
        "default-runtime",
        TEXT,
        "OCI runtime: runc or crun; the word runc means: the best there is",
    ),
    Option(("--init",), "init", SWITCH, "Run an init in every container"),
    Option(("--init-path",), "init-path", TEXT, "That init's path on the host"),
    Option(
        ("--shutdown-timeout",),
        "shutdown-timeout",
        NUMBER,
        "Seconds for containers to stop when the daemon ends",
        True,
    ),
    Option(
        ("--cluster-store",),
        "cluster-store",
        TEXT,
        "Store that the hosts of a cluster share: etcd://HOST:PORT[,HOST:PORT...][/PREFIX]",
    ),
    Option(
        ("--cluster-advertise",),
        "cluster-advertise",
        TEXT,
        "What the other hosts reach this one by: ADDRESS:PORT or INTERFACE:PORT",
    ),
    Option(
        ("--cluster-store-opt",),
        "cluster-store-opts",
        Kind.MAP,
        "Option(s) of the cluster store, NAME=VALUE: kv.cacertfile, kv.certfile, kv.keyfile, kv.path, "
        "kv.insecure, discovery.heartbeat, discovery.ttl",
    ),
    Option(
        ("--metrics-addr",),
        "metrics-addr",
        TEXT,
        "Address that Prometheus is answered at, such as 127.0.0.1:9323",
    ),
    Option(("--overlay-port",), "overlay-port", NUMBER, "UDP port of overlay networks (VXLAN), 4789"),
    Option(("--tls",), "tls", SWITCH, "TLS on TCP sockets; --tls=false lets anybody in who reaches them"),
    Option(("--tlsverify",), "tlsverify", SWITCH, "TLS on TCP sockets, clients show certificates too"),
    Option(("--tlscacert",), "tlscacert", TEXT, "Certificates that clients' are checked against"),
    Option(("--tlscert",), "tlscert", TEXT, "The daemon's certificate"),
    Option(("--tlskey",), "tlskey", TEXT, "The key of the daemon's certificate"),
)
BY_KEY = {option.key: option for option in OPTIONS}
BY_NAME = {option.name: option for option in OPTIONS}
# Keys that dockerd takes and that have no meaning here: accepted, so that its files can be used.
IGNORED_KEYS = frozenset(
    (
        "storage-driver storage-opts exec-opts features experimental builder "
        "containerd max-concurrent-downloads max-concurrent-uploads raw-logs runtimes "
        "selinux-enabled userland-proxy-path network-control-plane-mtu no-new-privileges oom-score-adjust"
    ).split()
)
# Flags of dockerd's network that have no meaning here either; the second are switches.
IGNORED_FLAGS = ("--userland-proxy-path", "--network-control-plane-mtu")
IGNORED_SWITCHES = ("--experimental",)  # which dockerd 20.10 wants beside --ip6tables
