"""The results as bars: each measure's medians, as multiples of the best."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

from bench.results import Results  # noqa: E402

COLOURS = {"fairlead": "#1b7f5c", "dockerd": "#2f6fb0", "podman": "#8a5fa8", "by hand": "#7a7a7a"}


def draw(results: Results, title: str, paths: list[Path]) -> None:
    """Write the same picture to every path; the ending says the format."""
    names = results.contenders()
    measures = list(results.samples)
    figure, axes = plt.subplots(figsize=(10, 1.2 + 0.22 * len(measures) * (len(names) + 0.8)))
    for row, measure in enumerate(measures):
        medians = {name: results.median(measure, name) for name in names}
        there = [value for value in medians.values() if value and value > 0]
        if not there:
            continue
        best = min(there) if measure.less_is_better else max(there)
        for column, name in enumerate(names):
            value = medians[name]
            if not value or value <= 0:
                continue
            times = value / best if measure.less_is_better else best / value
            place = row * (len(names) + 0.8) + column
            axes.barh(place, times, color=COLOURS[name], height=0.9, label=name if row == 0 else None)
            axes.text(times * 1.03, place, f"{value:.3g} {measure.unit}", va="center", fontsize=6)
    axes.set_yticks(
        [row * (len(names) + 0.8) + (len(names) - 1) / 2 for row in range(len(measures))],
        [measure.name for measure in measures],
        fontsize=7,
    )
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlim(left=0.9)
    axes.margins(x=0.12, y=0.01)
    axes.set_xlabel("times worse than the best (medians, logarithmic)")
    axes.set_title(title, fontsize=9)
    axes.legend(loc="lower right", fontsize=8)
    figure.tight_layout()
    for path in paths:
        figure.savefig(path, dpi=150)
    plt.close(figure)
