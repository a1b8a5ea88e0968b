"""What lies directly below the roots of a daemon, and what does not belong there.

What is kept for one container or volume each is looked at by `holdings`.
"""

import contextlib
import os
import re
from collections.abc import Iterator

# By the part of the program that keeps them there.
DATA = re.compile(
    r"lock|records\.db(-wal|-shm|-journal)?(\.damaged)?|copies"  # store
    r"|containers|volumes|seccomp"  # runtime, machine
    r"|storage|roots|scratch|layer-sizes\.json.*"  # images
    r"|lost\+found"  # of the file system, where the root is one by itself
)
EXEC = re.compile(
    r"containers|crun|runc|fairlead-trial"  # runtime
    r"|storage|storage\.conf|registries\.conf"  # images
    r"|(ports|resolver)[.-].+"  # the processes beside the daemon: sockets, logs
    r"|netns|[0-9a-f]{8}"  # pins, also of engines with other roots
)
FILES = r"hosts|hostname|resolv\.conf|{owner}-json\.log.*|mount.*"  # of one container
IDENTITY = re.compile(r"[0-9a-f]{64}")


def strangers(data_root: str, exec_root: str) -> Iterator[str]:
    """The paths of what is there and no part of the program keeps there."""
    for root, layout in ((data_root, DATA), (exec_root, EXEC)):
        yield from _others(root, layout)
    containers = os.path.join(data_root, "containers")
    for owner in filter(IDENTITY.fullmatch, _names(containers)):
        yield from _others(os.path.join(containers, owner), re.compile(FILES.format(owner=owner)))
    yield from _lost_bases(data_root)


def _lost_bases(data_root: str) -> Iterator[str]:
    """Mount points for containers of images whose top layers have gone."""
    bases = os.path.join(data_root, "roots", "base")
    for layer in _names(bases):
        if not os.path.isdir(os.path.join(data_root, "storage", "overlay", layer.removesuffix(".new"))):
            yield os.path.join(bases, layer)


def _others(directory: str, layout: re.Pattern[str]) -> Iterator[str]:
    return (os.path.join(directory, name) for name in _names(directory) if not layout.fullmatch(name))


def _names(directory: str) -> list[str]:
    with contextlib.suppress(OSError):
        return os.listdir(directory)
    return []
