from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.api.serving import Serving, serving


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    # These decide how long the tests take, and nothing else.
    monkeypatch.setattr("fairlead.api.container_streams.STATS_INTERVAL", 0.01)
    monkeypatch.setattr("fairlead.api.rawconnection.WATCH", 0.05)
    with serving(tmp_path / "api.sock") as running:
        yield running
