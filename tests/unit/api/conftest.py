from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.api.serving import Serving, serving


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serving]:
    # How often it looks after a silent client decides how long the tests take.
    monkeypatch.setattr("fairlead.api.rawconnection.WATCH", 0.05)
    with serving(tmp_path / "api.sock") as running:
        yield running
