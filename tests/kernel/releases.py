"""Another release of the program: the same code with another text in it, from a directory of its own."""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import fairlead


@contextlib.contextmanager
def another_release() -> Iterator[Path]:
    """What is started meanwhile is of another release; the directory of its package."""
    with tempfile.TemporaryDirectory() as place:
        package = Path(place) / "fairlead"
        shutil.copytree(Path(fairlead.__file__).parent, package)
        for path in (package / "resolver").glob("*_main.py"):
            path.write_text(path.read_text() + "# Another release.\n")
        before = os.environ.get("PYTHONPATH")
        os.environ["PYTHONPATH"] = place
        try:
            yield package
        finally:
            if before is None:
                del os.environ["PYTHONPATH"]
            else:
                os.environ["PYTHONPATH"] = before
