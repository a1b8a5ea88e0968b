"""`fairlead network`: ls, create, rm, connect, disconnect."""

from typing import Any

from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import FORMAT, Flag, Values
from fairlead.cli.kinds import BOOL, FILTER, INT, LIST, MAP, STRING, STRINGS
from fairlead.cli.labels import label_map, labels_shown
from fairlead.cli.many import each, natural
from fairlead.cli.output import Column, Listing, show
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session
from fairlead.cli.times import go_time
from fairlead.cli.units import short_id


def _yes(value: Any) -> str:
    return "true" if value else "false"


def _listing(no_trunc: bool) -> Listing:
    columns = {
        "ID": Column("NETWORK ID", lambda net: net["Id"] if no_trunc else short_id(net["Id"])),
        "Name": Column("NAME", lambda net: net["Name"]),
        "Driver": Column("DRIVER", lambda net: net["Driver"]),
        "Scope": Column("SCOPE", lambda net: net["Scope"]),
        "IPv4": Column("IPV4", lambda net: _yes(net.get("EnableIPv4"))),
        "IPv6": Column("IPV6", lambda net: _yes(net.get("EnableIPv6"))),
        "Internal": Column("INTERNAL", lambda net: _yes(net.get("Internal"))),
        "Labels": Column("LABELS", lambda net: labels_shown(net.get("Labels"))),
        "CreatedAt": Column("CREATED AT", lambda net: go_time(net["Created"])),
    }
    methods = {"Label": lambda net, name: (net.get("Labels") or {}).get(name, "")}
    return Listing("network.networkContext", columns, methods)


@command(
    "ls [OPTIONS]",
    Flag("filter", 'Provide filter values (e.g. "driver=bridge")', FILTER, short="f"),
    FORMAT,
    Flag("no-trunc", "Do not truncate the output"),
    Flag("quiet", "Only display network IDs", short="q"),
    aliases=("network ls", "network list"),
)
def ls(session: Session, values: Values, _: list[str]) -> None:
    """List networks, in natural order of their names."""
    found = session.client.networks.list(values.filters())
    found.sort(key=lambda network: natural(network["Name"]))
    quiet = "ID" if values.yes("quiet") else ""
    listing = _listing(values.yes("no-trunc"))
    show(
        session,
        listing,
        found,
        values.text("format"),
        table=("ID", "Name", "Driver", "Scope"),
        quiet=quiet,
    )


@command(
    "create [OPTIONS] NETWORK",
    Flag("attachable", "Enable manual container attachment"),
    Flag("aux-address", "Auxiliary IPv4 or IPv6 addresses used by Network driver", MAP),
    Flag("config-from", "The network from which to copy the configuration", STRING),
    Flag("config-only", "Create a configuration only network"),
    Flag("driver", "Driver to manage the Network", STRING, short="d", default="bridge"),
    Flag("gateway", "IPv4 or IPv6 Gateway for the master subnet", STRINGS),
    Flag("ingress", "Create swarm routing-mesh network"),
    Flag("internal", "Restrict external access to the network"),
    Flag("ip-range", "Allocate container ip from a sub-range", STRINGS),
    Flag("ipam-driver", "IP Address Management Driver", STRING, default="default"),
    Flag("ipam-opt", "Set IPAM driver specific options", MAP),
    Flag("ipv4", "Enable or disable IPv4 address assignment", BOOL, default=True),
    Flag("ipv6", "Enable or disable IPv6 address assignment", BOOL),
    Flag("label", "Set metadata on a network", LIST),
    Flag("opt", "Set driver specific options", MAP, short="o"),
    Flag("scope", "Control the network's scope", STRING),
    Flag("subnet", "Subnet in CIDR format that represents a network segment", STRINGS),
    arguments=Arguments(1, 1),
)
def create(session: Session, values: Values, words: list[str]) -> None:
    """Create a network and print its id."""
    body = network_body(values, words[0])
    if session.client.transport.older_than(1, 44):
        body["CheckDuplicate"] = True
    created = session.client.networks.create(body)
    if created.get("Warning"):
        session.complain(f"WARNING: {created['Warning']}")
    session.line(created["Id"])


def network_body(values: Values, name: str) -> dict[str, Any]:
    """What `POST /networks/create` is sent.  Ending when the subnets do not go together."""
    from fairlead.cli.subnets import pools

    driver = {"Driver": values.text("ipam-driver"), "Options": values.pairs("ipam-opt")}
    configuration = pools(
        values.all("subnet"), values.all("ip-range"), values.all("gateway"), values.pairs("aux-address")
    )
    source = values.text("config-from")
    return {
        "Name": name,
        "Driver": values.text("driver"),
        "Scope": values.text("scope"),
        "EnableIPv4": values.yes("ipv4") if values.given("ipv4") else None,
        "EnableIPv6": values.yes("ipv6") if values.given("ipv6") else None,
        "IPAM": {**driver, "Config": configuration},
        "Internal": values.yes("internal"),
        "Attachable": values.yes("attachable"),
        "Ingress": values.yes("ingress"),
        "ConfigOnly": values.yes("config-only"),
        "ConfigFrom": {"Network": source} if source else None,
        "Options": values.pairs("opt"),
        "Labels": label_map(values.all("label")),
    }


@command(
    "rm NETWORK [NETWORK...]",
    Flag("force", "Do not error if the network does not exist", short="f"),
    arguments=Arguments(1, None, "networks"),
    aliases=("network rm", "network remove"),
)
def rm(session: Session, values: Values, words: list[str]) -> int:
    """Remove networks and print the name of each."""
    missing = "skipped" if values.yes("force") else "fails"
    return each(session, words, session.client.networks.remove, missing=missing)


@command(
    "connect [OPTIONS] NETWORK CONTAINER",
    Flag("alias", "Add network-scoped alias for the container", STRINGS),
    Flag("driver-opt", "driver options for the network", STRINGS),
    Flag("gw-priority", "Highest gw-priority provides the default gateway", INT),
    Flag("ip", 'IPv4 address (e.g., "172.30.100.104")', STRING),
    Flag("ip6", 'IPv6 address (e.g., "2001:db8::33")', STRING),
    Flag("link", "Add link to another container", LIST, completes="containers"),
    Flag("link-local-ip", "Add a link-local address for the container", STRINGS),
    arguments=Arguments(2, 2, "network, then container"),
)
def connect(session: Session, values: Values, words: list[str]) -> None:
    """Connect a container to a network."""
    endpoint: dict[str, Any] = {
        "IPAMConfig": {
            "IPv4Address": values.text("ip"),
            "IPv6Address": values.text("ip6"),
            "LinkLocalIPs": values.all("link-local-ip"),
        },
        "Links": values.all("link"),
        "Aliases": values.all("alias"),
        "DriverOpts": _driver_options(values.all("driver-opt")),
    }
    if values.number("gw-priority"):
        endpoint["GwPriority"] = values.number("gw-priority")
    session.client.networks.connect(words[0], words[1], endpoint)


def _driver_options(options: list[str]) -> dict[str, str]:
    pairs = {}
    for option in options:
        name, separator, value = option.partition("=")
        if not separator:
            raise Ending(1, f"invalid key/value pair format in driver options: {option}")
        pairs[name] = value
    return pairs


@command(
    "disconnect [OPTIONS] NETWORK CONTAINER",
    Flag("force", "Force the container to disconnect from a network", short="f"),
    arguments=Arguments(2, 2, "network, then container"),
)
def disconnect(session: Session, values: Values, words: list[str]) -> None:
    """Disconnect a container from a network."""
    session.client.networks.disconnect(words[0], words[1], values.yes("force"))
