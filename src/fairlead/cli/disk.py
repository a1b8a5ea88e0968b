"""`fairlead system df`."""

from typing import Any

from fairlead.cli import container_list, image_list, volumes
from fairlead.cli.commands import command
from fairlead.cli.flags import FORMAT, Flag, Values
from fairlead.cli.output import Column, Listing, show
from fairlead.cli.session import Session
from fairlead.cli.units import human_size

Document = dict[str, Any]
_ACTIVE = ("running", "paused", "restarting")


def _part(reclaimable: int, whole: int) -> str:
    shown = human_size(reclaimable)
    return f"{shown} ({reclaimable * 100 // whole}%)" if whole > 0 else shown


def summary(found: Document) -> list[Document]:
    """A row for each sort of thing: how many there are and are used, how large, how much of it could go."""
    images = found.get("Images") or []
    layers = found.get("LayersSize") or 0
    used = sum(
        image["Size"] - image["SharedSize"]
        for image in images
        if image.get("Containers") and image["Size"] != -1 and image["SharedSize"] != -1
    )
    containers = found.get("Containers") or []
    sizes = [(one.get("State") in _ACTIVE, one.get("SizeRw") or 0) for one in containers]
    usages = [volume.get("UsageData") or {} for volume in found.get("Volumes") or []]
    known = [(usage.get("RefCount", 0) > 0, max(usage.get("Size", 0), 0)) for usage in usages]
    cache = found.get("BuildCache") or []
    builds = [(bool(entry.get("InUse")), entry.get("Size") or 0) for entry in cache]
    in_use = sum(bool(image.get("Containers")) for image in images)
    return [
        _row("Images", len(images), in_use, layers, _part(layers - used, layers)),
        _counted("Containers", sizes),
        _counted("Local Volumes", known),
        _row(
            "Build Cache",
            len(cache),
            sum(active for active, _ in builds),
            sum(size for _, size in builds),
            human_size(sum(size for active, size in builds if not active)),
        ),
    ]


def _counted(name: str, things: list[tuple[bool, int]]) -> Document:
    whole = sum(size for _, size in things)
    free = sum(size for active, size in things if not active)
    return _row(name, len(things), sum(active for active, _ in things), whole, _part(free, whole))


def _row(name: str, total: int, active: int, size: int, reclaimable: str) -> Document:
    return {
        "Type": name,
        "TotalCount": str(total),
        "Active": str(active),
        "Size": human_size(size),
        "Reclaimable": reclaimable,
    }


_SUMMARY = Listing(
    "formatter.diskUsageContext",
    {
        "Type": Column("TYPE", lambda row: row["Type"]),
        "TotalCount": Column("TOTAL", lambda row: row["TotalCount"]),
        "Active": Column("ACTIVE", lambda row: row["Active"]),
        "Size": Column("SIZE", lambda row: row["Size"]),
        "Reclaimable": Column("RECLAIMABLE", lambda row: row["Reclaimable"]),
    },
)
_IMAGES = ("Repository", "Tag", "ID", "CreatedSince", "Size", "SharedSize", "UniqueSize", "Containers")
_CONTAINERS = ("ID", "Image", "Command", "LocalVolumes", "Size", "RunningFor", "Status", "Names")


@command(
    "df [OPTIONS]",
    FORMAT,
    Flag("verbose", "Show detailed information on space usage", short="v"),
)
def df(session: Session, values: Values, _: list[str]) -> None:
    """Show how much the engine keeps on disk."""
    found = session.client.system.disk_usage()
    if values.yes("verbose") and not values.text("format"):
        _show_all(session, found)
        return
    show(session, _SUMMARY, summary(found), values.text("format"), table=tuple(_SUMMARY.columns))


def _show_all(session: Session, found: Document) -> None:
    session.line("Images space usage:\n")
    rows = [row for image in found.get("Images") or [] for row in image_list.rows(image, False)]
    show(session, image_list.listing(False), rows, table=_IMAGES)
    session.line("\nContainers space usage:\n")
    listing = container_list.listing(False)
    columns = {**listing.columns, "Size": Column("SIZE", lambda one: human_size(one.get("SizeRw") or 0, 3))}
    plain = Listing(listing.kind, columns, listing.methods)
    show(session, plain, found.get("Containers") or [], table=_CONTAINERS)
    session.line("\nLocal Volumes space usage:\n")
    show(session, volumes.listing(), found.get("Volumes") or [], table=("Name", "Links", "Size"))
    cache = found.get("BuildCache") or []
    session.line(f"\nBuild cache usage: {human_size(sum(entry.get('Size') or 0 for entry in cache))}\n")
    session.line("CACHE ID   CACHE TYPE   SIZE      CREATED   LAST USED   USAGE     SHARED")
