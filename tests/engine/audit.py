"""What `fairlead doctor --audit` says of a host, when nothing goes on any longer."""

import sys
import time
from pathlib import Path

from fairlead.lab.host import Host
from fairlead.lab.traces import Traces, look

SETTLED = 10.0  # seconds until what the kernel takes away by itself has gone


def findings(host: Host, patience: float = SETTLED) -> list[str]:
    """One line for each finding and one with their number; none when the host is as the records say."""
    command = f"{Path(sys.executable).with_name('fairlead')} doctor --audit"
    limit = time.monotonic() + patience
    while (result := host.run(command)).code and time.monotonic() < limit:
        time.sleep(0.1)
    return (result.stdout + result.stderr).splitlines() if result.code else []


def traces_settle(host: Host, before: Traces) -> dict[str, list[str]]:
    """What is still there beyond `before` when nothing goes any longer."""
    limit = time.monotonic() + SETTLED
    while (left := look(host).since(before)) and time.monotonic() < limit:
        time.sleep(0.1)
    return left
