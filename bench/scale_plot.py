"""What was seen at each number of hosts: until all agree, and what it costs each host."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

if TYPE_CHECKING:
    from bench.scale import Row

PICTURES = {
    "seconds until all agree": {
        "burst_agreed": "100 endpoints start at once",
        "newcomer_known": "a host joins",
        "death_agreed": "a host is gone (after its lease)",
    },
    "seconds of processor": {
        "newcomer_processor": "a host joins: that host",
        "burst_etcd": "100 endpoints start: etcd",
        "burst_processor": "100 endpoints start: each host",
        "compare_processor": "one reading of everything: each host",
        "look_processor": "one look at its kernel: each host",
    },
}


def draw(rows: Sequence["Row"], path: Path) -> None:
    """Write the picture; the path's ending says the format."""
    figure, places = plt.subplots(1, len(PICTURES), figsize=(10, 4))
    hosts = [row.hosts for row in rows]
    for axes, (unit, lines) in zip(places, PICTURES.items(), strict=True):
        for name, label in lines.items():
            axes.plot(hosts, [getattr(row, name) for row in rows], marker="o", label=label)
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set_xticks(hosts, [str(each) for each in hosts])
        axes.set_xlabel("hosts, with 50 endpoints each" if rows[0].endpoints == 50 * hosts[0] else "hosts")
        axes.set_title(unit, fontsize=10)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)
