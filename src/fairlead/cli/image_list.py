"""`fairlead images`, `image ls` and `history`."""

from collections.abc import Iterator
from typing import Any

from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import FORMAT, Flag, Values
from fairlead.cli.kinds import BOOL, FILTER, STRING
from fairlead.cli.output import Column, Listing, show
from fairlead.cli.problems import Invalid
from fairlead.cli.reference import parse_reference
from fairlead.cli.session import Session
from fairlead.cli.times import ago, local_iso, local_time
from fairlead.cli.units import ellipsis, human_size, short_id

NONE = "<none>"


def rows(image: dict[str, Any], digests: bool) -> Iterator[dict[str, Any]]:
    """One row for each name of an image, and for each digest too if they are shown."""
    tags, sums = _by_repository(image)
    if not tags and not sums:
        yield {**image, "repository": NONE, "tag": NONE, "digest": NONE}
    for repository, found in tags.items():
        for tag in found:
            for digest in (sums.get(repository) if digests else None) or [NONE]:
                yield {**image, "repository": repository, "tag": tag, "digest": digest}
    for repository, found in sums.items():
        if repository in tags:
            continue
        for digest in found if digests else [""]:
            yield {**image, "repository": repository, "tag": NONE, "digest": digest}


def _by_repository(image: dict[str, Any]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    tags: dict[str, list[str]] = {}
    sums: dict[str, list[str]] = {}
    for name in [*(image.get("RepoTags") or []), *(image.get("RepoDigests") or [])]:
        try:
            reference = parse_reference(name)
        except Invalid:
            continue
        if reference.digest:
            sums.setdefault(reference.repository, []).append(reference.digest)
        elif reference.tag:
            tags.setdefault(reference.repository, []).append(reference.tag)
    return tags, sums


def _size_or_nothing(image: dict[str, Any], field: str) -> str:
    size = image.get(field, -1)
    return "N/A" if size is None or size < 0 else human_size(size)


def _unique(image: dict[str, Any]) -> str:
    size, shared = image.get("Size", -1), image.get("SharedSize", -1)
    return "N/A" if size < 0 or shared < 0 else human_size(size - shared)


def _users(image: dict[str, Any]) -> str:
    count = image.get("Containers", -1)
    return "N/A" if count is None or count < 0 else str(count)


def listing(no_trunc: bool) -> Listing:
    """What can be shown of an image's row."""
    columns = {
        "ID": Column("IMAGE ID", lambda image: image["Id"] if no_trunc else short_id(image["Id"])),
        "Repository": Column("REPOSITORY", lambda image: image["repository"]),
        "Tag": Column("TAG", lambda image: image["tag"]),
        "Digest": Column("DIGEST", lambda image: image["digest"]),
        "CreatedSince": Column("CREATED", lambda image: ago(image["Created"])),
        "CreatedAt": Column("CREATED AT", lambda image: local_time(image["Created"])),
        "Size": Column("SIZE", lambda image: human_size(image["Size"], 3)),
        "Containers": Column("CONTAINERS", _users),
        "VirtualSize": Column("SIZE", lambda image: human_size(image["Size"])),
        "SharedSize": Column("SHARED SIZE", lambda image: _size_or_nothing(image, "SharedSize")),
        "UniqueSize": Column("UNIQUE SIZE", _unique),
    }
    return Listing("formatter.imageContext", columns)


_FLAGS = (
    Flag("all", "Show all images (default hides intermediate images)", short="a"),
    Flag("digests", "Show digests"),
    Flag("filter", "Filter output based on conditions provided", FILTER, short="f"),
    FORMAT,
    Flag("no-trunc", "Don't truncate output"),
    Flag("quiet", "Only show image IDs", short="q"),
)


def _list(session: Session, values: Values, words: list[str]) -> None:
    filters = values.filters()
    if words:
        filters.setdefault("reference", []).append(words[0])
    form, digests = values.text("format"), values.yes("digests")
    found = session.client.images.list(values.yes("all"), filters)
    shown = [row for image in found for row in rows(image, digests or ".Digest" in form)]
    table = ["Repository", "Tag", *(["Digest"] if digests else []), "ID", "CreatedSince", "Size"]
    quiet = "ID" if values.yes("quiet") else ""
    show(session, listing(values.yes("no-trunc")), shown, form, table=table, quiet=quiet)


_ALIASES = ("image ls", "image list", "images")
_WORDS = Arguments(0, 1, "images")
ls = command("ls [OPTIONS] [REPOSITORY[:TAG]]", *_FLAGS, arguments=_WORDS, aliases=_ALIASES)(_list)
images = command("images [OPTIONS] [REPOSITORY[:TAG]]", *_FLAGS, arguments=_WORDS, aliases=_ALIASES)(_list)


def _history_listing(no_trunc: bool, human: bool) -> Listing:
    def created_by(layer: dict[str, Any]) -> str:
        text = str(layer.get("CreatedBy") or "").replace("\t", " ")
        return text if no_trunc else ellipsis(text, 45)

    def since(layer: dict[str, Any]) -> str:
        if not human:
            return local_iso(layer["Created"])
        return ago(layer["Created"])

    columns = {
        "ID": Column("IMAGE", lambda layer: layer["Id"] if no_trunc else short_id(layer["Id"])),
        "CreatedSince": Column("CREATED", since),
        "CreatedAt": Column("CREATED AT", lambda layer: local_iso(layer["Created"])),
        "CreatedBy": Column("CREATED BY", created_by),
        "Size": Column("SIZE", lambda layer: human_size(layer["Size"], 3) if human else str(layer["Size"])),
        "Comment": Column("COMMENT", lambda layer: layer.get("Comment") or ""),
    }
    return Listing("image.historyContext", columns)


@command(
    "history [OPTIONS] IMAGE",
    FORMAT,
    Flag("human", "Print sizes and dates in human readable format", BOOL, short="H", default=True),
    Flag("no-trunc", "Don't truncate output"),
    Flag("platform", "Show history for the given platform", STRING),
    Flag("quiet", "Only show image IDs", short="q"),
    arguments=Arguments(1, 1, "images"),
    aliases=("image history", "history"),
)
def history(session: Session, values: Values, words: list[str]) -> None:
    """List the layers of an image, newest first, and what made each."""
    human = values.yes("human")
    found = session.client.images.history(words[0], values.text("platform"))
    created = "CreatedSince" if human else "CreatedAt"
    show(
        session,
        _history_listing(values.yes("no-trunc"), human),
        found,
        values.text("format"),
        table=("ID", created, "CreatedBy", "Size", "Comment"),
        quiet="ID" if values.yes("quiet") else "",
    )
