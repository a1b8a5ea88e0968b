"""What is made of the code is as the code is now."""

import configparser
import os
import re
import subprocess
import sys
from pathlib import Path

from fairlead.__main__ import FURTHER
from fairlead.cli.table import COMMANDS
from fairlead.daemon import metrics
from fairlead.engine import measures
from tests.conventions.sources import ROOT


def printed(script: str) -> str:
    command = [sys.executable, str(ROOT / "scripts" / script)]
    environment = {**os.environ, "COLUMNS": "80"}
    return subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout


def test_the_configuration_reference_is_current() -> None:
    text = (ROOT / "docs/configuration.md").read_text()
    assert text.partition("<!-- made by scripts/configuration.py -->\n")[2] == printed("configuration.py")


def test_the_manual_page_has_every_command() -> None:
    page = printed("manual.py")
    listed = [name for name, place in {**COMMANDS, **FURTHER}.items() if not place.hidden]
    missing = [name for name in listed if f".SS fairlead {name}\n" not in page.replace("\\-", "-")]
    assert missing == []
    assert page.startswith(".TH FAIRLEAD 1")


def test_every_metric_is_explained() -> None:
    code = Path(metrics.__file__).read_text() + Path(measures.__file__).read_text()
    names = set(re.findall(r'"((?:fairlead|engine_daemon)_[a-z_]+)"', code))
    assert len(names) > 10
    text = (ROOT / "docs/metrics.md").read_text()
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


def test_the_package_is_of_this_release_and_needs_what_the_engine_calls() -> None:
    release = re.search(r'^version = "(.+)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert release is not None
    assert (ROOT / "debian/changelog").read_text().startswith(f"fairlead ({release[1]})")
    needed = re.split(r"[,|\s]+", (ROOT / "debian/control").read_text())
    blocks = re.findall(
        r"^# to run: .*\n((?:[^#\n].*\n)+)", (ROOT / "packages.txt").read_text(), re.MULTILINE
    )
    packages = {line.split()[0] for block in blocks for line in block.splitlines()} - {"python3-venv"}
    assert packages - set(needed) == set()


def test_the_service_lets_containers_live_on_and_is_told_when_it_is_ready() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(ROOT / "debian/fairlead.service")
    service = unit["Service"]
    assert (service["Type"], service["KillMode"], service["Delegate"]) == ("notify", "process", "yes")
    assert service["ExecStart"].endswith("daemon -H fd://")
    # These would be inherited by containers, or hide their mounts.
    assert not {"NoNewPrivileges", "PrivateMounts", "PrivateTmp", "ProtectSystem", "SystemCallFilter"} & set(
        service
    )
