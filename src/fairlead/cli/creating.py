"""Creating a container: its image is pulled when it is missing, its id goes to `--cidfile`."""

import os
import re
from typing import Any

from fairlead.cli import credentials, terminal
from fairlead.cli.flags import Values
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.progress import show_progress
from fairlead.cli.reference import is_id, parse_reference
from fairlead.cli.run_body import create_body
from fairlead.cli.session import Session
from fairlead.client.errors import Refused

_PULL = ("always", "missing", "never")
_LOOPBACK = re.compile(r"127\.([0-9]{1,3}\.){2}[0-9]{1,3}|::1$")


def body_of(session: Session, values: Values, words: list[str]) -> dict[str, Any]:
    """What to create.  Raises Invalid."""
    pull = values.text("pull")
    if pull not in ("", *_PULL):
        raise Invalid(f'invalid pull option: \'{pull}\': must be one of "always", "missing" or "never"')
    return create_body(values, words[0], words[1:], session.environment)


def create_container(session: Session, values: Values, body: dict[str, Any]) -> str:
    """Create it; its id.  Raises Invalid, Ending and ClientError."""
    _warn(session, body["HostConfig"])
    path = values.text("cidfile")
    if path and os.path.exists(path):
        hint = "make sure the other container isn't running or delete"
        raise Invalid(f"container ID file found, {hint} {path}")
    image = body["Image"]
    reference = None if is_id(image) else parse_reference(image).with_default_tag()
    platform = values.text("platform")
    if platform and not re.fullmatch(r"[\w.-]+(/[\w.-]+){0,2}", platform, re.ASCII):
        reason = f'"{platform}": cannot parse platform specifier: invalid argument'
        raise Invalid(f"error parsing specified platform: {reason}")
    body["HostConfig"]["ConsoleSize"] = list(terminal.size(1))
    if values.text("mac-address") and session.client.transport.older_than(1, 44):
        # Before, it was the container's, not its endpoint's.
        body["MacAddress"] = values.text("mac-address")
    if values.text("pull") == "always":
        _pull(session, values, image)
    try:
        created = session.client.containers.create(body, values.text("name"), platform)
    except Refused as problem:
        if not (problem.not_found and reference and values.text("pull") in ("", "missing")):
            raise
        if not values.yes("quiet"):
            session.complain(f"Unable to find image '{reference.familiar}' locally")
        _pull(session, values, image)
        created = session.client.containers.create(body, values.text("name"), platform)
    for warning in created.get("Warnings") or []:
        session.complain(f"WARNING: {warning}")
    if path:
        with open(path, "w") as file:
            file.write(created["Id"])
    return str(created["Id"])


def _pull(session: Session, values: Values, image: str) -> None:
    import sys

    wanted = parse_reference(image).with_default_tag()
    documents = session.client.images.pull(
        wanted.whole_repository,
        wanted.digest or wanted.tag,
        values.text("platform"),
        credentials.header(session, wanted.domain),
    )
    show_progress(documents, None if values.yes("quiet") else sys.stderr)


def _warn(session: Session, host: dict[str, Any]) -> None:
    if host["OomKillDisable"] and not host["Memory"]:
        session.complain(
            "WARNING: Disabling the OOM killer on containers without setting a '-m/--memory' limit may be "
            "dangerous."
        )
    for server in host["Dns"]:
        if _LOOPBACK.search(server):
            session.complain(f"WARNING: Localhost DNS setting (--dns={server}) may fail in containers.")
            break


def start_code(message: str) -> int:
    """The exit code for a container that did not start: 127 not found, 126 not executable, else 125."""
    missing = (
        "executable file not found",
        "no such file or directory",
        "system cannot find the file specified",
    )
    if any(text in message for text in missing):
        return 127
    if "permission denied" in message.lower() or "is a directory" in message:
        return 126
    return 125


def failure(session: Session, name: str, problem: Exception) -> Ending:
    """A problem of `run` or `create`, as Docker's client words it."""
    message = problem.message if isinstance(problem, Ending) else str(problem)
    program = session.program
    hint = f"Run '{program} {name} --help' for more information"
    return Ending(start_code(message), f"{program}: {message}\n\n{hint}")
