"""What the documents name exists."""

import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.conventions.sources import ROOT

DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md", *ROOT.glob("docs/*.md")]


def shell_lines() -> Iterator[list[str]]:
    """The commands in the documents' shell blocks, as words, without a prompt."""
    for document in DOCUMENTS:
        for block in re.findall(r"```(?:sh|console)\n(.*?)```", document.read_text(), re.DOTALL):
            prompted = "$ " in block
            for line in block.replace("\\\n", " ").splitlines():
                if prompted and not line.startswith("$ "):
                    continue  # what a command printed
                yield shlex.split(line.removeprefix("$ "), comments=True)


COMMANDS = sorted({tuple(words) for words in shell_lines() if words})


def fairlead_commands() -> list[tuple[str, ...]]:
    """Of the commands in the documents, the words that choose one of fairlead's."""
    found = set()
    for words in COMMANDS:
        program, *rest = words
        if program.rpartition("/")[2] != "fairlead":
            continue
        chosen = (
            rest[:2]
            if rest[:1] and rest[0] in ("lab", "network", "container", "image", "volume")
            else rest[:1]
        )
        found.add(tuple(chosen))
    return sorted(found)


def test_the_documents_hold_commands() -> None:
    assert ("make", "demo") in COMMANDS and ("make", "test") in COMMANDS


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "make"], ids=" ".join)
def test_make_knows_the_target(words: tuple[str, ...]) -> None:
    result = subprocess.run(["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("words", fairlead_commands(), ids=" ".join)
def test_fairlead_knows_the_command(words: tuple[str, ...]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "fairlead", *words, "--help"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert words[-1] in result.stdout


def test_every_file_that_a_document_links_to_exists() -> None:
    for document in [*DOCUMENTS, *ROOT.glob("decisions/*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            assert (document.parent / target).exists(), f"{document.name} links to {target}"


def glossary() -> list[tuple[str, str]]:
    """(word, place in the code) of each row of the glossary."""
    rows = re.findall(
        r"^\| \*\*(.+?)\*\* \|.*\| `(.+?)` \|$", (ROOT / "GLOSSARY.md").read_text(), re.MULTILINE
    )
    return [(word, place) for word, place in rows]


@pytest.mark.parametrize(("word", "place"), glossary(), ids=lambda part: part)
def test_a_glossary_word_is_where_it_says(word: str, place: str) -> None:
    parts = place.split(".")
    for split in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(["fairlead", *parts[:split]]))
        except ModuleNotFoundError:
            continue
        for attribute in parts[split:]:
            found = getattr(found, attribute)
        return
    raise AssertionError(f"{word}: there is no fairlead.{place}")


def test_the_glossary_is_sorted_and_has_no_word_twice() -> None:
    found = [word for word, _ in glossary()]
    assert len(found) > 20
    assert found == sorted(set(found), key=str.lower)
