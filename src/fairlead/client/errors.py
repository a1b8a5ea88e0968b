"""What can go wrong between a client and the API; each text is what Docker's own client says."""


class ClientError(Exception):
    """The API could not be asked, or refused; `str()` is one message for the user."""


class InvalidAddress(ClientError):
    """The text names no daemon."""


class Unreachable(ClientError):
    """Nobody answers at the address."""


class ConnectionLost(ClientError):
    """The daemon went away in the middle of an answer."""


class Refused(ClientError):
    """The daemon answered with an error: `status` is the HTTP status, `message` its own words."""

    def __init__(self, status: int, message: str):
        super().__init__(f"Error response from daemon: {message}")
        self.status = status
        self.message = message

    @property
    def not_found(self) -> bool:
        """Whether what the request names does not exist."""
        return self.status == 404
