"""`fairlead volume`: ls, create, rm."""

from typing import Any

from fairlead.cli import checks
from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import FORMAT, Flag, Values
from fairlead.cli.kinds import FILTER, MAP, STRING, listed
from fairlead.cli.labels import label_map, labels_shown
from fairlead.cli.many import each, natural
from fairlead.cli.output import Column, Listing, show
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session
from fairlead.cli.units import human_size

NOTHING = "N/A"


def _usage(volume: dict[str, Any]) -> dict[str, Any]:
    return volume.get("UsageData") or {}


def _links(volume: dict[str, Any]) -> str:
    return str(_usage(volume).get("RefCount", NOTHING))


def _size(volume: dict[str, Any]) -> str:
    size = _usage(volume).get("Size")
    return NOTHING if size is None else human_size(size)


def listing() -> Listing:
    """What can be shown of a volume."""
    columns = {
        "Driver": Column("DRIVER", lambda volume: volume["Driver"]),
        "Name": Column("VOLUME NAME", lambda volume: volume["Name"]),
        "Scope": Column("SCOPE", lambda volume: volume.get("Scope", "")),
        "Mountpoint": Column("MOUNTPOINT", lambda volume: volume.get("Mountpoint", "")),
        "Labels": Column("LABELS", lambda volume: labels_shown(volume.get("Labels"))),
        "Links": Column("LINKS", _links),
        "Size": Column("SIZE", _size),
        "Availability": Column("AVAILABILITY", lambda volume: NOTHING),
        "Group": Column("GROUP", lambda volume: NOTHING),
        "Status": Column("STATUS", lambda volume: NOTHING),
    }
    methods = {"Label": lambda volume, name: (volume.get("Labels") or {}).get(name, "")}
    return Listing("formatter.volumeContext", columns, methods)


@command(
    "ls [OPTIONS]",
    Flag("filter", 'Provide filter values (e.g. "dangling=true")', FILTER, short="f"),
    FORMAT,
    Flag("quiet", "Only display volume names", short="q"),
    aliases=("volume ls", "volume list"),
)
def ls(session: Session, values: Values, _: list[str]) -> None:
    """List volumes, in natural order of their names."""
    found = session.client.volumes.list(values.filters()).get("Volumes") or []
    found.sort(key=lambda volume: natural(volume["Name"]))
    quiet = "Name" if values.yes("quiet") else ""
    show(session, listing(), found, values.text("format"), table=("Driver", "Name"), quiet=quiet)


@command(
    "create [OPTIONS] [VOLUME]",
    Flag("driver", "Specify volume driver name", STRING, short="d", default="local"),
    Flag("label", "Set metadata for a volume", listed(checks.label)),
    Flag("name", "Specify volume name", STRING, hidden=True),
    Flag("opt", "Set driver specific options", MAP, short="o"),
    arguments=Arguments(0, 1),
)
def create(session: Session, values: Values, words: list[str]) -> None:
    """Create a volume and print its name."""
    if words and values.given("name"):
        raise Ending(
            1, "conflicting options: cannot specify a volume-name through both --name and as a positional arg"
        )
    body = {
        "Name": words[0] if words else values.text("name"),
        "Driver": values.text("driver"),
        "DriverOpts": values.pairs("opt"),
        "Labels": label_map(values.all("label")),
    }
    session.line(session.client.volumes.create(body)["Name"])


@command(
    "rm [OPTIONS] VOLUME [VOLUME...]",
    Flag("force", "Force the removal of one or more volumes", short="f"),
    arguments=Arguments(1, None, "volumes"),
    aliases=("volume rm", "volume remove"),
    more="Remove one or more volumes. You cannot remove a volume that is in use by a container.",
)
def rm(session: Session, values: Values, words: list[str]) -> int:
    """Remove volumes."""

    def act(name: str) -> None:
        session.client.volumes.remove(name, values.yes("force"))

    return each(session, words, act)
