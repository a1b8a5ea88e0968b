"""The first process of a virtual host: it makes the host's files private, then holds it together.

Run as `python -m fairlead.lab.first_process STATE HOSTNAME` in namespaces of its own (net,
mount, pid, uts, ipc, cgroup).  It says `ready`, and ends when it is killed, and with it
everything that runs in the host.
"""

import os
import signal
import socket
import sys
from pathlib import Path

from fairlead import process
from fairlead.lab.addresses import GATEWAY
from fairlead.model.errors import Failed

# An engine must not share these with the machine; they are empty in the host.
PRIVATE_DIRECTORIES = (
    "/etc/docker",
    "/etc/fairlead",
    "/etc/cni",
    "/var/lib/docker",
    "/var/lib/fairlead",
    "/var/lib/containers",
    "/var/lib/cni",
)
CGROUPS = "/sys/fs/cgroup"


def _mount(*words: str) -> None:
    process.call(["mount", *words], check=True)


def _unmount_below(top: str) -> None:
    """Take the machine's mounts at `top` and below away, in this host; hidden ones would still be listed."""
    while points := _points_below(top):
        for point in reversed(points):
            taken = process.call(["umount", "--lazy", str(point)])
            # One whose file somebody deletes on the machine goes by itself meanwhile.
            if taken.code and point in _points_below(top):
                raise Failed(f"cannot unmount {point}: {taken.complaint}")


def _points_below(top: str) -> list[Path]:
    points = [Path(line.split()[1]) for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [point for point in points if point.is_relative_to(top)]


def _private_system() -> None:
    """Mount sysfs and the control groups anew, so that they show this host's and no other's."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    links = {entry: os.readlink(entry) for entry in Path(CGROUPS).iterdir() if entry.is_symlink()}
    _unmount_below("/sys")
    _mount("-t", "sysfs", "sysfs", "/sys")
    if any(kind == "cgroup" for _, _, kind, *_ in mounts):
        _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", CGROUPS)
    for _, path, kind, options, *_ in mounts:
        if kind not in ("cgroup", "cgroup2") or not Path(path).is_relative_to(CGROUPS):
            continue
        Path(path).mkdir(exist_ok=True)
        chosen = [word for word in options.split(",") if _is_controller(word)] if kind == "cgroup" else []
        if any(word.startswith("name=") for word in chosen):
            chosen.insert(0, "none")
        _mount("-t", kind, *(["-o", ",".join(chosen)] if chosen else []), kind, path)
    for entry, target in links.items():
        entry.symlink_to(target)


def _is_controller(option: str) -> bool:
    controllers = [line.split()[0] for line in Path("/proc/cgroups").read_text().splitlines()]
    return option in controllers or option.startswith("name=")


def _private_files(state: Path, hostname: str) -> None:
    _unmount_below("/run")
    _mount("-t", "tmpfs", "-o", "mode=755", "tmpfs", "/run")
    for directory in ("/run/netns", "/run/lock"):
        Path(directory).mkdir()
    # Ready for named namespaces, as a machine is where `ip netns add` was used once.
    _mount("--bind", "--make-shared", "/run/netns", "/run/netns")
    texts = {
        "/etc/hostname": f"{hostname}\n",
        "/etc/hosts": f"127.0.0.1\tlocalhost\n127.0.1.1\t{hostname}\n::1\tlocalhost\n",
        "/etc/resolv.conf": f"nameserver {GATEWAY}\n",
    }
    for path, text in texts.items():
        copy = state / path.lstrip("/").replace("/", "-")
        copy.write_text(text)
        target = Path(os.path.realpath(path))  # resolv.conf often leads into /run, empty by now
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
        _mount("--bind", str(copy), str(target))
    for path in filter(os.path.isdir, PRIVATE_DIRECTORIES):
        copy = state / path.lstrip("/").replace("/", "-")
        copy.mkdir()
        _mount("--bind", str(copy), path)


def main(state: str, hostname: str) -> None:
    """Set the host up and stay, as a process that needs next to no memory."""
    _private_system()
    _private_files(Path(state), hostname)
    socket.sethostname(hostname)
    print("ready", flush=True)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    # Orphans of the host end up here: ignoring them lets them vanish, also after the exec.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    os.execvp("sleep", [f"virtual-host-{hostname}", "infinity"])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
