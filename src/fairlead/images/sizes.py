"""How much a layer holds: the bytes of its files, one of several names counted once, as Docker counts."""

import json
import os
import threading
from collections.abc import Iterable
from pathlib import Path


def content_size(directory: str | Path) -> int:
    """Bytes of everything below a directory but the directories themselves."""
    total = 0
    seen: set[tuple[int, int]] = set()
    waiting = [os.fspath(directory)]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                    continue
                status = entry.stat(follow_symlinks=False)
                if status.st_nlink > 1:
                    identity = (status.st_dev, status.st_ino)
                    if identity in seen:
                        continue
                    seen.add(identity)
                total += status.st_size
    return total


class LayerSizes:
    """Sizes of layers, which never change, kept in a file that may be deleted at any time."""

    def __init__(self, graph_root: Path, kept: Path):
        self._overlay = graph_root / "overlay"
        self._kept = kept
        self._measuring = threading.Lock()
        try:
            sizes = json.loads(kept.read_text())
            self._sizes = {str(layer): int(size) for layer, size in sizes.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self._sizes = {}

    def total(self, layers: Iterable[str]) -> int | None:
        """Bytes in all these layers; None while one of them has not been measured."""
        sizes = [self._sizes.get(layer) for layer in layers]
        known = [size for size in sizes if size is not None]
        return sum(known) if len(known) == len(sizes) else None

    def measure(self, layers: Iterable[str]) -> None:
        """Measure what is not known of these; takes as long as walking through them.  Any thread may call."""
        with self._measuring:
            self._measure(layers)

    def _measure(self, layers: Iterable[str]) -> None:
        missing = [layer for layer in layers if layer not in self._sizes]
        if not missing:
            return
        measured = {}
        for layer in missing:
            try:
                measured[layer] = content_size(self._overlay / layer / "diff")
            except OSError:
                measured[layer] = 0
        stored = {layer: size for layer, size in self._sizes.items() if (self._overlay / layer).exists()}
        self._sizes = {**stored, **measured}
        unfinished = self._kept.with_suffix(".new")
        unfinished.write_text(json.dumps(self._sizes))
        unfinished.rename(self._kept)
