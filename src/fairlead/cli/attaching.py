"""`fairlead attach` and `exec`: joining a container that runs, or a further process in it."""

from typing import Any

from fairlead.cli import checks
from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import Flag, Values
from fairlead.cli.joining import Wanted, Watch, check_terminal, chosen_keys, container_watch, join
from fairlead.cli.kinds import BOOL, LIST, STRING, listed
from fairlead.cli.labels import read_pairs
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.running import exit_code
from fairlead.cli.session import Session
from fairlead.cli.terminal import size

_DETACH_KEYS = Flag("detach-keys", "Override the key sequence for detaching a container", STRING)


@command(
    "attach [OPTIONS] CONTAINER",
    _DETACH_KEYS,
    Flag("no-stdin", "Do not attach STDIN"),
    Flag("sig-proxy", "Proxy all received signals to the process", BOOL, default=True),
    arguments=Arguments(1, 1, "running"),
    aliases=("container attach", "attach"),
)
def attach(session: Session, values: Values, words: list[str]) -> int:
    """Join a running container; its exit code."""
    containers = session.client.containers
    found = containers.inspect(words[0])
    _check_running(found["State"])
    tty = bool(found["Config"]["Tty"])
    stdin = not values.yes("no-stdin") and bool(found["Config"]["OpenStdin"])
    check_terminal(session, stdin, tty)
    keys = chosen_keys(session, values.text("detach-keys"))
    wanted = Wanted(stdin, True, True, tty, keys)
    proxy = values.yes("sig-proxy") and not tty
    with container_watch(session.client, found["Id"], tty, proxy) as watch:
        over = containers.wait(found["Id"])
        stream = containers.attach(words[0], stdin=stdin, stdout=True, stderr=True, detach_keys=keys)
        watch.fit(redraw=True)
        if join(session, stream, wanted):
            raise Ending(1, "read escape sequence")
        return exit_code(session, over)


def _check_running(state: dict[str, Any]) -> None:
    if not state.get("Running"):
        raise Ending(1, "You cannot attach to a stopped container, start it first")
    if state.get("Paused"):
        raise Ending(1, "You cannot attach to a paused container, unpause it first")
    if state.get("Restarting"):
        raise Ending(1, "You cannot attach to a restarting container, wait until it is running")


@command(
    "exec [OPTIONS] CONTAINER COMMAND [ARG...]",
    Flag("detach", "Detached mode: run command in the background", short="d"),
    _DETACH_KEYS,
    Flag("env", "Set environment variables", listed(checks.variable), short="e"),
    Flag("env-file", "Read in a file of environment variables", LIST, completes="files"),
    Flag("interactive", "Keep STDIN open even if not attached", short="i"),
    Flag("privileged", "Give extended privileges to the command"),
    Flag("tty", "Allocate a pseudo-TTY", short="t"),
    Flag("user", 'Username or UID (format: "<name|uid>[:<group|gid>]")', STRING, short="u"),
    Flag("workdir", "Working directory inside the container", STRING, short="w"),
    arguments=Arguments(2, None, "running"),
    aliases=("container exec", "exec"),
    interspersed=False,
)
def exec_(session: Session, values: Values, words: list[str]) -> int:
    """Run a command in a running container; its exit code."""
    client = session.client
    tty, detached = values.yes("tty"), values.yes("detach")
    stdin = values.yes("interactive") and not detached
    keys = chosen_keys(session, values.text("detach-keys"))
    body = _exec_body(session, values, words[1:], keys)
    client.containers.inspect(words[0])
    if not detached:
        check_terminal(session, stdin, tty)
    exec_id = client.execs.create(words[0], body)
    if not exec_id:
        raise Ending(1, "exec ID empty")
    if detached:
        client.execs.start(exec_id, tty)
        return 0

    def resize(height: int, width: int) -> None:
        client.execs.resize(exec_id, height, width)

    with Watch(resize if tty and session.interactive(1) else None, None) as watch:
        stream = client.execs.attach(exec_id, tty, size(1) if tty else None)
        watch.fit()
        if join(session, stream, Wanted(stdin, True, True, tty, keys)):
            raise Ending(1, "read escape sequence")
    return int(client.execs.inspect(exec_id).get("ExitCode") or 0)


def _exec_body(session: Session, values: Values, command_words: list[str], keys: str) -> dict[str, Any]:
    try:
        environment = read_pairs(values.all("env-file"), values.all("env"), session.environment)
    except Invalid as problem:
        raise Ending(1, str(problem)) from None
    attached = not values.yes("detach")
    tty = values.yes("tty")
    return {
        "User": values.text("user"),
        "Privileged": values.yes("privileged"),
        "Tty": tty,
        "ConsoleSize": list(size(1)) if tty and session.interactive(1) else None,
        "AttachStdin": attached and values.yes("interactive"),
        "AttachStdout": attached,
        "AttachStderr": attached,
        "Detach": not attached,
        "DetachKeys": keys,
        "Env": environment or None,
        "WorkingDir": values.text("workdir"),
        "Cmd": command_words,
    }
