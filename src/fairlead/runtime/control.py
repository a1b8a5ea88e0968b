"""conmon's control pipe: sizes of terminals, and the word that its log file has moved."""

import os

_RESIZE, _REOPEN = 1, 2  # message types
_LARGEST = 1000  # what conmon takes


def _tell(directory: str, kind: int, first: int, second: int) -> bool:
    """Send a message; False when nobody is there to get it."""
    try:
        descriptor = os.open(f"{directory}/ctl", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        os.write(descriptor, f"{kind} {first} {second}\n".encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def resize(directory: str, height: int, width: int) -> bool:
    """Set the size of the terminal of the process whose conmon has that directory."""
    return _tell(directory, _RESIZE, min(height, _LARGEST), min(width, _LARGEST))


def reopen_log(directory: str) -> bool:
    """Have the log file opened anew."""
    return _tell(directory, _REOPEN, 0, 0)
