"""`fairlead run`, `create` and `start`."""

from typing import Any

from fairlead.cli.commands import Arguments, command
from fairlead.cli.creating import body_of, create_container, failure
from fairlead.cli.flags import Flag, Values
from fairlead.cli.joining import Wanted, check_terminal, chosen_keys, container_watch, join
from fairlead.cli.kinds import STRING
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.run_options import RUN, SHARED
from fairlead.cli.session import Session
from fairlead.client.errors import ClientError
from fairlead.client.hijack import Hijacked
from fairlead.client.transport import Response


@command(
    "create [OPTIONS] IMAGE [COMMAND] [ARG...]",
    *SHARED,
    arguments=Arguments(1, None, "images"),
    aliases=("container create", "create"),
    interspersed=False,
)
def create(session: Session, values: Values, words: list[str]) -> None:
    """Create a container and print its id."""
    try:
        body = body_of(session, values, words)
    except Invalid as problem:
        ending = failure(session, "create", problem)
        raise Ending(125, ending.message) from None
    try:
        session.line(create_container(session, values, body))
    except Invalid as problem:
        raise Ending(1, str(problem)) from None


@command(
    "run [OPTIONS] IMAGE [COMMAND] [ARG...]",
    *SHARED,
    *RUN,
    arguments=Arguments(1, None, "images"),
    aliases=("container run", "run"),
    interspersed=False,
)
def run(session: Session, values: Values, words: list[str]) -> int:
    """Create a container, start it, and stay with it until it ends (or not, with -d); its exit code."""
    try:
        body = body_of(session, values, words)
    except Invalid as problem:
        raise Ending(125, failure(session, "run", problem).message) from None
    if not values.yes("detach"):
        check_terminal(session, body["AttachStdin"], body["Tty"])
    elif values.all("attach"):
        raise Ending(1, "conflicting options: cannot specify both --attach and --detach")
    else:
        body.update(dict.fromkeys(("AttachStdin", "AttachStdout", "AttachStderr", "StdinOnce"), False))
    try:
        container = create_container(session, values, body)
    except (Invalid, Ending, ClientError) as problem:
        raise failure(session, "run", problem) from None
    return _run(session, values, container, body)


def _run(session: Session, values: Values, container: str, body: dict[str, Any]) -> int:
    containers = session.client.containers
    tty = bool(body["Tty"])
    keys = chosen_keys(session, values.text("detach-keys"))
    wanted = Wanted(body["AttachStdin"], body["AttachStdout"], body["AttachStderr"], tty, keys)
    attached = wanted.stdin or wanted.stdout or wanted.stderr
    shows = wanted.stdout or wanted.stderr
    removed = bool(values.yes("rm"))
    with container_watch(session.client, container, tty and attached, values.yes("sig-proxy")) as watch:
        stream = _attach(session, container, wanted) if attached else None
        over = containers.wait(container, "removed" if removed else "next-exit") if shows or removed else None
        try:
            containers.start(container)
        except ClientError as problem:
            if stream:
                stream.close()
            if over:
                _finished(session, over, removed)
            raise failure(session, "run", problem) from None
        watch.fit()
        if not shows:
            session.line(container)
        if stream and join(session, stream, wanted):
            return 0
        return exit_code(session, over) if shows and over else 0


def _finished(session: Session, over: Response, removed: bool) -> None:
    """After a failed start: a container with --rm goes away by itself, one without stays."""
    if removed:
        exit_code(session, over)
    else:
        over.close()


def _attach(session: Session, container: str, wanted: Wanted) -> Hijacked:
    return session.client.containers.attach(
        container,
        stdin=wanted.stdin,
        stdout=wanted.stdout,
        stderr=wanted.stderr,
        detach_keys=wanted.detach_keys,
    )


def exit_code(session: Session, over: Response) -> int:
    """Wait until a container has ended; its exit code, 125 when that cannot be known."""
    try:
        document = over.document() or {}
    except ClientError as problem:
        session.complain(f"Error waiting for container: {problem}")
        return 125
    error = document.get("Error")
    if error and error.get("Message"):
        session.complain(f"Error waiting for container: {error['Message']}")
        return 125
    return int(document.get("StatusCode", 125))


@command(
    "start [OPTIONS] CONTAINER [CONTAINER...]",
    Flag("attach", "Attach STDOUT/STDERR and forward signals", short="a"),
    Flag("detach-keys", "Override the key sequence for detaching a container", STRING),
    Flag("interactive", "Attach container's STDIN", short="i"),
    arguments=Arguments(1, None, "containers"),
    aliases=("container start", "start"),
)
def start(session: Session, values: Values, words: list[str]) -> int:
    """Start containers, or one and stay with it."""
    if values.yes("attach") or values.yes("interactive"):
        if len(words) > 1:
            raise Ending(1, "you cannot start and attach multiple containers at once")
        return _start_attached(session, values, words[0])
    failed = []
    for name in words:
        try:
            session.client.containers.start(name)
        except ClientError as problem:
            session.complain(str(problem))
            failed.append(name)
        else:
            session.line(name)
    if failed:
        raise Ending(1, f"Error: failed to start containers: {', '.join(failed)}")
    return 0


def _start_attached(session: Session, values: Values, name: str) -> int:
    containers = session.client.containers
    found = containers.inspect(name)
    container, config = found["Id"], found["Config"]
    tty = bool(config["Tty"])
    keys = chosen_keys(session, values.text("detach-keys"))
    wanted = Wanted(values.yes("interactive") and config["OpenStdin"], True, True, tty, keys)
    check_terminal(session, wanted.stdin, tty)
    removed = bool(found["HostConfig"].get("AutoRemove"))
    with container_watch(session.client, container, tty, not tty) as watch:
        stream = _attach(session, container, wanted)
        over = containers.wait(container, "removed" if removed else "next-exit")
        try:
            containers.start(container)
        except ClientError:
            stream.close()
            _finished(session, over, removed)
            raise
        watch.fit()
        if join(session, stream, wanted):
            return 0
        return exit_code(session, over)
