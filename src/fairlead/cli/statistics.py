"""`fairlead stats`: what each container uses, once or again and again."""

import contextlib
import threading
import time
from typing import Any

from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import FORMAT, Flag, Values
from fairlead.cli.output import Column, Listing, show
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session
from fairlead.cli.units import human_binary_size, human_size, short_id
from fairlead.client.errors import ClientError

Document = dict[str, Any]
_EVERY = 0.5
_PATIENCE = 3.0


class Sample:
    """The last statistics of one container; a thread of its own keeps it fresh."""

    def __init__(self, container: str):
        self.container = container
        self.document: Document = {}
        self.problem: ClientError | None = None
        self.valid = False
        self.first = threading.Event()

    def follow(self, session: Session, stream: bool) -> None:
        """Read until the container goes away, or once."""
        try:
            for document in session.client.containers.stats(self.container, stream):
                self.document, self.valid = document, True
                self.first.set()
        except ClientError as problem:
            self.problem = problem
        finally:
            self.valid = self.valid and not stream
            self.first.set()


def cpu_percent(document: Document) -> float:
    """The share of one processor since the sample before, in percent."""
    now, before = document.get("cpu_stats") or {}, document.get("precpu_stats") or {}
    used = _total(now) - _total(before)
    passed = (now.get("system_cpu_usage") or 0) - (before.get("system_cpu_usage") or 0)
    count = now.get("online_cpus") or len((now.get("cpu_usage") or {}).get("percpu_usage") or [])
    return used / passed * count * 100.0 if passed > 0 and used > 0 else 0.0


def _total(usage: Document) -> int:
    return int((usage.get("cpu_usage") or {}).get("total_usage") or 0)


def memory_used(document: Document) -> int:
    """Bytes in use, without the pages that the kernel keeps only because it can."""
    memory = document.get("memory_stats") or {}
    usage, details = int(memory.get("usage") or 0), memory.get("stats") or {}
    for field in ("total_inactive_file", "inactive_file"):
        if field in details and details[field] < usage:
            return usage - int(details[field])
    return usage


def _memory_limit(document: Document) -> int:
    return int((document.get("memory_stats") or {}).get("limit") or 0)


def _network(document: Document) -> tuple[int, int]:
    interfaces = (document.get("networks") or {}).values()
    return sum(one.get("rx_bytes", 0) for one in interfaces), sum(
        one.get("tx_bytes", 0) for one in interfaces
    )


def _disk(document: Document) -> tuple[int, int]:
    counters = (document.get("blkio_stats") or {}).get("io_service_bytes_recursive") or []
    read = sum(one["value"] for one in counters if one["op"][:1] in ("r", "R"))
    written = sum(one["value"] for one in counters if one["op"][:1] in ("w", "W"))
    return read, written


def _both(pair: tuple[int, int]) -> str:
    return f"{human_size(pair[0], 3)} / {human_size(pair[1], 3)}"


def _memory(sample: Sample) -> str:
    used, limit = memory_used(sample.document), _memory_limit(sample.document)
    return f"{human_binary_size(used)} / {human_binary_size(limit)}"


def _memory_percent(sample: Sample) -> str:
    limit = _memory_limit(sample.document)
    return f"{memory_used(sample.document) / limit * 100.0 if limit else 0.0:.2f}%"


def listing(no_trunc: bool) -> Listing:
    """What can be shown of a sample; dashes where there is none."""

    def valid(compute: Any, nothing: str = "--") -> Any:
        return lambda sample: compute(sample) if sample.valid else nothing

    def identity(sample: Sample) -> str:
        found = str(sample.document.get("id") or "")
        return found if no_trunc else short_id(found)

    columns = {
        "Container": Column("CONTAINER", lambda sample: sample.container),
        "ID": Column("CONTAINER ID", identity),
        "Name": Column("NAME", lambda sample: str(sample.document.get("name") or "")[1:] or "--"),
        "CPUPerc": Column("CPU %", valid(lambda sample: f"{cpu_percent(sample.document):.2f}%")),
        "MemUsage": Column("MEM USAGE / LIMIT", valid(_memory, "-- / --")),
        "MemPerc": Column("MEM %", valid(_memory_percent)),
        "NetIO": Column("NET I/O", valid(lambda sample: _both(_network(sample.document)))),
        "BlockIO": Column("BLOCK I/O", valid(lambda sample: _both(_disk(sample.document)))),
        "PIDs": Column(
            "PIDS", valid(lambda sample: str((sample.document.get("pids_stats") or {}).get("current") or 0))
        ),
    }
    return Listing("container.statsContext", columns)


_TABLE = ("ID", "Name", "CPUPerc", "MemUsage", "MemPerc", "NetIO", "BlockIO", "PIDs")


class _Samples:
    """The containers that are watched: those named, or all there are."""

    def __init__(self, session: Session, names: list[str], every: bool, stream: bool):
        self._session, self._names, self._every, self._stream = session, names, every, stream
        self._known: dict[str, Sample] = {}

    def refresh(self) -> list[Sample]:
        """Begin to watch what is new, drop what has gone."""
        wanted = self._names or self._present()
        for name in wanted:
            if name not in self._known:
                sample = self._known[name] = Sample(name)
                arguments = (self._session, self._stream)
                threading.Thread(target=sample.follow, args=arguments, daemon=True).start()
        return [self._known[name] for name in wanted]

    def _present(self) -> list[str]:
        found = self._session.client.containers.list(all=self._every)
        return [short_id(container["Id"]) for container in found]


@command(
    "stats [OPTIONS] [CONTAINER...]",
    Flag("all", "Show all containers (default shows just running)", short="a"),
    FORMAT,
    Flag("no-stream", "Disable streaming stats and only pull the first result"),
    Flag("no-trunc", "Do not truncate output"),
    arguments=Arguments(0, None, "running"),
    aliases=("container stats", "stats"),
)
def stats(session: Session, values: Values, words: list[str]) -> None:
    """Show what containers use, until interrupted."""
    stream = not values.yes("no-stream")
    # Negotiate before the threads do.
    assert session.client.transport.version
    watched = _Samples(session, words, values.yes("all"), stream)
    samples = watched.refresh()
    deadline = time.monotonic() + _PATIENCE
    for sample in samples:
        sample.first.wait(max(deadline - time.monotonic(), 0) if stream else None)
    problems = [str(sample.problem) for sample in samples if sample.problem]
    if words and problems:
        raise Ending(1, "\n".join(problems))
    table = listing(values.yes("no-trunc"))
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            if stream and session.interactive(1):
                session.write("\033[H\033[J")
            show(session, table, samples, values.text("format"), table=_TABLE)
            session.output.flush()
            if not stream:
                return
            time.sleep(_EVERY)
            samples = watched.refresh()
