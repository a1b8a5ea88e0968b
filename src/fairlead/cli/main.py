"""The command `fairlead`: global options, the table of commands, and how a failure becomes an exit code."""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from fairlead.cli.commands import MISUSE, Group, Place
from fairlead.cli.flags import Flag
from fairlead.cli.kinds import LIST, STRING
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session
from fairlead.cli.table import COMMANDS

_SECTIONS = ("Common Commands", "Management Commands", "Commands")
_HOST = "Daemon socket to connect to (else $FAIRLEAD_HOST, $DOCKER_HOST, unix:///run/fairlead.sock)"
_OPTIONS = (
    Flag("debug", "Say where an error comes from", short="D"),
    Flag("host", _HOST, LIST, short="H"),
    Flag("log-level", 'Set the logging level ("debug", "info", "warn", "error", "fatal")', STRING, short="l"),
    Flag("tls", "Use TLS; implied by --tlsverify"),
    Flag("tlscacert", "Trust certs signed only by this CA", STRING),
    Flag("tlscert", "Path to TLS certificate file", STRING),
    Flag("tlskey", "Path to TLS key file", STRING),
    Flag("tlsverify", "Use TLS and verify the remote"),
    Flag("version", "Print version information and quit", short="v"),
)


class Root(Group):
    """`fairlead` itself."""

    def get_help(self, ctx: click.Context) -> str:
        """The commands by section, then the global options."""
        from fairlead.cli.help import columns, command_lines, flag_lines

        path = ctx.command_path
        parts = [f"Usage:  {path} [OPTIONS] COMMAND", self.help or ""]
        for section in _SECTIONS:
            shown = {
                name: place.summary
                for name, place in sorted(self.places.items())
                if place.section == section and not place.hidden
            }
            parts.append(f"{section}:\n" + "\n".join(command_lines(shown)))
        parts.append("Global Options:\n" + "\n".join(flag_lines(_OPTIONS, columns())))
        parts.append(f"Run '{path} COMMAND --help' for more information on a command.")
        return "\n\n".join(parts)


@click.pass_context
def _prepare(ctx: click.Context, /, **options: Any) -> None:
    session = ctx.find_object(Session)
    assert session is not None
    session.hosts = [host.removeprefix("=") for host in options["host"]]
    session.debug = options["debug"]
    session.tls = options["tls"]
    session.tls_verify = session.tls_verify or options["tlsverify"]
    named = {"authority": "tlscacert", "certificate": "tlscert", "key": "tlskey"}
    session.tls_files |= {name: options[option] for name, option in named.items() if options[option]}
    if options["version"]:
        from fairlead import __version__

        click.echo(f"Fairlead version {__version__}")
        ctx.exit()


def root(places: Mapping[str, Place]) -> Root:
    """The whole command line, with these commands."""
    group = Root("fairlead", "A container engine whose heart is the network", places)
    group.callback = _prepare
    for flag in _OPTIONS:
        spellings = [
            f"--{flag.name}",
            *([f"-{flag.short}"] if flag.short else []),
            flag.name.replace("-", "_"),
        ]
        is_text = flag.kind.word != ""
        group.params.append(
            click.Option(
                spellings,
                is_flag=not is_text,
                multiple=flag.kind.many,
                default=() if flag.kind.many else None,
            )
        )
    return group


def run(words: Sequence[str], program: str = "fairlead", further: Mapping[str, Place] | None = None) -> int:
    """Run one command line; the exit code.

    `further` are commands of other layers, which this one may not import.
    """
    session = Session(program)
    group = root({**COMMANDS, **(further or {})})
    try:
        code = group.main(list(words), program, standalone_mode=False, obj=session)
        return code if isinstance(code, int) else 0
    except Ending as ending:
        if ending.message:
            session.complain(ending.message)
        return ending.code
    except click.NoSuchOption as problem:
        session.complain(f"unknown flag: {problem.option_name}\n\n{_usage(problem.ctx, program)}")
        return MISUSE
    except click.ClickException as problem:
        problem.show()
        return problem.exit_code
    except (click.Abort, KeyboardInterrupt):
        return 128 + signal.SIGINT
    except Exception as problem:
        return _report(session, problem)
    finally:
        _flush(session)


def _usage(ctx: click.Context | None, program: str) -> str:
    path = ctx.command_path if ctx else program
    return f"Usage:  {path} [OPTIONS] COMMAND [ARG...]\n\nRun '{path} --help' for more information"


def _report(session: Session, problem: Exception) -> int:
    if session.debug:
        raise problem
    from fairlead.client.errors import ClientError

    if isinstance(problem, ClientError):
        session.complain(str(problem))
    elif isinstance(problem, OSError) and problem.filename:
        session.complain(f"{problem.filename}: {(problem.strerror or str(problem)).lower()}")
    else:
        session.complain(f"{session.program}: {problem or type(problem).__name__} (-D says where)")
    return 1


def _flush(session: Session) -> None:
    try:
        session.flush()
    except BrokenPipeError:
        session.abandon_output()
    except ValueError:
        # Somebody has closed it.
        pass


def program_name() -> str:
    """The name the command was called by, so that a link named `docker` speaks of `docker`."""
    name = os.path.basename(sys.argv[0])
    return "fairlead" if name in ("", "-c", "-m", "__main__.py") else name


def main(further: Mapping[str, Place] | None = None) -> NoReturn:
    """Run the command line and leave."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="surrogateescape")
    sys.exit(run(sys.argv[1:], program_name(), further))
