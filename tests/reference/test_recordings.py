"""What the real Docker did, a part of it that fits into a test run; `make reference` compares all."""

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUNNER = Path(os.environ.get("COMPARE", ROOT / "../shared/reference/compare"))
# Each kind of behaviour once: modes, publishing, options, isolation, names, links, chains, IPv6, restarts.
SCENARIOS = ("04", "09", "12", "15", "18", "20", "22", "23", "29", "30", "36", "42")


@pytest.mark.skipif(not RUNNER.exists(), reason="the runner of the recordings is not on this machine")
@pytest.mark.skipif(os.geteuid() != 0, reason="virtual hosts need root")
def test_the_engine_does_what_docker_did() -> None:
    result = subprocess.run(
        [ROOT / "scripts/reference", *SCENARIOS], capture_output=True, text=True, timeout=900, check=False
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]
