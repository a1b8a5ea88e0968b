"""Complaints of both runtimes in Docker's words, and what Docker makes of them."""

import pytest

from fairlead.runtime.failures import create_failure, exec_failure, start_failure

START = (
    "failed to create shim task: OCI runtime create failed: runc create failed: "
    "unable to start container process: "
)
EXEC = "OCI runtime exec failed: exec failed: unable to start container process: "
MISSING = 'exec: "nosuch": executable file not found in $PATH'


@pytest.mark.parametrize(
    ("complaint", "message", "code"),
    [
        ("executable file `nosuch` not found in $PATH: No such file or directory\n", MISSING, 127),
        (
            "executable file `/no/such` not found in $PATH: No such file or directory",
            'exec: "/no/such": stat /no/such: no such file or directory',
            127,
        ),
        ("open executable: Operation not permitted", 'exec: "nosuch": permission denied', 126),
        ("open executable: Permission denied", 'exec: "nosuch": permission denied', 126),
        (
            "open /proc/sys/net/foo/bar: No such file or directory",
            "error during container init: open /proc/sys/net/foo/bar: no such file or directory",
            127,
        ),
        (
            "capset: Operation not permitted",
            "error during container init: capset: operation not permitted",
            128,
        ),
        (f"runc create failed: unable to start container process: {MISSING}", MISSING, 127),
        (
            'time="2026-11-21T04:30:47Z" level=fatal msg="nsexec[295]: failed"\n'
            'time="2026-11-21T04:30:47Z" level=error msg="runc create failed: unable to start container '
            'process: exec: \\"nosuch\\": executable file not found in $PATH"\n',
            MISSING,
            127,
        ),
        ("", "error during container init: the runtime gave no reason", 128),
        ("warning\nlast: Words", "error during container init: last: words", 128),
    ],
)
def test_creating(complaint: str, message: str, code: int) -> None:
    failure = create_failure(complaint, "nosuch")
    assert (failure.message, failure.exit_code) == (f"{START}{message}: unknown", code)


def test_a_file_where_a_directory_should_be_gets_dockers_advice() -> None:
    failure = create_failure("mount `/x` to `etc/y`: Not a directory", "sh")
    assert failure.exit_code == 127
    assert ": not a directory: unknown: Are you trying to mount a directory onto a file" in failure.message


@pytest.mark.parametrize(
    ("complaint", "message", "code"),
    [
        ("executable file `nosuch` not found in $PATH: No such file or directory", MISSING, 127),
        (f"exec failed: unable to start container process: {MISSING}", MISSING, 127),
        ("open executable: Permission denied", 'exec: "nosuch": permission denied', 126),
        (
            "chdir `/nosuch`: No such file or directory",
            'chdir to cwd ("/nosuch") set in config.json failed: no such file or directory',
            127,
        ),
        (
            "write to sync pipe: broken pipe",
            "error during container init: write to sync pipe: broken pipe",
            128,
        ),
    ],
)
def test_execs(complaint: str, message: str, code: int) -> None:
    failure = exec_failure(complaint, "nosuch")
    assert (failure.message, failure.exit_code) == (f"{EXEC}{message}: unknown", code)


def test_starting() -> None:
    failure = start_failure("time\ncannot start: Broken pipe\n")
    assert failure.message == "OCI runtime start failed: cannot start: broken pipe: unknown"
    assert start_failure("").exit_code == 128
