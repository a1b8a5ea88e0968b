"""What the tests gave, and the lists it is held against."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PASSES, DOCKERD_FAILS, DIFFERS, OUT_OF_SCOPE = (
    HERE / f"{name}.txt" for name in ("passes", "dockerd-fails", "differs", "out-of-scope")
)


def listed(path: Path) -> dict[str, str]:
    """The tests of a list and what is said about each: lines `TEST` or `TEST | WHY`, and comments."""
    lines = [line.strip() for line in path.read_text().splitlines() if not line.startswith("#")]
    parts = [line.partition("|") for line in lines if line]
    return {name.strip(): why.strip() for name, _, why in parts}


def read(report: Path) -> dict[str, str]:
    """Test -> passed, failed or skipped.  A test is named FILE.CLASS.FUNCTION."""
    told: dict[str, str] = {}
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        place = case.get("classname", "").removeprefix("tests.integration.")
        name = f"{place}.{case.get('name')}"
        kinds = {child.tag for child in case}
        outcome = "failed" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "passed"
        if told.get(name) != "failed":
            told[name] = outcome
    return told


def is_in_scope(name: str) -> bool:
    """Whether neither the test nor its file nor its class is out of scope."""
    words, out_of_scope = name.split("."), listed(OUT_OF_SCOPE)
    return not any(".".join(words[:count]) in out_of_scope for count in range(1, len(words) + 1))


@dataclass(frozen=True, slots=True)
class Comparison:
    """Tests in scope: those that passed, those of the pass list that did not, those that may join it."""

    passed: tuple[str, ...]
    lost: tuple[str, ...]
    won: tuple[str, ...]
    wanted: int  # how many pass on dockerd

    def lines(self, engine: str) -> Iterator[str]:
        """What a person is told."""
        yield from (f"LOST  {name}" for name in self.lost)
        yield from (f"NEW   {name}: passes, and is not in {PASSES.name}" for name in self.won)
        share = (
            f", {100 * len(self.passed) / self.wanted:.1f} % of those that pass on dockerd"
            if self.wanted
            else ""
        )
        yield f"conformance: {len(self.passed)} tests in scope pass on {engine}{share}"
        yield f"{len(self.passed)} passed, {len(self.lost)} failed"


def compare(found: Mapping[str, str], whole: bool) -> Comparison:
    """Hold what was found against the lists; a test that was not run is lost only from the `whole`."""
    passes, in_scope = listed(PASSES), {name: told for name, told in found.items() if is_in_scope(name)}
    passed = tuple(name for name, told in in_scope.items() if told == "passed")
    return Comparison(
        passed=passed,
        lost=tuple(name for name in passes if (whole or name in found) and name not in passed),
        won=tuple(name for name in passed if name not in passes and name not in listed(DOCKERD_FAILS)),
        wanted=len(passes) + len(listed(DIFFERS)) if whole else 0,
    )
