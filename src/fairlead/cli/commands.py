"""Commands and groups on click, with Docker's option syntax, help and complaints; nothing is imported early.

A group knows its commands by a table of places (`module:name`) and one-line summaries; a module is
imported when its command runs, never to list it.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import click

from fairlead.cli.flags import HELP, Flag, Values, parse
from fairlead.cli.problems import Ending, Misuse
from fairlead.cli.session import Session

Action = Callable[[Session, Values, list[str]], int | None]
MISUSE = 125


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is defined, and its summary; a hidden one is an old or second name."""

    target: str
    summary: str
    section: str = "Commands"
    hidden: bool = False

    def load(self) -> click.Command:
        """Import it."""
        module, _, name = self.target.partition(":")
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, click.Command), f"{self.target} is no command"
        if isinstance(found, Command):
            found.help = self.summary
        return found

    def aside(self) -> "Place":
        """The same, not listed."""
        return replace(self, hidden=True)


@dataclass(frozen=True, slots=True)
class Arguments:
    """How many arguments a command takes, and what they name (for completion)."""

    least: int = 0
    most: int | None = 0
    completes: str = ""


class Command(click.Command):
    """A command whose options are Flags and whose arguments are a list of words."""

    def __init__(
        self,
        action: Action,
        name: str,
        usage: str,
        flags: Sequence[Flag],
        arguments: Arguments,
        aliases: Sequence[str],
        interspersed: bool,
        more: str,
    ):
        super().__init__(name)
        self.action, self.usage, self.arguments = action, usage, arguments
        self.flags = [*flags, HELP]
        self.aliases, self.interspersed, self.more = aliases, interspersed, more

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Options by Docker's rules; Ending when they cannot be understood, or only help is wanted."""
        lenient = ctx.resilient_parsing
        try:
            values, words = parse(self.flags, args, self.interspersed, lenient)
        except Misuse as problem:
            raise Ending(MISUSE, f"{problem}\n\n{self._hint(ctx)}") from None
        if values.yes("help") and not lenient:
            click.echo(self.get_help(ctx))
            ctx.exit()
        if not lenient:
            self._count(ctx, len(words))
        ctx.params = {"values": values, "words": words}
        ctx.args = []
        return []

    def invoke(self, ctx: click.Context) -> int:
        """Run it; what it returns is the exit code."""
        session = ctx.find_object(Session)
        assert session is not None
        for warning in ctx.params["values"].warnings:
            session.line(warning)
        try:
            code = self.action(session, ctx.params["values"], ctx.params["words"]) or 0
            session.flush()
        except BrokenPipeError:
            raise Ending(session.abandon_output()) from None
        return code

    def get_help(self, ctx: click.Context) -> str:
        """Docker's layout."""
        from fairlead.cli.help import command_help

        return command_help(
            ctx.command_path, self.usage, self.help or "", self.aliases, self.flags, self.more
        )

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """The options as click knows them: what completion looks at."""
        from fairlead.cli.completion import parameters

        return parameters(self.flags, self.arguments.completes)

    def _count(self, ctx: click.Context, count: int) -> None:
        least, most = self.arguments.least, self.arguments.most
        if least <= count and (most is None or count <= most):
            return
        if most == 0:
            wanted = "accepts no arguments"
        elif most is None:
            wanted = f"requires at least {_arguments(least)}"
        elif least == most:
            wanted = f"requires {_arguments(least)}"
        elif least == 0:
            wanted = f"requires at most {_arguments(most)}"
        else:
            wanted = f"requires at least {least} and at most {_arguments(most)}"
        word = "See" if most is None else "Run"
        program = ctx.find_root().info_name
        raise Ending(1, f"{program}: '{ctx.command_path}' {wanted}\n\n{self._hint(ctx, word)}")

    def _hint(self, ctx: click.Context, word: str = "Run") -> str:
        from fairlead.cli.help import usage_line

        path = ctx.command_path
        return f"{usage_line(path, self.usage)}\n\n{word} '{path} --help' for more information"


def _arguments(count: int) -> str:
    return f"{count} argument" if count == 1 else f"{count} arguments"


def command(
    usage: str = "",
    *flags: Flag,
    arguments: Arguments | None = None,
    aliases: Sequence[str] = (),
    interspersed: bool = True,
    more: str = "",
) -> Callable[[Action], Command]:
    """Make a function a command; its summary stands in the table of commands.

    `usage` begins with the command's name, as in `rm [OPTIONS] CONTAINER [CONTAINER...]`.
    """
    name, _, rest = usage.partition(" ")
    rest = rest.replace(f"\n{name} ", "\n")

    def made(action: Action) -> Command:
        wanted = arguments or Arguments()
        return Command(action, name, rest, flags, wanted, aliases, interspersed, more)

    return made


class Group(click.Group):
    """Commands by name, each imported when it is used."""

    def __init__(self, name: str, summary: str, places: Mapping[str, Place]):
        super().__init__(name, help=summary, invoke_without_command=True)
        self.context_settings["help_option_names"] = ["-h", "--help"]
        self.places = dict(places)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names that help and completion show."""
        return [name for name, place in self.places.items() if not place.hidden]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        place = self.places.get(cmd_name)
        return place.load() if place else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the first word names; Ending when there is none."""
        found = self.get_command(ctx, args[0])
        if found is None and not ctx.resilient_parsing:
            path, program = ctx.command_path, ctx.find_root().info_name
            usage = "" if ctx.parent is None else f"Usage:  {path}\n\n"
            text = f"{program}: unknown command: {path} {args[0]}\n\n{usage}"
            raise Ending(1, f"{text}Run '{path} --help' for more information")
        return args[0], found, args[1:]

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, or without one show the help."""
        result = super().invoke(ctx)
        if ctx.invoked_subcommand is None:
            click.echo(self.get_help(ctx))
        return result

    def get_help(self, ctx: click.Context) -> str:
        """Docker's layout."""
        from fairlead.cli.help import group_help

        summaries = {name: place.summary for name, place in self.places.items() if not place.hidden}
        return group_help(ctx.command_path, self.help or "", summaries)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[Any]:
        """Names of commands, without importing any."""
        from click.shell_completion import CompletionItem

        return [
            CompletionItem(name, help=place.summary)
            for name, place in self.places.items()
            if name.startswith(incomplete) and not place.hidden
        ]
