"""Commands that show one container: logs, top, port, diff; and take it elsewhere: export, commit."""

import time

from fairlead.cli.commands import Arguments, command
from fairlead.cli.files import TERMINAL, check_output, save
from fairlead.cli.flags import Flag, Values
from fairlead.cli.kinds import BOOL, LIST, STRING
from fairlead.cli.many import natural
from fairlead.cli.output import tabulate
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.reference import parse_reference
from fairlead.cli.session import Session
from fairlead.cli.times import option
from fairlead.client.streams import STDERR, Frames

_ONE = Arguments(1, 1, "containers")
_MOMENT = 'timestamp (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'


@command(
    "logs [OPTIONS] CONTAINER",
    Flag("details", "Show extra details provided to logs"),
    Flag("follow", "Follow log output", short="f"),
    Flag("since", f"Show logs since {_MOMENT}", STRING),
    Flag("tail", "Number of lines to show from the end of the logs", STRING, short="n", default="all"),
    Flag("timestamps", "Show timestamps", short="t"),
    Flag("until", f"Show logs before a {_MOMENT}", STRING),
    arguments=_ONE,
    aliases=("container logs", "logs"),
)
def logs(session: Session, values: Values, words: list[str]) -> None:
    """Write what a container has written, each stream to its own."""
    containers = session.client.containers
    found = containers.inspect(words[0])
    now = time.time_ns()
    answer = containers.logs(
        found["Id"],
        follow=values.yes("follow"),
        timestamps=values.yes("timestamps"),
        details=values.yes("details"),
        since=option(values, "since", now, 'invalid value for "since": '),
        until=option(values, "until", now, 'invalid value for "until": '),
        tail=values.text("tail"),
    )
    out, errors = session.output, session.errors
    frames = None if found["Config"]["Tty"] else Frames()
    for piece in answer.pieces():
        for number, content in frames.feed(piece) if frames else ((1, piece),):
            stream = errors if number == STDERR else out
            stream.write(content)
            stream.flush()


@command(
    "top CONTAINER [ps OPTIONS]",
    arguments=Arguments(1, None, "running"),
    aliases=("container top", "top"),
    interspersed=False,
)
def top(session: Session, values: Values, words: list[str]) -> None:
    """List the processes of a container."""
    found = session.client.containers.top(words[0], " ".join(words[1:]))
    session.write(tabulate([found["Titles"], *(found["Processes"] or [])], minimum=20))


def _joined(address: str, port: str) -> str:
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


@command(
    "port CONTAINER [PRIVATE_PORT[/PROTO]]",
    arguments=Arguments(1, 2, "running"),
    aliases=("container port", "port"),
)
def port(session: Session, values: Values, words: list[str]) -> None:
    """List where the ports of a container are to be reached."""
    ports = session.client.containers.inspect(words[0])["NetworkSettings"]["Ports"] or {}
    if len(words) == 1:
        lines = [
            f"{name} -> {_joined(binding['HostIp'], binding['HostPort'])}"
            for name, bindings in ports.items()
            for binding in bindings or []
        ]
    else:
        number, _, protocol = words[1].partition("/")
        if not (number.isascii() and number.isdigit() and int(number) < 65536):
            reason = "value out of range" if number.isdigit() else "invalid syntax"
            raise Ending(
                1, f'Error: invalid port ({number}): strconv.ParseUint: parsing "{number}": {reason}'
            )
        bindings = ports.get(f"{number}/{protocol or 'tcp'}") or []
        if not bindings:
            raise Ending(1, f"Error: No public port '{words[1]}' published for {words[0]}")
        lines = [_joined(binding["HostIp"], binding["HostPort"]) for binding in bindings]
    for line in sorted(lines, key=natural):
        session.line(line)


@command("diff CONTAINER", arguments=_ONE, aliases=("container diff", "diff"))
def diff(session: Session, values: Values, words: list[str]) -> None:
    """List what a container has changed, added and deleted in its filesystem."""
    for change in session.client.containers.changes(words[0]):
        session.line(f"{'CAD'[change['Kind']]} {change['Path']}")


@command(
    "export [OPTIONS] CONTAINER",
    Flag("output", "Write to a file, instead of STDOUT", STRING, short="o", completes="files"),
    arguments=_ONE,
    aliases=("container export", "export"),
)
def export(session: Session, values: Values, words: list[str]) -> None:
    """Write the filesystem of a container as a tar archive."""
    path = values.text("output")
    if not path and session.interactive(1):
        raise Ending(1, TERMINAL)
    try:
        check_output(path)
    except Invalid as problem:
        raise Ending(1, f"failed to export container: {problem}") from None
    save(session, session.client.containers.export(words[0]).pieces(), path)


@command(
    "commit [OPTIONS] CONTAINER [REPOSITORY[:TAG]]",
    Flag("author", 'Author (e.g., "John Hannibal Smith <hannibal@a-team.com>")', STRING, short="a"),
    Flag("change", "Apply Dockerfile instruction to the created image", LIST, short="c"),
    Flag("message", "Commit message", STRING, short="m"),
    Flag("pause", "Pause container during commit", BOOL, short="p", default=True),
    arguments=Arguments(1, 2, "containers"),
    aliases=("container commit", "commit"),
)
def commit(session: Session, values: Values, words: list[str]) -> None:
    """Make an image of a container as it is, and print its id."""
    repository = tag = ""
    if len(words) == 2:
        try:
            name = parse_reference(words[1]).with_default_tag()
        except Invalid as problem:
            raise Ending(1, str(problem)) from None
        if name.digest:
            raise Ending(1, "refusing to create a tag with a digest reference")
        repository, tag = name.whole_repository, name.tag
    session.line(
        session.client.images.commit(
            words[0],
            repository,
            tag,
            values.text("message"),
            values.text("author"),
            values.all("change"),
            values.yes("pause"),
        )
    )
