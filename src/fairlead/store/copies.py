"""A second copy of every record, one file each, from which a damaged database is made anew.

    DIRECTORY/NAME         checksum, kind and id in one line, the record in the next
    DIRECTORY/generation   the last commit that all copies show, and since which start of the machine

The copies follow the database and never lead: they are written after a commit, without waiting for
the disk, and count only where the database is damaged or older than they are.
"""

import contextlib
import functools
import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping

from fairlead.store.formats import checksum

Name = tuple[str, str]  # kind, id
GENERATION = "generation"


class Copies:
    """The files in one directory.  What the disk refuses is made good with a later commit."""

    def __init__(self, directory: str):
        self._directory = directory
        self._behind: dict[Name, str | None] = {}  # what could not be written yet

    def generation(self) -> int | None:
        """The last commit that the copies show, None where nothing says so.

        They do not wait for the disk: after another start of the machine what they say is at most 0,
        and only serves where the database is damaged.
        """
        try:
            with open(os.path.join(self._directory, GENERATION), encoding="ascii") as file:
                words = file.read(100).split()
        except (OSError, ValueError):
            return None
        if len(words) != 3 or not words[1].isdigit() or words[0] != checksum(GENERATION, *words[1:]):
            return None
        return int(words[1]) if words[2] == _machine_start() else 0

    def count(self) -> int:
        """How many copies there are, damaged ones included."""
        with contextlib.suppress(OSError):
            return sum(not name.startswith(GENERATION) for name in os.listdir(self._directory))
        return 0

    def read(self) -> dict[Name, str]:
        """Every copy that is sound."""
        return dict(self._sound())

    def _sound(self) -> Iterator[tuple[Name, str]]:
        with contextlib.suppress(OSError):
            for name in os.listdir(self._directory):
                with contextlib.suppress(OSError, ValueError):
                    with open(os.path.join(self._directory, name), encoding="utf-8") as file:
                        found, kind, identity = file.readline().split()
                        body = file.readline().removesuffix("\n")
                    if name == _file_name((kind, identity)) and found == checksum(kind, identity, body):
                        yield (kind, identity), body

    def write(self, changes: Mapping[Name, str | None], generation: int) -> None:
        """Bring the copies of these records up to a generation; None: there is no such record any more.

        Raises OSError; the next call tries again what is left.
        """
        self._behind.update(changes)
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        for name, body in list(self._behind.items()):
            self._write_one(name, body)
            del self._behind[name]
        words = (str(generation), _machine_start())
        self._replace(GENERATION, f"{checksum(GENERATION, *words)} {' '.join(words)}\n")

    def write_all(self, bodies: Mapping[Name, str], generation: int) -> None:
        """Make the copies show exactly these records.  Raises OSError."""
        there = self.read()
        wanted = {_file_name(name) for name in bodies} | {GENERATION}
        with contextlib.suppress(FileNotFoundError):
            for name in set(os.listdir(self._directory)) - wanted:
                remove(os.path.join(self._directory, name))
        self._behind.clear()
        self.write({name: body for name, body in bodies.items() if there.get(name) != body}, generation)

    def _write_one(self, name: Name, body: str | None) -> None:
        if body is not None:
            self._replace(_file_name(name), f"{checksum(*name, body)} {name[0]} {name[1]}\n{body}\n")
            return
        remove(os.path.join(self._directory, _file_name(name)))

    def _replace(self, name: str, text: str) -> None:
        path = os.path.join(self._directory, name)
        try:
            with open(f"{path}.new", "w", encoding="utf-8") as file:
                file.write(text)
            if os.path.isdir(path):
                remove(path)
            os.replace(f"{path}.new", path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(f"{path}.new")
            raise


def remove(path: str) -> None:
    """Delete whatever is at the path.  Raises OSError."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)


@functools.cache
def _machine_start() -> str:
    """What tells this start of the machine from all others."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip() or "unknown"
    except OSError:
        return "unknown"


def _file_name(name: Name) -> str:
    """As long for every id: a volume's name may be as long as a file's."""
    return hashlib.blake2b("\0".join(name).encode(), digest_size=20).hexdigest()
