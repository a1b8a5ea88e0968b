"""What the shell offers: options, and the names of what is there; a silent daemon offers nothing."""

from collections.abc import Callable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from fairlead.cli.flags import Flag
from fairlead.cli.kinds import BOOL
from fairlead.cli.session import Session
from fairlead.client import Client
from fairlead.client.errors import ClientError


def _containers(client: Client, stopped: bool = True) -> list[str]:
    return [
        name.removeprefix("/") for found in client.containers.list(all=stopped) for name in found["Names"]
    ]


def _running(client: Client) -> list[str]:
    return _containers(client, stopped=False)


def _images(client: Client) -> list[str]:
    return [
        tag for image in client.images.list() for tag in image.get("RepoTags") or [] if "<none>" not in tag
    ]


def _networks(client: Client) -> list[str]:
    return [network["Name"] for network in client.networks.list()]


def _volumes(client: Client) -> list[str]:
    return [volume["Name"] for volume in client.volumes.list().get("Volumes") or []]


def _anything(client: Client) -> list[str]:
    return _containers(client) + _images(client) + _networks(client) + _volumes(client)


def _network_then_container(client: Client) -> list[str]:
    return _networks(client) + _containers(client)


NAMES: dict[str, Callable[[Client], list[str]]] = {
    "containers": _containers,
    "running": _running,
    "images": _images,
    "networks": _networks,
    "volumes": _volumes,
    "anything": _anything,
    "network, then container": _network_then_container,
}


def names(client: Client, what: str, incomplete: str) -> list[str]:
    """Names of that sort which begin so."""
    try:
        return sorted(name for name in NAMES[what](client) if name.startswith(incomplete))
    except ClientError:
        return []


def _completer(what: str) -> Any:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if what == "files":
            return [CompletionItem(incomplete, type="file")]
        session = ctx.find_object(Session)
        if session is None or what not in NAMES:
            return []
        # No command runs while completing, so nobody has told the session what -H says.
        session.hosts = list(ctx.find_root().params.get("host") or ())
        return [CompletionItem(name) for name in names(session.client, what, incomplete)]

    return complete


def parameters(flags: Sequence[Flag], arguments: str) -> list[click.Parameter]:
    """Flags as click's options, and one argument that takes all words."""
    found: list[click.Parameter] = []
    for flag in flags:
        if flag.hidden and flag.name != "help":
            continue
        spellings = [f"--{flag.name}", *([f"-{flag.short}"] if flag.short else [])]
        completer = _completer(flag.completes) if flag.completes else None
        found.append(
            click.Option(
                [*spellings, f"value_{flag.name}".replace("-", "_")],
                is_flag=flag.kind is BOOL,
                multiple=flag.kind.many,
                help=flag.help.split("\n")[0],
                shell_complete=completer,
            )
        )
    found.append(click.Argument(["words"], nargs=-1, shell_complete=_completer(arguments or "files")))
    return found
