"""docker-py's own integration tests about networks and commands go on passing; `make conformance` runs all."""

import os
import re
import subprocess

import pytest

from tests.conformance import outcome, suite
from tests.conformance.__main__ import VERSION, run

# What the engine is about, and what takes little time.
FILES = (
    "api_network_test",
    "models_networks_test",
    "api_exec_test",
    "api_volume_test",
    "models_volumes_test",
)


@pytest.mark.skipif(os.geteuid() != 0, reason="virtual hosts need root")
def test_what_passes_goes_on_passing() -> None:
    try:
        suite.prepare()
    except suite.Unreachable as error:
        pytest.skip(f"the package index cannot be reached: {error}")
    found = run("fairlead", [f"tests/integration/{name}.py" for name in FILES], VERSION)
    wanted = [
        name for name in outcome.listed(outcome.PASSES) if name.startswith(tuple(f"{f}." for f in FILES))
    ]
    assert len(wanted) > 50
    assert not [name for name in wanted if found.get(name) != "passed"]


def test_the_pass_list_never_shrinks() -> None:
    words = ["git", "log", "--format=", "--patch", "--", str(outcome.PASSES)]
    history = subprocess.run(words, cwd=outcome.HERE, capture_output=True, text=True, check=False)
    if history.returncode:
        pytest.skip("there is no history here")
    gone = set(re.findall(r"^-(\w+\.\w+\.\w+)", history.stdout, re.MULTILINE)) - set(
        outcome.listed(outcome.PASSES)
    )
    assert not gone


def test_no_test_is_in_two_lists() -> None:
    lists = (outcome.PASSES, outcome.DOCKERD_FAILS, outcome.DIFFERS, outcome.OUT_OF_SCOPE)
    names = [name for path in lists for name in outcome.listed(path)]
    assert len(names) == len(set(names)) > 250
    assert all(outcome.listed(path).values() or path == outcome.PASSES for path in lists)
