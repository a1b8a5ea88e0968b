"""Run a test's body in a process of its own, in fresh network and mount namespaces.

What the body does to links, pins and mounts is gone with its process; the namespaces that the
tests were started in are never touched.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

CLONE_NEWNS, CLONE_NEWNET = 0x20000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
DEADLINE = 60  # seconds
_libc = ctypes.CDLL(None, use_errno=True)


def _check(code: int) -> None:
    if code:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def in_fresh_host(body: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run the coroutine function there; AssertionError with its traceback when it raises.

    /run is empty there, so that there are no pins yet; no link but lo is there, and that is down.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        _live(body, writer)
    os.close(writer)
    with open(reader, "rb") as report:
        complaint = report.read().decode()
    _, status = os.waitpid(child, 0)
    if complaint or status:
        raise AssertionError(complaint or f"the fresh host ended with {os.waitstatus_to_exitcode(status)}")


@contextlib.contextmanager
def inside(pin: str) -> Iterator[None]:
    """The calling thread in a pinned network namespace."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    target = os.open(pin, os.O_RDONLY)
    try:
        _check(_libc.setns(target, CLONE_NEWNET))
        yield
    finally:
        _check(_libc.setns(home, CLONE_NEWNET))
        os.close(target)
        os.close(home)


def _live(body: Callable[[], Coroutine[Any, Any, None]], writer: int) -> None:
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(DEADLINE)
        _check(_libc.unshare(CLONE_NEWNS | CLONE_NEWNET))
        _check(_libc.mount(b"none", b"/", None, ctypes.c_ulong(MS_REC | MS_PRIVATE), None))
        _check(_libc.mount(b"none", b"/run", b"tmpfs", ctypes.c_ulong(0), None))
        # Links are described below /sys of the namespace in which it is mounted.
        _check(_libc.mount(b"none", b"/sys", b"sysfs", ctypes.c_ulong(0), None))
        asyncio.run(body())
    except BaseException:
        os.write(writer, traceback.format_exc().encode())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
