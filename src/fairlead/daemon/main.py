"""`fairlead daemon`: read the settings, bring the host into line, serve until told to end."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
from typing import Any

import click

from fairlead.daemon.config import LEVELS, DaemonOptions, combine, options, read_file
from fairlead.daemon.options import IGNORED_FLAGS, IGNORED_SWITCHES, OPTIONS, Kind
from fairlead.model.errors import FairleadError, InvalidParameter

log = logging.getLogger("fairlead.daemon")
CONFIGURATION_FILES = ("/etc/fairlead/daemon.json", "/etc/docker/daemon.json")
DAMAGED_START = 1


def configuration_file(named: str) -> str:
    """The configuration file: the one named, else the first of the usual ones that exists, else ""."""
    return named or next((path for path in CONFIGURATION_FILES if os.path.exists(path)), "")


def read_options(flags: dict[str, Any], named_file: str) -> DaemonOptions:
    """Flags and file as options.  InvalidParameter says what is wrong."""
    path = configuration_file(named_file)
    file: dict[str, Any] = {}
    if path:
        try:
            with open(path) as opened:
                file = read_file(opened.read(), path)
        except OSError as error:
            raise InvalidParameter(f"cannot read the configuration file {path}: {error.strerror}") from error
    return options(combine(flags, file, path))


async def serve(chosen: DaemonOptions, flags: dict[str, Any], named_file: str) -> None:
    """Run the daemon until SIGTERM or SIGINT; SIGHUP reads the configuration file again."""
    # What is made until it is ready stays for good: looking for garbage in it is a tenth of the start.
    gc.disable()
    from fairlead.daemon.wiring import assemble

    loop = asyncio.get_running_loop()
    ending = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ending.set)
    assembly = await assemble(chosen)
    try:
        await assembly.begin()
        gc.freeze()
        gc.enable()

        def reload() -> None:
            try:
                assembly.reload(read_options(flags, named_file))
            except FairleadError as error:
                log.error("%s", error.message)

        loop.add_signal_handler(signal.SIGHUP, reload)
        # What it starts from now on, crun among it, must not take systemd's words for its own.
        address = os.environ.pop("NOTIFY_SOCKET", "")
        for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"):
            os.environ.pop(name, None)
        _notify(address, "READY=1")
        log.info("ready on %s", " ".join(chosen.hosts))
        await ending.wait()
        _notify(address, "STOPPING=1")
    finally:
        await assembly.finish()


def _notify(address: str, state: str) -> None:
    """Tell systemd, at its socket, how the daemon stands (sd_notify(3)); nothing without it."""
    if not address:
        return
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notifier:
        notifier.connect("\0" + address[1:] if address.startswith("@") else address)
        notifier.send(state.encode())


@contextlib.contextmanager
def _pidfile(path: str) -> Any:
    if not path:
        yield
        return
    with contextlib.suppress(OSError, ValueError), open(path) as file:
        holder = int(file.read())
        if holder != os.getpid() and os.path.exists(f"/proc/{holder}"):
            raise InvalidParameter(
                f"cannot write the pidfile {path}: held by process {holder}, which still runs"
            )
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w") as file:
        file.write(f"{os.getpid()}\n")
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


def _set_up_logging(level: str) -> None:
    numbers = dict(
        zip(
            LEVELS,
            (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL),
            strict=True,
        )
    )
    logging.basicConfig(
        level=numbers[level],
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        force=True,
    )
    for noisy in ("asyncio", "pyroute2", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(max(numbers[level], logging.WARNING))


def _parameters() -> list[click.Parameter]:
    made: list[click.Parameter] = [
        click.Option(["--config-file", "config_file"], default="", help="daemon.json to read", metavar="PATH")
    ]
    made += [click.Option([flag], hidden=True, expose_value=False) for flag in IGNORED_FLAGS]
    made += [
        click.Option(
            [flag], type=click.BOOL, is_flag=False, flag_value="true", hidden=True, expose_value=False
        )
        for flag in IGNORED_SWITCHES
    ]
    for option in OPTIONS:
        names = [*option.flags, option.name.replace("-", "_")]
        if option.kind is Kind.SWITCH:
            made.append(
                click.Option(
                    names, type=click.BOOL, is_flag=False, flag_value="true", default=None, help=option.help
                )
            )
        elif option.kind is Kind.NUMBER:
            made.append(click.Option(names, type=click.INT, default=None, help=option.help))
        else:
            several = option.kind is not Kind.TEXT
            made.append(click.Option(names, multiple=several, default=None, help=option.help))
    return made


def run(config_file: str, **given: Any) -> None:
    """Serve the Docker Engine API, in the foreground, in the network namespace it is started in."""
    flags = {option.name: given[option.name.replace("-", "_")] for option in OPTIONS}
    flags = {name: value for name, value in flags.items() if value not in (None, ())}
    try:
        chosen = read_options(flags, config_file)
        _set_up_logging(chosen.log_level)
        if os.geteuid() != 0:
            raise InvalidParameter("cannot start: making networks needs root")
        with _pidfile(chosen.pidfile):
            asyncio.run(serve(chosen, flags, config_file))
    except FairleadError as error:
        click.echo(f"fairlead daemon: {error.message}", err=True)
        sys.exit(DAMAGED_START)


command = click.Command("daemon", callback=run, params=_parameters(), help=run.__doc__)
