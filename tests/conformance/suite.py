"""The integration tests of docker-py 5.0.3 as its source distribution brings them, and what they import.

Everything lies below build/ and is made once: the unpacked distribution, and a virtual environment
with the versions of that time.  Nothing of it is kept in this repository.
"""

import os
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.conformance.outcome import is_in_scope

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RELEASE = "docker-5.0.3"
BUILD = ROOT / "build" / "conformance"
SOURCE = BUILD / RELEASE
ENVIRONMENT = BUILD / "environment"
REQUIREMENTS = HERE / "requirements.lock"
DISTRIBUTION = HERE / "distribution.lock"


class Unreachable(Exception):
    """The package index does not answer, or does not have what is asked for."""


def prepare() -> None:
    """Fetch what is missing.  Unreachable when the package index cannot be reached."""
    wanted = REQUIREMENTS.read_text() + DISTRIBUTION.read_text()
    stamp = BUILD / "ready"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    BUILD.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", ENVIRONMENT], check=True)
    _pip("install", "--require-hashes", "-r", REQUIREMENTS)
    # The distribution's own setup.py runs with the setuptools just installed, which is of its time.
    _pip("download", "--require-hashes", "--no-deps", "--no-binary", ":all:", "--no-build-isolation",
         "-d", BUILD, "-r", DISTRIBUTION)  # fmt: skip
    with tarfile.open(BUILD / f"{RELEASE}.tar.gz") as archive:
        archive.extractall(BUILD, filter="data")
    stamp.write_text(wanted)


def files() -> list[str]:
    """The files with tests in scope."""
    found = sorted((SOURCE / "tests" / "integration").glob("*_test.py"))
    return [str(path.relative_to(SOURCE)) for path in found if is_in_scope(path.stem)]


def command(report: Path, arguments: list[str]) -> str:
    """The shell command that runs these tests and writes `report`, JUnit's XML."""
    python = ENVIRONMENT / "bin" / "python"
    return " ".join(
        [f"cd {SOURCE} && SETUPTOOLS_USE_DISTUTILS=local exec setpriv --pdeathsig KILL {python} -m pytest -c /dev/null --rootdir=.",
         f"-p no:cacheprovider -q --tb=short --timeout=120 --junitxml={report}", *arguments]
    )  # fmt: skip


def _pip(verb: str, *words: "str | Path") -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", "--python", ENVIRONMENT / "bin" / "python",
         "--disable-pip-version-check", verb, "-q", *words],
        env=os.environ | {"PIP_ROOT_USER_ACTION": "ignore"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise Unreachable(done.stderr.strip().rpartition("\n")[2])
