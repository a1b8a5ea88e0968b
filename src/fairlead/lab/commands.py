"""`fairlead lab`: virtual hosts to try things in, without touching the machine's own network."""

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from fairlead.lab import control_groups
from fairlead.lab.engine import COMMANDS
from fairlead.lab.etcd import Etcd, member_pid
from fairlead.lab.host import Host
from fairlead.lab.lab import OUTSIDE, Lab
from fairlead.model.errors import FairleadError

NAME = click.option("--name", default="lab", show_default=True, help="the lab's name")


def _said(function: Callable[..., Any]) -> Callable[..., Any]:
    """Errors become one sentence and exit code 1."""

    def wrapped(*positional: Any, **named: Any) -> None:
        try:
            function(*positional, **named)
        except FairleadError as error:
            click.echo(f"fairlead lab: {error.message}", err=True)
            sys.exit(1)

    wrapped.__name__, wrapped.__doc__ = function.__name__, function.__doc__
    return wrapped


@click.group("lab")
def command() -> None:
    """Virtual hosts on this machine, joined by a LAN with an outside, each with an engine."""


@command.command("up")
@click.option("--hosts", default=1, show_default=True, metavar="N", help="how many hosts")
@NAME
@click.option("--no-engine", is_flag=True, help="start no engine")
@click.option(
    "--engine", default="fairlead", show_default=True, type=click.Choice(list(COMMANDS)), help="which engine"
)
@click.option(
    "--etcd", "members", default=0, metavar="N", help="start etcd on the first N hosts and join the engines"
)
@click.argument("flags", nargs=-1, type=click.UNPROCESSED)
@_said
def up(hosts: int, name: str, no_engine: bool, engine: str, members: int, flags: tuple[str, ...]) -> None:
    """Make hosts named host1, host2, ... with an engine each; FLAGS after -- go to the engines."""
    lab = Lab(name, hosts)
    etcd = Etcd(lab.hosts, members) if members else None
    lab.up()
    try:
        if etcd:
            etcd.start()
            flags = (*etcd.engine_flags, *flags)
        for host in () if no_engine else lab.hosts:
            host.start_engine(*flags, kind=engine)
    except BaseException:
        lab.down()
        raise
    option = "" if name == "lab" else f" --name {name}"
    for host in lab.hosts:
        click.echo(f"{host.name}  {host.address}  export DOCKER_HOST={host.docker_host}")
    click.echo(f"run a command there: fairlead lab exec{option} host1 ip addr")
    click.echo(f"end it all:          fairlead lab down{option}")


@command.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@NAME
@click.argument("host")
@click.argument("words", nargs=-1, required=True, metavar="COMMAND...", type=click.UNPROCESSED)
@_said
def execute(name: str, host: str, words: tuple[str, ...]) -> None:
    """Run COMMAND on HOST, which is host1, host2, ... or outside."""
    place = Lab.attach(name).find(host)
    argv, environment = place.argv(words), place.environment()
    sys.stdout.flush()
    os.execvpe(argv[0], argv, environment)


@command.command("status")
@NAME
@click.option("--all", "everything", is_flag=True, help="every lab of this machine")
@_said
def status(name: str, everything: bool) -> None:
    """Show the hosts and whether their engines run."""
    labs = Lab.names() if everything else [Lab.attach(name).name]
    rows: list[tuple[str, ...]] = [
        ("LAB", "HOST", "ADDRESS", "STATE", "ENGINE", "ETCD", "PROCESSES", "SOCKET")
    ]
    for each in labs:
        lab = Lab.attach(each) if control_groups.children(each) else Lab(each)
        rows += [_row(each, host) for host in (*lab.hosts, lab.outside)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        click.echo("   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(lab: str, host: Host) -> tuple[str, ...]:
    state = "up" if host.pid else "down"
    if host.name == OUTSIDE:
        engine, socket = "", ""
    else:
        pid = host.engine.pid
        engine, socket = f"process {pid}" if pid else "none", str(host.socket)
    member = member_pid(host)
    etcd = f"process {member}" if member else ""
    processes = str(len(control_groups.processes(host.group)))
    return lab, host.name, host.address, state, engine, etcd, processes, socket


@command.command("down")
@NAME
@click.option("--all", "everything", is_flag=True, help="every lab of this machine")
@_said
def down(name: str, everything: bool) -> None:
    """End a lab, with all that runs in it; also one that crashed, or was never finished."""
    for each in Lab.names() if everything else [name]:
        Lab(each).down()


@command.command("image")
@click.argument("image", type=click.Choice(["busybox", "web", "redis", "flask", "nginx"]))
@click.argument("file", default="-", type=click.Path(dir_okay=False, path_type=Path))
@_said
def image(image: str, file: Path) -> None:
    """Write an image archive for `docker load`, made of this machine's busybox and Debian packages."""
    from fairlead.lab import debian, images

    made = {"busybox": images.busybox, "web": images.web}
    made |= {"redis": debian.redis, "flask": debian.flask, "nginx": debian.nginx}
    content = made[image]()
    if str(file) == "-":
        sys.stdout.buffer.write(content)
    else:
        temporary = file.with_suffix(f".{os.getpid()}")
        temporary.write_bytes(content)
        shutil.move(temporary, file)
