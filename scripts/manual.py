#!/usr/bin/env python3
"""Print the manual page fairlead(1), made of what the commands say of themselves (`--help`)."""

import re
from collections.abc import Iterator, Sequence

import click

from fairlead import __version__
from fairlead.__main__ import FURTHER
from fairlead.cli.main import root
from fairlead.cli.session import Session
from fairlead.cli.table import COMMANDS


def escaped(text: str) -> str:
    """The text for roff: no backslash, hyphen or leading dot of it means anything."""
    lines = text.replace("\\", "\\e").replace("-", "\\-").splitlines()
    return "\n".join(f"\\&{line}" if line[:1] in (".", "'") else line for line in lines)


def commands(group: click.Group, path: Sequence[str]) -> Iterator[tuple[Sequence[str], str]]:
    """Every command that is listed, with its help; a group before its own."""
    session = Session(path[0])
    context = click.Context(group, info_name=path[0], obj=session)
    places = getattr(group, "places", {})
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        if command is None or command.hidden or (name in places and places[name].hidden):
            continue
        own = [*path, name]
        inner = click.Context(command, info_name=" ".join(own), obj=session)
        yield own, command.get_help(inner)
        if isinstance(command, click.Group):
            yield from commands(command, own)


def page() -> str:
    """The whole page."""
    group = root({**COMMANDS, **FURTHER})
    overview = group.get_help(click.Context(group, info_name="fairlead", obj=Session("fairlead")))
    parts = [
        f'.TH FAIRLEAD 1 "" "fairlead {__version__}"',
        ".SH NAME\nfairlead \\- a container engine whose heart is the network",
        ".SH SYNOPSIS\n.B fairlead\n[OPTIONS] COMMAND",
        ".SH DESCRIPTION\nThe engine (fairlead daemon) and its command line, which is that of docker.",
        f".nf\n{escaped(overview)}\n.fi",
        ".SH COMMANDS",
    ]
    for path, text in commands(group, ["fairlead"]):
        parts.append(f".SS {escaped(' '.join(path))}\n.nf\n{escaped(text)}\n.fi")
    parts.append(
        ".SH FILES\n.TP\n/etc/fairlead/daemon.json\nsettings, under the names that dockerd has for them"
        "\n.TP\n/run/fairlead.sock\nwhere the engine is asked"
        ".\n.TP\n/var/lib/fairlead\nrecords, images, logs, volumes"
        "\n.SH SEE ALSO\ndocker(1), conmon(8), crun(1), ip\\-netns(8)"
    )
    return re.sub(r"\n{2,}", "\n.sp\n", "\n".join(parts)) + "\n"


if __name__ == "__main__":
    print(page(), end="")
