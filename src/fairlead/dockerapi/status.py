"""The one place where an error becomes an HTTP status, and a status a body."""

from fairlead.model.build import BuildFailed
from fairlead.model.errors import (
    Conflict,
    FairleadError,
    Forbidden,
    InvalidParameter,
    NotFound,
    NotModified,
    StartFailed,
    Unauthorized,
    Unavailable,
    Unsupported,
)

# The first class that fits decides; anything else that is ours is Docker's 500.
_STATUS: tuple[tuple[type[FairleadError], int], ...] = (
    (InvalidParameter, 400),
    (Unauthorized, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (Conflict, 409),
    (NotModified, 304),
    (Unsupported, 501),
    (Unavailable, 503),
)
FAILED = 500
_NOT_RUNNABLE = (126, 127)  # the request names a command that is not there, or is none
# What never depends on the error: routes that are not there, and areas that this engine leaves out.
PAGE_NOT_FOUND = "page not found"
NOT_A_SWARM_MANAGER = (
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this '
    "node to swarm and try again."
)


def status_of(error: Exception) -> int:
    """The HTTP status for an error."""
    if isinstance(error, StartFailed) and error.exit_code in _NOT_RUNNABLE:
        return 400
    return next((status for kind, status in _STATUS if isinstance(error, kind)), FAILED)


def message_of(error: Exception) -> str:
    """The sentence for the user; an error that is not ours shows none of its inside."""
    if isinstance(error, FairleadError):
        return error.message
    return "internal error: the daemon's log says what happened"


def error_body(message: str) -> dict[str, str]:
    """Docker's body of an error."""
    return {"message": message}


def progress_error(error: Exception) -> dict[str, object]:
    """An error inside a stream of progress messages, after its 200 has gone out."""
    message = message_of(error)
    code = {"code": error.code} if isinstance(error, BuildFailed) and error.code else {}
    return {"errorDetail": {**code, "message": message}, "error": message}
