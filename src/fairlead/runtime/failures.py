"""What an OCI runtime complains about, in the words that Docker's clients and users know: pure."""

import json
import re

from fairlead.model.errors import StartFailed

_OTHER = 128
_NOT_FOUND = re.compile(r"executable file `(?P<name>.*)` not found in \$PATH")
_LOGGED = re.compile(r'level=(?:error|fatal) msg=("(?:[^"\\]|\\.)*")')  # runc's format
_CHDIR = re.compile(r"chdir `(?P<path>.*)`: (?P<why>.+)")
# Scripts match on what Docker's own runtime says, so its name stays.
_CREATE, _EXEC = "runc create failed", "exec failed"
_OF_CREATE = "failed to create shim task: OCI runtime create failed: "
_OF_EXEC = "OCI runtime exec failed: "
_MISMATCH = (
    "Are you trying to mount a directory onto a file (or vice-versa)? "
    "Check if the specified host path exists and is the expected type"
)


def _lowered(text: str) -> str:
    """With what strerror says in lower case, as Go writes it."""
    head, colon, tail = text.rpartition(": ")
    return f"{head}{colon}{tail[:1].lower()}{tail[1:]}"


def _of_crun(message: str, program: str) -> str | None:
    """Docker's words for a command that cannot be run where and as asked, None for any other failure."""
    missing = _NOT_FOUND.search(message)
    if missing:
        name = missing["name"]
        why = (
            f"stat {name}: no such file or directory" if "/" in name else "executable file not found in $PATH"
        )
        return f'exec: "{name}": {why}'
    if message.startswith("open executable: "):
        return f'exec: "{program}": permission denied'
    moved = _CHDIR.search(message)
    if moved:
        return f'chdir to cwd ("{moved["path"]}") set in config.json failed: {moved["why"].lower()}'
    return None


def _detail(complaint: str, program: str, start: str) -> str:
    """What follows `OCI runtime ... failed: `; it begins with `start`, as it does when runc says it."""
    logged = _LOGGED.findall(complaint)
    lines = [str(json.loads(logged[-1]))] if logged else complaint.strip().splitlines()
    message = lines[-1] if lines else "the runtime gave no reason"
    if message.startswith(start):
        return message
    reason = _of_crun(message, program) or f"error during container init: {_lowered(message)}"
    return f"{start}: unable to start container process: {reason}"


def create_failure(complaint: str, program: str) -> StartFailed:
    """Why a container could not be made.  `complaint` is the runtime's, `program` what it should have run.

    Source of exit codes: Docker's `translateContainerdStartErr`.
    """
    return _failure(f"{_OF_CREATE}{_detail(complaint, program, _CREATE)}: unknown")


def _failure(message: str) -> StartFailed:
    lowered, code = message.lower(), _OTHER
    if "executable file not found" in lowered or "no such file or directory" in lowered:
        code = 127
    if "permission denied" in lowered:
        code = 126
    if "not a directory" in lowered:
        message, code = f"{message}: {_MISMATCH}", 127
    return StartFailed(message, code)


def exec_failure(complaint: str, program: str) -> StartFailed:
    """Why an exec could not be started."""
    return _failure(f"{_OF_EXEC}{_detail(complaint, program, _EXEC)}: unknown")


def start_failure(complaint: str) -> StartFailed:
    """Why a container that was made could not be started."""
    lines = complaint.strip().splitlines()
    reason = _lowered(lines[-1]) if lines else "the runtime gave no reason"
    return StartFailed(f"OCI runtime start failed: {reason}: unknown", _OTHER)
