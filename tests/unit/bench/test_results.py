"""What samples come to."""

import json
from pathlib import Path

from bench.results import Measure, Results

FAST = Measure("run", "ms")
WIDE = Measure("throughput", "Gbit/s", less_is_better=False)


def some() -> Results:
    results = Results()
    for value in (30, 10, 20):
        results.add(FAST, "fairlead", value)
        results.add(FAST, "dockerd", value * 8)
    results.add(WIDE, "fairlead", 12)
    results.add(WIDE, "dockerd", 6)
    return results


def test_an_advantage_is_how_many_times_better_the_median_is() -> None:
    assert some().advantage(FAST, "fairlead", "dockerd") == 8
    assert some().advantage(WIDE, "fairlead", "dockerd") == 2
    assert some().advantage(WIDE, "dockerd", "fairlead") == 0.5


def test_without_samples_there_is_no_advantage() -> None:
    assert some().advantage(FAST, "fairlead", "podman") is None
    assert some().advantage(Measure("other", "s"), "fairlead", "dockerd") is None


def test_the_table_has_a_row_for_each_measure() -> None:
    lines = some().table().splitlines()
    assert lines[0] == "| Measure | fairlead | dockerd | fairlead : dockerd |"
    assert lines[2] == "| run (ms) | **20** (10; 3) | **160** (80; 3) | 8.00× |"
    assert lines[3].endswith("| 2.00× |")
    assert len(lines) == 4


def test_every_sample_is_kept(tmp_path: Path) -> None:
    results = some()
    results.failures.append("podman, run: it did not")
    results.save(tmp_path / "r.json", {"kernel": "6"})
    kept = json.loads((tmp_path / "r.json").read_text())
    assert kept["results"][0]["samples"]["dockerd"] == [240, 80, 160]
    assert kept["failures"] == ["podman, run: it did not"] and kept["about"] == {"kernel": "6"}
