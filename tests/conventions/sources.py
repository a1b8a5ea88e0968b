"""The repository's own files, for the tests that hold its conventions."""

import ast
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "fairlead"
MODULES = sorted(SOURCE.rglob("*.py"))


def name(path: Path) -> str:
    """A file's name for a message."""
    return str(path.relative_to(ROOT))


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def text_files() -> list[Path]:
    """Every text file that belongs to the repository, also those not committed yet."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    kinds = {".py", ".md", ".toml", ".txt", ".json", ".sh", ""}
    files = (ROOT / line for line in listing.splitlines())
    return [file for file in files if file.is_file() and file.suffix in kinds]
