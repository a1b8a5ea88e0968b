"""Commands that change the state of containers that exist: stop, kill, pause, rename, update, wait, rm ..."""

from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import Flag, Values
from fairlead.cli.kinds import BYTES, CPUS, INT, STRING, SWAP_BYTES, UINT16
from fairlead.cli.many import each
from fairlead.cli.problems import Ending, Invalid
from fairlead.cli.run_body import restart_policy
from fairlead.cli.session import Session
from fairlead.client.errors import ClientError

_SIGNAL = Flag("signal", "Signal to send to the container", STRING, short="s")
_TIMEOUT = Flag("timeout", "Seconds to wait before killing the container", INT, short="t")
_TIME = Flag(
    "time",
    _TIMEOUT.help,
    INT,
    hidden=True,
    same_as="timeout",
    deprecated="use --timeout instead",
)
_SOME = Arguments(1, None, "running")


def _timeout(values: Values) -> int | None:
    return values.number("timeout") if values.given("timeout") else None


@command(
    "stop [OPTIONS] CONTAINER [CONTAINER...]",
    _SIGNAL,
    _TIMEOUT,
    _TIME,
    arguments=_SOME,
    aliases=("container stop", "stop"),
)
def stop(session: Session, values: Values, words: list[str]) -> int:
    """Stop containers, all at once."""

    def act(name: str) -> None:
        session.client.containers.stop(name, _timeout(values), values.text("signal"))

    return each(session, words, act, at_once=True)


@command(
    "restart [OPTIONS] CONTAINER [CONTAINER...]",
    _SIGNAL,
    _TIMEOUT,
    _TIME,
    arguments=Arguments(1, None, "containers"),
    aliases=("container restart", "restart"),
)
def restart(session: Session, values: Values, words: list[str]) -> int:
    """Stop and start containers, one after the other."""

    def act(name: str) -> None:
        session.client.containers.restart(name, _timeout(values), values.text("signal"))

    return each(session, words, act)


@command(
    "kill [OPTIONS] CONTAINER [CONTAINER...]",
    _SIGNAL,
    arguments=_SOME,
    aliases=("container kill", "kill"),
)
def kill(session: Session, values: Values, words: list[str]) -> int:
    """Send a signal to containers."""

    def act(name: str) -> None:
        session.client.containers.kill(name, values.text("signal"))

    return each(session, words, act, at_once=True)


@command("pause CONTAINER [CONTAINER...]", arguments=_SOME, aliases=("container pause", "pause"))
def pause(session: Session, values: Values, words: list[str]) -> int:
    """Freeze containers."""
    return each(session, words, session.client.containers.pause, at_once=True)


@command("unpause CONTAINER [CONTAINER...]", arguments=_SOME, aliases=("container unpause", "unpause"))
def unpause(session: Session, values: Values, words: list[str]) -> int:
    """Let frozen containers go on."""
    return each(session, words, session.client.containers.unpause, at_once=True)


@command(
    "rename CONTAINER NEW_NAME",
    arguments=Arguments(2, 2, "containers"),
    aliases=("container rename", "rename"),
)
def rename(session: Session, values: Values, words: list[str]) -> None:
    """Give a container another name."""
    old, new = (word.strip() for word in words)
    if not old or not new:
        raise Ending(1, "Error: Neither old nor new names may be empty")
    try:
        session.client.containers.rename(old, new)
    except ClientError as problem:
        raise Ending(1, f"{problem}\nError: failed to rename container named {old}") from None


@command(
    "rm [OPTIONS] CONTAINER [CONTAINER...]",
    Flag("force", "Force the removal of a running container (uses SIGKILL)", short="f"),
    Flag("link", "Remove the specified link", short="l"),
    Flag("volumes", "Remove anonymous volumes associated with the container", short="v"),
    arguments=Arguments(1, None, "containers"),
    aliases=("container rm", "container remove", "rm"),
)
def rm(session: Session, values: Values, words: list[str]) -> int:
    """Remove containers; with --force one that is not there is said, and is no failure."""

    def act(name: str) -> None:
        name = name.strip("/")
        if not name:
            raise ClientError("container name cannot be empty")
        session.client.containers.remove(name, values.yes("volumes"), values.yes("link"), values.yes("force"))

    return each(session, words, act, missing="said" if values.yes("force") else "fails", at_once=True)


_AS_IT_IS = {
    "blkio-weight": "BlkioWeight",
    "cpu-period": "CpuPeriod",
    "cpu-quota": "CpuQuota",
    "cpu-rt-period": "CpuRealtimePeriod",
    "cpu-rt-runtime": "CpuRealtimeRuntime",
    "cpu-shares": "CpuShares",
    "cpus": "NanoCpus",
    "cpuset-cpus": "CpusetCpus",
    "cpuset-mems": "CpusetMems",
    "kernel-memory": "KernelMemory",
    "memory": "Memory",
    "memory-reservation": "MemoryReservation",
    "memory-swap": "MemorySwap",
    "pids-limit": "PidsLimit",
}


@command(
    "update [OPTIONS] CONTAINER [CONTAINER...]",
    Flag(
        "blkio-weight", "Block IO (relative weight), between 10 and 1000, or 0 to disable (default 0)", UINT16
    ),
    Flag("cpu-period", "Limit CPU CFS (Completely Fair Scheduler) period", INT),
    Flag("cpu-quota", "Limit CPU CFS (Completely Fair Scheduler) quota", INT),
    Flag("cpu-rt-period", "Limit the CPU real-time period in microseconds", INT),
    Flag("cpu-rt-runtime", "Limit the CPU real-time runtime in microseconds", INT),
    Flag("cpu-shares", "CPU shares (relative weight)", INT, short="c"),
    Flag("cpus", "Number of CPUs", CPUS),
    Flag("cpuset-cpus", "CPUs in which to allow execution (0-3, 0,1)", STRING),
    Flag("cpuset-mems", "MEMs in which to allow execution (0-3, 0,1)", STRING),
    Flag("kernel-memory", "Kernel memory limit", BYTES, hidden=True),
    Flag("memory", "Memory limit", BYTES, short="m"),
    Flag("memory-reservation", "Memory soft limit", BYTES),
    Flag("memory-swap", "Swap limit equal to memory plus swap: -1 to enable unlimited swap", SWAP_BYTES),
    Flag("pids-limit", "Tune container pids limit (set -1 for unlimited)", INT),
    Flag("restart", "Restart policy to apply when a container exits", STRING),
    arguments=Arguments(1, None, "containers"),
    aliases=("container update", "update"),
)
def update(session: Session, values: Values, words: list[str]) -> int:
    """Change limits and restart policy of containers."""
    if not any(values.given(option) for option in (*_AS_IT_IS, "restart")):
        raise Ending(1, "you must provide one or more flags when using this command")
    body = {field: values.any(option) for option, field in _AS_IT_IS.items()}
    if not values.given("pids-limit"):
        del body["PidsLimit"]
    try:
        policy = restart_policy(values.text("restart"))
    except Invalid as problem:
        raise Ending(1, str(problem)) from None
    warnings: list[str] = []

    def act(name: str) -> None:
        answer = session.client.containers.update(name, {**body, "RestartPolicy": policy})
        warnings.extend((answer or {}).get("Warnings") or [])

    code = each(session, words, act)
    if warnings:
        session.line("\n".join(warnings))
    return code


@command("wait CONTAINER [CONTAINER...]", arguments=_SOME, aliases=("container wait", "wait"))
def wait(session: Session, values: Values, words: list[str]) -> int:
    """Wait until containers have ended, and print their exit codes."""

    def act(name: str) -> int:
        answer = session.client.containers.wait(name).document() or {}
        return int(answer.get("StatusCode", 0))

    return each(session, words, act, at_once=True, say=lambda name, code: str(code))
