"""The `prune` commands: what nobody uses is removed, after a question unless -f says yes."""

import sys
from collections.abc import Callable
from typing import Any

from fairlead.cli.commands import command
from fairlead.cli.flags import Flag, Values
from fairlead.cli.kinds import FILTER
from fairlead.cli.session import Session
from fairlead.cli.units import human_size
from fairlead.client.errors import Refused

Filters = dict[str, list[str]]
_FORCE = Flag("force", "Do not prompt for confirmation", short="f")
_UNTIL = Flag("filter", 'Provide filter values (e.g. "until=<timestamp>")', FILTER)
_LABEL = Flag("filter", 'Provide filter values (e.g. "label=<label>")', FILTER)


def _agreed(session: Session, values: Values, warning: str) -> bool:
    if values.yes("force"):
        return True
    session.write(f"{warning}\nAre you sure you want to continue? [y/N] ")
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() == "y"


def _shown(title: str, names: list[str]) -> str:
    return f"{title}:\n" + "".join(f"{name}\n" for name in names) if names else ""


def _containers(session: Session, filters: Filters) -> tuple[int, str]:
    answer = session.client.containers.prune(filters)
    return answer.get("SpaceReclaimed") or 0, _shown(
        "Deleted Containers", answer.get("ContainersDeleted") or []
    )


def _networks(session: Session, filters: Filters) -> tuple[int, str]:
    answer = session.client.networks.prune(filters)
    return 0, _shown("Deleted Networks", answer.get("NetworksDeleted") or [])


def _volumes(session: Session, filters: Filters) -> tuple[int, str]:
    answer = session.client.volumes.prune(filters)
    return answer.get("SpaceReclaimed") or 0, _shown("Deleted Volumes", answer.get("VolumesDeleted") or [])


def _images(session: Session, filters: Filters, every: bool) -> tuple[int, str]:
    wanted = {**filters, "dangling": ["false" if every else "true"]}
    answer = session.client.images.prune(wanted)
    lines = [
        f"untagged: {item['Untagged']}" if item.get("Untagged") else f"deleted: {item['Deleted']}"
        for item in answer.get("ImagesDeleted") or []
    ]
    return answer.get("SpaceReclaimed") or 0, _shown("Deleted Images", lines)


def _builds(session: Session, filters: Filters, every: bool) -> tuple[int, str]:
    try:
        answer = session.client.system.prune_builds(every, filters)
    except Refused as problem:
        # A daemon that does not build has no such route, and no cache either.
        if problem.status in (404, 501):
            return 0, ""
        raise
    deleted = answer.get("CachesDeleted") or []
    return answer.get("SpaceReclaimed") or 0, _shown("Deleted build cache objects", deleted)


def _prune(session: Session, values: Values, warning: str, act: Callable[[], tuple[int, str]]) -> None:
    if not _agreed(session, values, warning):
        return
    reclaimed, text = act()
    if text:
        session.line(text)
    session.line(f"Total reclaimed space: {human_size(reclaimed)}")


@command("prune [OPTIONS]", _UNTIL, _FORCE)
def containers(session: Session, values: Values, _: list[str]) -> None:
    """Remove stopped containers."""
    warning = "WARNING! This will remove all stopped containers."
    _prune(session, values, warning, lambda: _containers(session, values.filters()))


@command("prune [OPTIONS]", _UNTIL, _FORCE)
def networks(session: Session, values: Values, words: list[str]) -> None:
    """Remove networks without containers."""
    warning = "WARNING! This will remove all custom networks not used by at least one container."
    if _agreed(session, values, warning):
        text = _networks(session, values.filters())[1]
        if text:
            session.line(text)


@command(
    "prune [OPTIONS]",
    Flag("all", "Remove all unused volumes, not just anonymous ones", short="a"),
    _LABEL,
    _FORCE,
)
def volumes(session: Session, values: Values, words: list[str]) -> None:
    """Remove volumes without containers."""
    kinds = "" if _prunes_named(session) or values.yes("all") else "anonymous "
    warning = f"WARNING! This will remove {kinds or 'all '}local volumes not used by at least one container."
    filters = values.filters()
    if values.yes("all"):
        filters["all"] = ["true"]
    _prune(session, values, warning, lambda: _volumes(session, filters))


def _prunes_named(session: Session) -> bool:
    """Before API 1.42 volumes with a name were removed too."""
    return session.client.transport.older_than(1, 42)


@command(
    "prune [OPTIONS]",
    Flag("all", "Remove all unused images, not just dangling ones", short="a"),
    _UNTIL,
    _FORCE,
)
def images(session: Session, values: Values, _: list[str]) -> None:
    """Remove images that nothing uses."""
    every = values.yes("all")
    which = (
        "all images without at least one container associated to them." if every else "all dangling images."
    )
    warning = f"WARNING! This will remove {which}"
    _prune(session, values, warning, lambda: _images(session, values.filters(), every))


@command(
    "prune [OPTIONS]",
    Flag("all", "Remove all unused images not just dangling ones", short="a"),
    Flag("filter", 'Provide filter values (e.g. "label=<key>=<value>")', FILTER),
    _FORCE,
    Flag("volumes", "Prune anonymous volumes"),
)
def system(session: Session, values: Values, _: list[str]) -> None:
    """Remove all of it."""
    filters: dict[str, Any] = values.filters()
    every, with_volumes = values.yes("all"), values.yes("volumes")
    which = "all images without at least one container associated to them" if every else "all dangling images"
    what = ["all stopped containers", "all networks not used by at least one container"]
    if with_volumes:
        what.append("all anonymous volumes not used by at least one container")
    what.append(which)
    what.append("all build cache" if every else "unused build cache")
    listed = "".join(f"  - {line}\n" for line in what)
    if filters:
        listed += "\n  Items to be pruned will be filtered with:\n"
        listed += "".join(f"  - {name}={value}\n" for name, given in filters.items() for value in given)

    def act() -> tuple[int, str]:
        done = [_containers(session, filters), _networks(session, filters)]
        if with_volumes:
            done.append(_volumes(session, filters))
        done.append(_images(session, filters, every))
        done.append(_builds(session, filters, every))
        return sum(reclaimed for reclaimed, _ in done), "\n".join(text for _, text in done if text)

    _prune(session, values, f"WARNING! This will remove:\n{listed}", act)
