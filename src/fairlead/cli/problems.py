"""How a command ends when it does not succeed: an exit code and, mostly, a message for the user."""


class Ending(Exception):
    """Ends the command with this exit code, after `message`, if any, was written to standard error."""

    def __init__(self, code: int, message: str = ""):
        super().__init__(message)
        self.code = code
        self.message = message


class Misuse(Exception):
    """The command line itself is wrong; the caller adds the usage line and the exit code."""


class Invalid(ValueError):
    """A value that cannot be what it should be; the text says why, for the user."""
