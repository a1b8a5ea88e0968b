"""Samples of every measure and contender, and what they come to."""

import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measure:
    """Something measured: its name, its unit, and whether less is better."""

    name: str
    unit: str
    less_is_better: bool = True


@dataclass(slots=True)
class Results:
    """Samples by measure and contender, in the order in which they came."""

    samples: dict[Measure, dict[str, list[float]]] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def add(self, measure: Measure, contender: str, value: float) -> None:
        """Keep one sample."""
        self.samples.setdefault(measure, {}).setdefault(contender, []).append(value)

    def median(self, measure: Measure, contender: str) -> float | None:
        """The median, None without samples."""
        values = self.samples.get(measure, {}).get(contender)
        return statistics.median(values) if values else None

    def advantage(self, measure: Measure, contender: str, over: str) -> float | None:
        """How many times better one median is than another; None where either is missing."""
        mine, theirs = self.median(measure, contender), self.median(measure, over)
        if not mine or not theirs:
            return None
        return theirs / mine if measure.less_is_better else mine / theirs

    def contenders(self) -> list[str]:
        """Everybody of whom there is a sample."""
        seen = {name: None for rows in self.samples.values() for name in rows}
        return [name for name in ("fairlead", "dockerd", "podman", "by hand") if name in seen]

    def table(self) -> str:
        """A Markdown table: medians (minimum, number of samples), and fairlead's advantages."""
        names = self.contenders()
        others = [name for name in names if name != "fairlead"] if "fairlead" in names else []
        heads = ["Measure", *names, *(f"fairlead : {name}" for name in others)]
        rows = [heads, ["---"] + ["---:"] * (len(heads) - 1)]
        for measure in self.samples:
            row = [f"{measure.name} ({measure.unit})"]
            row += [self._cell(measure, name) for name in names]
            for other in others:
                times = self.advantage(measure, "fairlead", other)
                row.append(f"{times:.2f}×" if times else "–")
            rows.append(row)
        return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"

    def _cell(self, measure: Measure, name: str) -> str:
        values = self.samples[measure].get(name)
        if not values:
            return "–"
        best = min(values) if measure.less_is_better else max(values)
        return f"**{_short(statistics.median(values))}** ({_short(best)}; {len(values)})"

    def save(self, path: Path, about: dict[str, str]) -> None:
        """Write every sample as JSON."""
        rows = [
            {"measure": each.name, "unit": each.unit, "less_is_better": each.less_is_better, "samples": rows}
            for each, rows in self.samples.items()
        ]
        path.write_text(
            json.dumps({"about": about, "results": rows, "failures": self.failures}, indent=1) + "\n"
        )


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
