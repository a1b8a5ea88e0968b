"""What `make setup` installs is written down completely."""

import re
import subprocess
import tomllib

from tests.conventions.sources import ROOT

LOCK = (ROOT / "requirements.lock").read_text()


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_holds_what_the_project_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["project"]["optional-dependencies"]["test"]]
    wanted += project["build-system"]["requires"]
    names = {normal(re.split(r"[<>=!~\[ ;]", each)[0]) for each in wanted}
    locked = {normal(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", LOCK, re.MULTILINE)}
    assert names <= locked, names - locked


def test_every_locked_package_is_pinned_with_hashes() -> None:
    entries = re.split(r"\n(?=[A-Za-z0-9])", LOCK)[1:]
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+==\S+", entry) and "--hash=sha256:" in entry, entry[:80]


def test_every_package_of_the_list_is_named_once_and_well() -> None:
    lines = [line.split("#")[0].split() for line in (ROOT / "packages.txt").read_text().splitlines()]
    named = [words[0] for words in lines if words]
    assert len(named) == len(set(named)) > 20
    for words in filter(None, lines):
        assert re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", words[0]), words
        assert len(words) == 1 or (len(words) == 3 and words[1] == "unless"), words


def test_the_scripts_are_sound_shell() -> None:
    scripts = [each for each in ROOT.glob("scripts/*") if each.is_file() and each.suffix != ".py"]
    for script in [*scripts, ROOT / ".ci" / "run"]:
        assert subprocess.run(["sh", "-n", script]).returncode == 0, script
        assert script.stat().st_mode & 0o100, script
