#!/usr/bin/env python3
"""Print the table of docs/configuration.md, made of the daemon's own table of options."""

from fairlead.daemon.options import OPTIONS, Kind

_FLAGS = {
    Kind.SWITCH: "",
    Kind.NUMBER: " NUMBER",
    Kind.TEXT: " TEXT",
}


def table() -> str:
    """A line for each option, by the name of its flag."""
    lines = [
        "| Flag | Key in `daemon.json` | Value there | What it says | At SIGHUP |",
        "| --- | --- | --- | --- | --- |",
    ]
    for option in sorted(OPTIONS, key=lambda each: each.name):
        flags = ", ".join(f"`{flag}{_FLAGS.get(option.kind, ' TEXT ...')}`" for flag in option.flags)
        key = f"`{option.key}`" if option.key else ""
        reloaded = "read again" if option.reloadable else ""
        meaning = option.help.replace("|", "\\|")
        lines.append(f"| {flags} | {key} | {option.kind.value} | {meaning} | {reloaded} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(), end="")
