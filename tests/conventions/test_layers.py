"""Imports go in one direction only; pyproject.toml has the layers."""

import subprocess
import sys
from pathlib import Path

from tests.conventions.sources import ROOT


def test_imports_go_in_one_direction() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([lint, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
