"""Takes away what is left of a container, whatever state it was left in; the bundle goes last.

As long as the bundle is there, everything else can be found again and taken away another time.
"""

import os
import shutil
import signal
import time

from fairlead.runtime import processes, sharedmemory
from fairlead.runtime.bundle import Bundle
from fairlead.runtime.cgroups import Cgroups
from fairlead.runtime.ociruntime import OciRuntime

_DYING = 10.0  # seconds that killed processes may take to end
_MONITOR = 5.0  # and conmon after them
_LATE, _PAUSE = 20, 0.05  # times that a bundle is removed, and seconds in between


def take_away(bundle: Bundle, cgroups: Cgroups | None, runtime: OciRuntime) -> None:
    """Kill and wait, then remove.  Blocks; Failed if something does not go away."""
    monitor, pid = bundle.monitor(), bundle.pid()
    if not pid and not os.path.exists(bundle.exit_file):
        _stop_making(bundle)
    if pid:
        if cgroups is not None:
            cgroups.thaw()
        processes.send(pid, signal.SIGKILL, lambda: bundle.pid() == pid)
        processes.wait_for_end(pid, _DYING)
    _let_end(monitor)
    if cgroups is not None:
        cgroups.remove()
    if os.path.isdir(bundle.execs):
        for name in os.listdir(bundle.execs):
            _let_end(Bundle(bundle.container_id, f"{bundle.execs}/{name}").monitor())
    sharedmemory.take_away(bundle)
    runtime.forget(bundle.container_id)
    _remove(bundle)


def _remove(bundle: Bundle) -> None:
    """Remove the bundle.  A conmon that its daemon was starting when it died may write there only now."""
    for _ in range(_LATE):
        shutil.rmtree(bundle.path, ignore_errors=True)
        if not bundle.exists():
            return
        _stop_making(bundle)
        time.sleep(_PAUSE)


def _let_end(monitor: int) -> None:
    """conmon ends by itself when its process has; if not, it is killed."""
    if monitor and not processes.wait_for_end(monitor, _MONITOR):
        processes.send(monitor, signal.SIGKILL, lambda: True)
        processes.wait_for_end(monitor, _DYING)
    processes.reap(monitor)


def _stop_making(bundle: Bundle) -> None:
    """Kill a conmon, and the runtime under it, that is making the container still: its daemon has died."""
    for monitor in processes.having_argument(bundle.path):
        if monitor == os.getpid():
            continue
        for pid in (*processes.children(monitor), monitor):
            processes.send(pid, signal.SIGKILL, lambda: True)
            processes.wait_for_end(pid, _DYING)
        processes.reap(monitor)
