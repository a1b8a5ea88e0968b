"""What every module of fairlead keeps to."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conventions.sources import MODULES, SOURCE, name, parsed

LONGEST_FILE = 400  # lines
VAGUE = {"manager", "helper", "helpers", "util", "utils", "info", "data"}
STARTING_CALLS = {
    "create_subprocess_exec",
    "create_subprocess_shell",
    "system",
    "popen",
    "fork",
    "posix_spawn",
}

every_module = pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))


def public(nodes: list[ast.stmt]) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in nodes:
        definition = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        if not definition or node.name.startswith("_"):
            continue
        yield node
        if isinstance(node, ast.ClassDef):
            yield from public(node.body)


def words(identifier: str) -> set[str]:
    """The words of a name: HTTPDataSource has http, data, source."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", identifier)
    return {word.lower() for word in found}


def test_words_of_a_name() -> None:
    assert words("HTTPDataSource") == {"http", "data", "source"}
    assert words("net_utils") == {"net", "utils"}


@every_module
def test_a_file_is_short_enough_to_be_read(path: Path) -> None:
    lines = len(path.read_text().splitlines())
    assert lines <= LONGEST_FILE, f"{name(path)} has {lines} lines: split it"


@every_module
def test_a_module_opens_with_its_law(path: Path) -> None:
    assert (ast.get_docstring(parsed(path)) or "").strip(), f"{name(path)} has no docstring"


@every_module
def test_what_is_public_says_what_it_promises(path: Path) -> None:
    silent = [
        f"{name(path)}:{node.lineno} {node.name}"
        for node in public(parsed(path).body)
        if not ast.get_docstring(node) and not _is_overload(node)
    ]
    assert not silent, silent


def _is_overload(node: ast.AST) -> bool:
    decorators = getattr(node, "decorator_list", [])
    return any(isinstance(each, ast.Name) and each.id in ("overload", "override") for each in decorators)


@every_module
def test_names_say_what_things_are(path: Path) -> None:
    assert not words(path.stem) & VAGUE, f"{name(path)} is named by a word that says nothing"
    vague = [
        f"{name(path)}:{node.lineno} {node.name}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.ClassDef) and words(node.name) & VAGUE
    ]
    assert not vague, vague


@every_module
def test_programs_are_started_in_one_place(path: Path) -> None:
    if path == SOURCE / "process.py":
        return
    for node in ast.walk(parsed(path)):
        place = f"{name(path)}:{getattr(node, 'lineno', 0)}"
        if isinstance(node, ast.Call):
            assert "preexec_fn" not in {keyword.arg for keyword in node.keywords}, place
            called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            owner = node.func.value.id if called and isinstance(node.func.value, ast.Name) else ""
            assert not (owner in ("subprocess", "asyncio", "os") and called in STARTING_CALLS), place
            assert not (owner == "subprocess" and called[:1].isupper()), place
            assert not (owner == "subprocess" and called in ("run", "call", "check_call", "check_output")), (
                place
            )
