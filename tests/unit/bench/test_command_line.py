"""The benchmark program can be asked what it has."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_its_help_names_every_part() -> None:
    asked = [sys.executable, "-m", "bench", "--help"]
    text = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for part in ("concurrency", "crashes", "injuries", "outages", "rounds", "states", "upgrades"):
        assert part in text
