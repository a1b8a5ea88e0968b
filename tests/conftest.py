"""Marks by folder: what lies in tests/kernel and tests/engine needs root and says so."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes is the machine's business, which may have other things to do.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

TESTS = Path(__file__).parent
NEED_ROOT = ("kernel", "engine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if not item.path.is_relative_to(TESTS):
            continue
        folder = item.path.relative_to(TESTS).parts[0]
        if folder in NEED_ROOT:
            item.add_marker(folder)
            if os.geteuid() != 0:
                item.add_marker(pytest.mark.skip(reason="needs root"))
