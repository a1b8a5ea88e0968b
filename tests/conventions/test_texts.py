"""What all text of the repository keeps to."""

import re

from tests.conventions.sources import ROOT, SOURCE, name, text_files

UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X)\b")
MACHINE = re.compile(r"/wor" r"k/(main|shared)|/tm" r"p/w/|/roo" r"t/\.pyenv")


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name(path)}:{number}: {line.strip()}"
        for path in text_files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def test_there_is_text_to_look_at() -> None:
    assert SOURCE / "process.py" in text_files() and ROOT / "Makefile" in text_files()


def test_nothing_is_left_as_a_promise() -> None:
    assert lines_with(UNFINISHED) == []


def test_no_path_of_one_machine() -> None:
    assert lines_with(MACHINE) == []
