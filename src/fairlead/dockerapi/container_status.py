"""The words of `docker ps` about how a container is doing."""

from fairlead.dockerapi.times import human_duration
from fairlead.model.container import ContainerState


def describe_status(state: ContainerState, now: int) -> str:
    """`Up 5 minutes (healthy)`, `Exited (0) 3 minutes ago`, `Created` and so on; `now` in nanoseconds.

    Source: moby `container/state.go`, `State.String`.
    """
    up = human_duration(max(now - state.started, 0))
    ended = human_duration(max(now - state.finished, 0))
    if state.status == "paused":
        return f"Up {up} (Paused)"
    if state.status == "restarting":
        return f"Restarting ({state.exit_code}) {ended} ago"
    if state.status == "running":
        return f"Up {up} ({_health(state)})" if state.health else f"Up {up}"
    if state.status == "removing":
        return "Removal In Progress"
    if state.status == "dead":
        return "Dead"
    if state.started == 0:
        return "Created"
    return f"Exited ({state.exit_code}) {ended} ago"


def _health(state: ContainerState) -> str:
    assert state.health is not None
    return "health: starting" if state.health.status == "starting" else state.health.status
