"""Processes by their number, and only while the number is surely theirs."""

import asyncio
import contextlib
import ctypes
import os
import select
import signal as signals
from collections.abc import Callable, Iterator

_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


def become_subreaper() -> None:
    """From now on orphans among our descendants become our children, not init's."""
    if _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def read_number(path: str) -> int:
    """The number in a pid file, 0 if there is none (yet)."""
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read().strip() or 0)
    except (FileNotFoundError, ValueError):
        return 0


def _proc(pid: int, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as file:
            return file.read()
    except OSError:
        return b""


def in_cgroup_of(pid: int, container_id: str) -> bool:
    """Whether the process lives and belongs to the container, by the name of its control groups."""
    if pid <= 0 or f"/{container_id}".encode() not in _proc(pid, "cgroup"):
        return False
    state = _proc(pid, "stat").rpartition(b")")[2].split()[:1]
    return state not in ([], [b"Z"], [b"X"])


def runs_with(pid: int, word: str) -> bool:
    """Whether the process lives and has the word among its arguments."""
    return pid > 0 and word.encode() in _proc(pid, "cmdline").split(b"\0")


def children(pid: int) -> list[int]:
    """The process ids of its children."""
    return [int(word) for word in _proc(pid, f"task/{pid}/children").split()]


def having_argument(word: str) -> Iterator[int]:
    """Every process with the word among its arguments; looks at all of them."""
    for name in os.listdir("/proc"):
        if name.isdigit() and runs_with(int(name), word):
            yield int(name)


def open_process(pid: int) -> int | None:
    """A pidfd, None when there is no such process (any more)."""
    if pid <= 0:
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None


def send(pid: int, signal: int, surely: Callable[[], bool]) -> bool:
    """Signal the process that `surely()` confirms the number to be; False when it has gone."""
    descriptor = open_process(pid)
    if descriptor is None:
        return False
    try:
        if not surely():
            return False
        signals.pidfd_send_signal(descriptor, signal)
    except ProcessLookupError:
        return False
    finally:
        os.close(descriptor)
    return True


def wait_for_end(pid: int, seconds: float) -> bool:
    """Block until the process has ended (our own child or not); False when it has not in time."""
    descriptor = open_process(pid)
    if descriptor is None:
        return True
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        return bool(poll.poll(seconds * 1000))
    finally:
        os.close(descriptor)


def reap(pid: int) -> int | None:
    """The exit code of a child of ours that has ended, as a shell counts it; None if it is none."""
    if pid <= 0:  # would stand for any child
        return None
    with contextlib.suppress(ChildProcessError):
        found, status = os.waitpid(pid, os.WNOHANG)
        if found:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
    return None


def on_end(pid: int, tell: Callable[[], object]) -> Callable[[], None]:
    """Call `tell` once, in the running loop, when the process has ended; the answer cancels that.

    A process that has gone already is told of at once (in the loop's next turn).
    """
    loop = asyncio.get_running_loop()
    descriptor = open_process(pid)
    if descriptor is None:
        handle = loop.call_soon(tell)
        return handle.cancel
    opened = True

    def cancel() -> None:
        nonlocal opened
        if opened:
            opened = False
            loop.remove_reader(descriptor)
            os.close(descriptor)

    def ended() -> None:
        cancel()
        tell()

    loop.add_reader(descriptor, ended)
    return cancel
