"""One error class for each remedy a caller has; a message starts with what cannot be done.

HTTP status codes live in `dockerapi.status`, nowhere else.
"""


class FairleadError(Exception):
    """Something could not be done; `message` is one sentence for the user."""

    def __init__(self, message: str):
        super().__init__(message)
        self.message = message


class InvalidParameter(FairleadError):
    """The request itself is wrong: correct it and ask again."""


class Unauthorized(FairleadError):
    """Credentials are missing or refused."""


class Forbidden(FairleadError):
    """The request is understood and never allowed, whoever asks."""


class NotFound(FairleadError):
    """What the request names does not exist."""


class NotModified(FairleadError):
    """Everything is already as the request wants it (Docker answers 304)."""


class Conflict(FairleadError):
    """Somebody else holds what the request needs: release it, then ask again."""


class Unsupported(FairleadError):
    """This engine does not do that (swarm, plugins, missing kernel features)."""


class Unavailable(FairleadError):
    """A part that the request needs cannot be reached now: ask again later."""


class Failed(FairleadError):
    """The host refused: the message says what and why (Docker answers 500)."""


class StepFailed(Failed):
    """A step could not be performed; `done` steps of the batch before it were.

    The reconciler undoes those, newest first.
    """

    def __init__(self, message: str, done: int):
        super().__init__(message)
        self.done = done


class PortTaken(StepFailed):
    """A host port cannot be held: somebody else holds it, or the host has no such address.

    `protocol`, `address` and `port` say which one, `errno` why; `holder` names who has it, "" if
    nobody is known to.
    """

    def __init__(
        self,
        message: str,
        holder: str = "",
        *,
        done: int = 0,
        protocol: str = "",
        address: str = "",
        port: int = 0,
        errno: int = 0,
    ):
        super().__init__(message, done)
        self.holder = holder
        self.protocol = protocol
        self.address = address
        self.port = port
        self.errno = errno


class StartFailed(Failed):
    """A container's or an exec's process could not be started.

    `exit_code` is what Docker records: 127 for a command that is not there, 126 for one that
    cannot be run (clients get 400 for both), 128 for everything else (500).
    """

    def __init__(self, message: str, exit_code: int = 128):
        super().__init__(message)
        self.exit_code = exit_code
