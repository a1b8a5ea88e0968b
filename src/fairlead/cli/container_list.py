"""`fairlead ps` and `container ls`."""

from typing import Any

from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import FORMAT, Flag, Values
from fairlead.cli.kinds import FILTER, INT
from fairlead.cli.labels import labels_shown
from fairlead.cli.output import Column, Listing, show
from fairlead.cli.problems import Invalid
from fairlead.cli.reference import parse_reference
from fairlead.cli.session import Session
from fairlead.cli.times import ago, local_time
from fairlead.cli.units import ellipsis, human_size, short_id

Container = dict[str, Any]


def names_shown(container: Container, no_trunc: bool) -> str:
    """Its names; in short without those that are links from other containers."""
    names = [name.removeprefix("/") for name in container.get("Names") or []]
    return ",".join(names if no_trunc else [name for name in names if "/" not in name])


def image_shown(container: Container, no_trunc: bool) -> str:
    """The image as it was named, or its short id when that is all there is."""
    image = str(container.get("Image") or "<no image>")
    if no_trunc:
        return image
    if short_id(image) == short_id(container.get("ImageID", "")):
        return short_id(image)
    try:
        reference = parse_reference(image)
    except Invalid:
        return image
    return reference.repository + (f":{reference.tag}" if reference.tag else "")


def command_shown(container: Container, no_trunc: bool) -> str:
    """The command in quotes."""
    text = str(container.get("Command", ""))
    return _quoted(text if no_trunc else ellipsis(text, 20))


_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\a": "\\a", "\b": "\\b"}
_ESCAPES |= {"\f": "\\f", "\v": "\\v"}


def _quoted(text: str) -> str:
    def one(letter: str) -> str:
        if letter in _ESCAPES:
            return _ESCAPES[letter]
        if letter.isprintable():
            return letter
        return f"\\x{ord(letter):02x}" if ord(letter) < 0x80 else f"\\u{ord(letter):04x}"

    return '"' + "".join(map(one, text)) + '"'


def _port_order(port: Container) -> tuple[int, str, int, str]:
    return port["PrivatePort"], port.get("IP") or "", port.get("PublicPort") or 0, port["Type"]


def ports_shown(ports: list[Container]) -> str:
    """`0.0.0.0:8080->80/tcp, 9000-9003/udp`: neighbours that map to themselves stand together as a range."""
    groups: dict[str, list[int]] = {}
    ranges, others = [], []
    for port in sorted(ports, key=_port_order):
        private, address = port["PrivatePort"], port.get("IP") or ""
        if address and port.get("PublicPort") != private:
            others.append(f"{_joined(address, str(port.get('PublicPort') or 0))}->{private}/{port['Type']}")
            continue
        key = f"{address}/{port['Type']}"
        first_last = groups.get(key)
        if first_last is None:
            groups[key] = [private, private]
        elif private == first_last[1] + 1:
            first_last[1] = private
        else:
            ranges.append(_range_shown(key, *first_last))
            groups[key] = [private, private]
    ranges += [_range_shown(key, *first_last) for key, first_last in groups.items()]
    return ", ".join(ranges + others)


def _range_shown(key: str, first: int, last: int) -> str:
    address, _, protocol = key.rpartition("/")
    shown = f"{first}-{last}" if first != last else str(first)
    return f"{_joined(address, shown)}->{shown}/{protocol}" if address else f"{shown}/{protocol}"


def _joined(address: str, port: str) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def size_shown(container: Container) -> str:
    """What it has written, and what it has with its image."""
    written = human_size(container.get("SizeRw") or 0, 3)
    whole = container.get("SizeRootFs") or 0
    return f"{written} (virtual {human_size(whole, 3)})" if whole > 0 else written


def _mounts(container: Container, no_trunc: bool) -> str:
    names = [mount.get("Name") or mount.get("Source") or "" for mount in container.get("Mounts") or []]
    return ",".join(names if no_trunc else [ellipsis(name, 15) for name in names])


def _networks(container: Container) -> str:
    settings = container.get("NetworkSettings") or {}
    return ",".join(settings.get("Networks") or {})


def _local_volumes(container: Container) -> str:
    return str(sum(mount.get("Driver") == "local" for mount in container.get("Mounts") or []))


def listing(no_trunc: bool) -> Listing:
    """What can be shown of a container."""
    columns = {
        "ID": Column("CONTAINER ID", lambda one: one["Id"] if no_trunc else short_id(one["Id"])),
        "Image": Column("IMAGE", lambda one: image_shown(one, no_trunc)),
        "Command": Column("COMMAND", lambda one: command_shown(one, no_trunc)),
        "CreatedAt": Column("CREATED AT", lambda one: local_time(one["Created"])),
        "RunningFor": Column("CREATED", lambda one: ago(one["Created"])),
        "Status": Column("STATUS", lambda one: one.get("Status", "")),
        "State": Column("STATE", lambda one: one.get("State", "")),
        "Ports": Column("PORTS", lambda one: ports_shown(one.get("Ports") or [])),
        "Names": Column("NAMES", lambda one: names_shown(one, no_trunc)),
        "Labels": Column("LABELS", lambda one: labels_shown(one.get("Labels"))),
        "Mounts": Column("MOUNTS", lambda one: _mounts(one, no_trunc)),
        "LocalVolumes": Column("LOCAL VOLUMES", _local_volumes),
        "Networks": Column("NETWORKS", _networks),
        "Size": Column("SIZE", size_shown),
        "Platform": Column("PLATFORM", lambda one: None),
    }
    methods = {"Label": lambda one, name: (one.get("Labels") or {}).get(name, "")}
    complaints = ("failed to parse template", "failed to execute template")
    return Listing("formatter.ContainerContext", columns, methods, complaints)


_FLAGS = (
    Flag("all", "Show all containers (default shows just running)", short="a"),
    Flag("filter", "Filter output based on conditions provided", FILTER, short="f"),
    FORMAT,
    Flag("last", "Show n last created containers (includes all states)", INT, short="n", default=-1),
    Flag("latest", "Show the latest created container (includes all states)", short="l"),
    Flag("no-trunc", "Don't truncate output"),
    Flag("quiet", "Only display container IDs", short="q"),
    Flag("size", "Display total file sizes", short="s"),
)
_TABLE = ("ID", "Image", "Command", "RunningFor", "Status", "Ports", "Names")


def _list(session: Session, values: Values, _: list[str]) -> None:
    form = values.text("format") or _configured(session)
    limit = 1 if values.yes("latest") and values.number("last") == -1 else max(values.number("last"), 0)
    size = values.yes("size") or ".Size" in form
    found = session.client.containers.list(values.yes("all"), limit, size, values.filters())
    table = (*_TABLE, "Size") if values.yes("size") else _TABLE
    quiet = "ID" if values.yes("quiet") else ""
    show(session, listing(values.yes("no-trunc")), found, form, table=table, quiet=quiet)


def _configured(session: Session) -> str:
    form = session.configuration.get("psFormat")
    return form if isinstance(form, str) else ""


_ALIASES = ("container ls", "container list", "container ps", "ps")
ls = command("ls [OPTIONS]", *_FLAGS, arguments=Arguments(), aliases=_ALIASES)(_list)
ps = command("ps [OPTIONS]", *_FLAGS, arguments=Arguments(), aliases=_ALIASES)(_list)
