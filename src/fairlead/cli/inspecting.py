"""`fairlead inspect`, and `inspect` of each group: what the daemon says, or a template of it."""

from collections.abc import Callable, Sequence
from typing import Any

from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import FORMAT_DOCUMENT, Flag, Values
from fairlead.cli.kinds import STRING
from fairlead.cli.output import Inspected
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.session import Session
from fairlead.client.errors import ClientError, Refused

Look = Callable[[str], dict[str, Any]]
_SIZE = Flag("size", "Display total file sizes if the type is container", short="s")
_TYPES = ("container", "image", "network", "volume")
# Docker's list; the kinds of a swarm are known by name only.
_WORDS = '"config", "container", "image", "network", "node", "plugin", "secret", "service", "task", "volume"'


def _inspect(session: Session, names: Sequence[str], look: Look, form: str) -> int:
    found, problems = Inspected(form), []
    for name in names:
        try:
            found.take(look(name))
        except (ClientError, Invalid) as problem:
            problems.append(str(problem))
    found.write(session)
    for text in problems:
        session.complain(text)
    return 1 if problems else 0


@command(
    "inspect [OPTIONS] CONTAINER [CONTAINER...]",
    FORMAT_DOCUMENT,
    Flag("size", "Display total file sizes", short="s"),
    arguments=Arguments(1, None, "containers"),
)
def container(session: Session, values: Values, words: list[str]) -> int:
    """Show containers."""

    def look(name: str) -> dict[str, Any]:
        return session.client.containers.inspect(name, values.yes("size"))

    return _inspect(session, words, look, values.text("format"))


@command(
    "inspect [OPTIONS] IMAGE [IMAGE...]",
    FORMAT_DOCUMENT,
    Flag("platform", "Inspect a specific platform of the multi-platform image", STRING),
    arguments=Arguments(1, None, "images"),
)
def image(session: Session, values: Values, words: list[str]) -> int:
    """Show images."""
    return _inspect(session, words, session.client.images.inspect, values.text("format"))


@command(
    "inspect [OPTIONS] NETWORK [NETWORK...]",
    FORMAT_DOCUMENT,
    Flag("verbose", "Verbose output for diagnostics", short="v"),
    arguments=Arguments(1, None, "networks"),
)
def network(session: Session, values: Values, words: list[str]) -> int:
    """Show networks."""
    form = values.text("format")

    def look(name: str) -> dict[str, Any]:
        return _timed(session.client.networks.inspect(name, values.yes("verbose")), form)

    return _inspect(session, words, look, form)


def _timed(document: dict[str, Any], form: str) -> dict[str, Any]:
    """In a template the creation of a network is a time, not a text."""
    if form in ("", "json") or "Created" not in document:
        return document
    from fairlead.cli.template_functions import Time

    return {**document, "Created": Time(document["Created"])}


@command(
    "inspect [OPTIONS] VOLUME [VOLUME...]",
    FORMAT_DOCUMENT,
    arguments=Arguments(1, None, "volumes"),
)
def volume(session: Session, values: Values, words: list[str]) -> int:
    """Show volumes."""
    return _inspect(session, words, session.client.volumes.inspect, values.text("format"))


@command(
    "inspect [OPTIONS] NAME|ID [NAME|ID...]",
    FORMAT_DOCUMENT,
    _SIZE,
    Flag("type", "Only inspect objects of the given type", STRING),
    arguments=Arguments(1, None, "anything"),
)
def inspect(session: Session, values: Values, words: list[str]) -> int:
    """Show whatever has one of these names: a container, else an image, a network, a volume."""
    form, wanted = values.text("format"), values.text("type")
    if values.given("type") and not wanted:
        raise Ending(1, f"type is empty: must be one of {_WORDS}")
    if wanted and f'"{wanted}"' not in _WORDS:
        raise Ending(1, f'unknown type: "{wanted}": must be one of {_WORDS}')
    looks: dict[str, Look] = {
        "container": lambda name: session.client.containers.inspect(name, values.yes("size")),
        "image": session.client.images.inspect,
        "network": lambda name: _timed(session.client.networks.inspect(name), form),
        "volume": session.client.volumes.inspect,
    }
    if wanted:
        if wanted not in looks:
            raise Ending(1, f"cannot inspect a {wanted}: this engine has no swarm and no plugins")
        return _inspect(session, words, looks[wanted], form)

    def look(name: str) -> dict[str, Any]:
        for kind in _TYPES:
            try:
                return looks[kind](name)
            except Refused as problem:
                if not problem.not_found:
                    raise
        raise ClientError(f"Error: No such object: {name}")

    return _inspect(session, words, look, form)
