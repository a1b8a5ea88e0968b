"""Help and usage in Docker's layout: what people know by heart stays where it is."""

import os
import textwrap
from collections.abc import Iterable, Mapping, Sequence

from fairlead.cli.flags import Flag
from fairlead.cli.kinds import BOOL

_WIDEST = 80


def columns() -> int:
    """How wide the help may be: the terminal, or 80 characters where there is none."""
    try:
        return int(os.environ.get("COLUMNS") or 0) or os.get_terminal_size(1).columns or _WIDEST
    except (OSError, ValueError):
        return _WIDEST


def usage_line(path: str, usage: str) -> str:
    """`Usage:  fairlead rm [OPTIONS] CONTAINER`; a usage of several lines names the command in each."""
    return "Usage:  " + "\n\t".join(f"{path} {line}".rstrip() for line in usage.split("\n"))


def flag_lines(flags: Iterable[Flag], width: int) -> list[str]:
    """Two columns: how an option is written, and what it does, wrapped to `width` characters."""
    rows = []
    for flag in sorted(flags, key=lambda flag: flag.name):
        if flag.hidden or flag.same_as:
            continue
        short = f"-{flag.short}, " if flag.short else "    "
        rows.append((f"  {short}--{flag.name} {flag.kind.word}".rstrip(), _described(flag)))
    indent = max((len(left) for left, _ in rows), default=0) + 3
    lines = []
    for left, right in rows:
        wrapped = _wrap(right, max(width - indent - 1, 24))
        lines.append(left.ljust(indent) + wrapped[0])
        lines.extend(" " * indent + line for line in wrapped[1:])
    return lines


def _described(flag: Flag) -> str:
    if flag.default is None or flag.default is False or "(default" in flag.help:
        return flag.help
    if flag.kind is BOOL:
        return f"{flag.help} (default true)"
    shown = f'"{flag.default}"' if isinstance(flag.default, str) else str(flag.default)
    return f"{flag.help} (default {shown})"


def _wrap(text: str, width: int) -> list[str]:
    lines: list[str] = []
    for line in text.split("\n"):
        lines.extend(textwrap.wrap(line, width, break_long_words=False, break_on_hyphens=False) or [""])
    return lines


def command_help(
    path: str, usage: str, summary: str, aliases: Sequence[str], flags: Sequence[Flag], more: str = ""
) -> str:
    """The help of one command."""
    parts = [usage_line(path, usage), summary + (f"\n\n{more}" if more else "")]
    if len(aliases) > 1:
        program = path.split()[0]
        parts.append("Aliases:\n  " + ", ".join(f"{program} {alias}" for alias in aliases))
    lines = flag_lines(flags, columns())
    if lines:
        parts.append("Options:\n" + "\n".join(lines))
    return "\n\n".join(parts)


def group_help(path: str, summary: str, commands: Mapping[str, str]) -> str:
    """The help of a group: its commands, and what each does."""
    return "\n\n".join(
        [
            f"Usage:  {path} COMMAND",
            summary,
            "Commands:\n" + "\n".join(command_lines(commands)),
            f"Run '{path} COMMAND --help' for more information on a command.",
        ]
    )


def command_lines(commands: Mapping[str, str]) -> list[str]:
    """Two columns: a command, and what it does."""
    indent = max([9, *(len(name) for name in commands)]) + 2
    return [f"  {name.ljust(indent)}{text}" for name, text in commands.items()]
