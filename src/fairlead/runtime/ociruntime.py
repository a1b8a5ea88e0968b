"""The program that makes containers: crun where it works here, else runc, found out by a trial."""

import hashlib
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from fairlead import process
from fairlead.model.errors import Failed, Unsupported
from fairlead.runtime.bundle import Bundle
from fairlead.runtime.spec import DEFAULT_CGROUP_PARENT, VERSION, Document
from fairlead.runtime.traits import CGROUP_ROOT, Traits

CRUN, RUNC = "crun", "runc"
_DIRECTORIES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_MISSING_COMMAND = "/fairlead-trial"
# Both say so after everything else has worked.
_TRIAL_WORDS = ("not found in $PATH", "no such file or directory")
_HYBRID = f"{CGROUP_ROOT}/unified"
# crun refuses a version 2 hierarchy beside version 1 if it has controllers of its own (with
# hugetlb alone it would do).  Where it looks, in a mount namespace of its own, it finds none.
_HIDING = 'mount --bind /dev/null {file} && exec {program} "$@"'
_PRIVATELY = "mount --make-private {mount} && "


@dataclass(frozen=True, slots=True)
class OciRuntime:
    """An OCI runtime and how it is called here; `root` is its directory for state."""

    name: str
    words: tuple[str, ...]  # the program, with what has to stand in front of it
    root: str
    identity: str  # changes when the program does

    @property
    def argv(self) -> list[str]:
        """The beginning of every call."""
        return [*self.words, "--root", self.root]

    def state(self, container_id: str) -> str:
        """The directory where the runtime keeps what it knows of a container."""
        return f"{self.root}/{container_id}"

    def start_at_once(self, container_id: str) -> bool:
        """Let a created container run without starting a program for it; False if that cannot be done.

        crun's first process waits until somebody writes to a FIFO in the state directory, which
        is all that `crun start` would do besides.
        """
        if self.name != CRUN:
            return False
        fifo = f"{self.state(container_id)}/exec.fifo"
        try:
            descriptor = os.open(fifo, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            os.write(descriptor, b"1")
        except OSError:
            return False
        finally:
            os.close(descriptor)
        os.unlink(fifo)
        return True

    async def call(self, *words: str, input: bytes | None = None) -> process.Finished:
        """Run it and wait."""
        return await process.run([*self.argv, *words], input=input)

    def forget(self, container_id: str) -> None:
        """Take away what it keeps of a container that is gone."""
        shutil.rmtree(self.state(container_id), ignore_errors=True)


def _shared_mounts() -> set[str]:
    with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as file:
        return {line.split()[4] for line in file if "shared:" in line.partition(" - ")[0]}


def _crun_words(program: str, traits: Traits) -> tuple[str, ...]:
    """crun itself, or a shell that hides from it what it would stumble over."""
    hidden = f"{_HYBRID}/cgroup.controllers"
    if traits.unified or not _text(hidden):
        return (program,)
    script = _HIDING.format(file=hidden, program=program)
    if _HYBRID in _shared_mounts():
        script = _PRIVATELY.format(mount=_HYBRID) + script
    # Everything else keeps its propagation, so that an unmount outside is not held up in here.
    return ("/usr/bin/unshare", "--mount", "--propagation", "unchanged", "/bin/sh", "-c", script, CRUN)


def _text(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip()
    except FileNotFoundError:
        return ""


def _find(name: str) -> str:
    program = shutil.which(name, path=_DIRECTORIES)
    if program is None:
        raise Unsupported(f"cannot use {name}: it is not installed")
    return program


def _identity(program: str) -> str:
    found = os.stat(program)
    text = f"{program} {found.st_size} {found.st_mtime_ns} {os.uname().release}"
    return hashlib.sha256(text.encode()).hexdigest()


def _trial_document(root: str, cgroup_path: str) -> Document:
    kinds = ("mount", "pid", "ipc", "uts", "network")
    return {
        "ociVersion": VERSION,
        "process": {"user": {"uid": 0, "gid": 0}, "args": [_MISSING_COMMAND], "cwd": "/"},
        "root": {"path": root},
        "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
        "linux": {"cgroupsPath": cgroup_path, "namespaces": [{"type": kind} for kind in kinds]},
    }


TRIAL = "fairlead-trial"


async def _try(runtime: OciRuntime, scratch: str) -> None:
    """Make a container of nothing: it must fail for want of its command, not before.  Failed otherwise."""
    # The same each time: what a daemon that was killed meanwhile has left goes with the next trial.
    name = f"fairlead-trial-{hashlib.sha256(scratch.encode()).hexdigest()[:8]}"
    bundle = Bundle(name, f"{scratch}/{TRIAL}")
    shutil.rmtree(bundle.path, ignore_errors=True)
    if os.path.exists(runtime.state(name)):
        await runtime.call("delete", "--force", name)
        runtime.forget(name)
    bundle.make()
    for name_inside in ("dev", "proc"):
        os.makedirs(f"{bundle.path}/root/{name_inside}")
    bundle.write(_trial_document(f"{bundle.path}/root", f"{DEFAULT_CGROUP_PARENT}/{name}"))
    try:
        finished = await runtime.call("create", "--bundle", bundle.path, name)
        if not any(words in finished.stderr.decode(errors="replace") for words in _TRIAL_WORDS):
            await runtime.call("delete", "--force", name)
            raise Failed(f"cannot use {runtime.name}: {finished.complaint}")
    finally:
        shutil.rmtree(bundle.path, ignore_errors=True)


async def choose(exec_root: str, traits: Traits, candidates: Sequence[str] = (CRUN, RUNC)) -> OciRuntime:
    """The first of the candidates that works on this machine.  Unsupported, with reasons, if none does."""
    reasons = []
    for name in candidates:
        try:
            program = _find(name)
            words = _crun_words(program, traits) if name == CRUN else (program,)
            runtime = OciRuntime(name, words, f"{exec_root}/{name}", _identity(program))
            os.makedirs(runtime.root, mode=0o700, exist_ok=True)
            await _try(runtime, exec_root)
        except (Unsupported, Failed) as error:
            reasons.append(error.message)
            continue
        return runtime
    raise Unsupported(f"cannot run containers: {'; '.join(reasons)}")
