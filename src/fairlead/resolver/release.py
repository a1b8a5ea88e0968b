"""Which code the processes beside the daemon run: those of another release are replaced by ours."""

import hashlib
from functools import cache
from pathlib import Path

PARTS = ("model", "dns", "resolver")  # of the package: what these processes are made of


@cache
def release() -> str:
    """A digest of the code as it lies on the disk; "" where there is none to read."""
    package = Path(__file__).parent.parent
    digest = hashlib.sha256()
    try:
        for path in sorted(path for part in PARTS for path in (package / part).glob("*.py")):
            digest.update(path.name.encode() + path.read_bytes())
    except OSError:
        return ""
    return digest.hexdigest()[:16]
