"""What Docker shows of an exec."""

from fairlead.model.views import ExecView


def render_exec(view: ExecView) -> dict[str, object]:
    """The answer of `GET /exec/{id}/json`."""
    process: dict[str, object] = {
        "tty": view.tty,
        "entrypoint": view.command[0] if view.command else "",
        "arguments": list(view.command[1:]),
        "privileged": view.privileged,
    }
    if view.user:
        process["user"] = view.user
    return {
        "ID": view.id,
        "Running": view.running,
        "ExitCode": view.exit_code,
        "ProcessConfig": process,
        "OpenStdin": view.open_stdin,
        "OpenStderr": view.open_stderr,
        "OpenStdout": view.open_stdout,
        "CanRemove": False,
        "ContainerID": view.container_id,
        "DetachKeys": view.detach_keys,
        "Pid": view.pid,
    }
