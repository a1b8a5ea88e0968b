"""Files that a stream is written to: all of it or nothing, never a terminal."""

import contextlib
import os
import tempfile
from collections.abc import Iterable

from fairlead.cli.problems import Invalid
from fairlead.cli.session import Session

TERMINAL = "cowardly refusing to save to a terminal. Use the -o flag or redirect"


def check_output(path: str) -> None:
    """That something can be written there: its directory exists, and it is no device.  Raises Invalid."""
    directory = os.path.dirname(os.path.normpath(path))
    try:
        if directory not in ("", "."):
            os.stat(directory)
    except OSError as problem:
        reason = f"stat {directory}: {(problem.strerror or str(problem)).lower()}"
        raise Invalid(f"invalid output path: {reason}") from None
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise Invalid(f'invalid output path: "{path}" must be a directory or a regular file')


def save(session: Session, pieces: Iterable[bytes], path: str) -> None:
    """Write to a file, or to standard output when there is no path.  A file appears whole or not at all."""
    if not path:
        for piece in pieces:
            session.output.write(piece)
        return
    handle, beside = tempfile.mkstemp(prefix=".fairlead-", dir=os.path.dirname(os.path.abspath(path)))
    try:
        with os.fdopen(handle, "wb") as file:
            for piece in pieces:
                file.write(piece)
        os.chmod(beside, 0o600)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(beside)
        raise
