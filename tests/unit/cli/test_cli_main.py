import subprocess
import sys
from collections.abc import Callable

import click
import pytest

from fairlead.cli import table
from fairlead.cli.commands import Command, Group, Place
from fairlead.cli.main import run
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session
from fairlead.client.errors import Refused

NOWHERE = ("-H", "unix:///nowhere/at.all")


def test_no_command_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([], "docker") == 0
    shown = capsys.readouterr().out
    assert shown.startswith("Usage:  docker [OPTIONS] COMMAND\n")
    for section in ("Common Commands:", "Management Commands:", "Commands:", "Global Options:"):
        assert f"\n{section}\n" in shown


def test_a_group_alone_shows_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["network"]) == 0
    shown = capsys.readouterr().out
    assert "Usage:  fairlead network COMMAND" in shown
    assert "  connect     Connect a container to a network\n" in shown
    assert "remove" not in shown


@pytest.mark.parametrize("words", [["rm", "--help"], ["rm", "x", "-h"], ["container", "rm", "--help"]])
def test_the_help_of_a_command(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 0
    shown = capsys.readouterr().out
    path = "fairlead container rm" if words[0] == "container" else "fairlead rm"
    assert shown.startswith(
        f"Usage:  {path} [OPTIONS] CONTAINER [CONTAINER...]\n\nRemove one or more containers\n"
    )
    assert "  -f, --force     Force the removal" in shown


def test_h_is_no_help_where_it_means_something_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*NOWHERE, "create", "-h", "name"]) == 1
    assert "requires at least 1 argument" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (["nosuch"], 1, "docker: unknown command: docker nosuch\n\nRun 'docker --help'"),
        (
            ["network", "nosuch"],
            1,
            "docker: unknown command: docker network nosuch\n\nUsage:  docker network\n",
        ),
        (["--nosuch"], 125, "unknown flag: --nosuch\n\nUsage:  docker [OPTIONS] COMMAND [ARG...]\n"),
        (["rm"], 1, "docker: 'docker rm' requires at least 1 argument\n"),
        (["port", "a", "b", "c"], 1, "docker: 'docker port' requires at least 1 and at most 2 arguments\n"),
        (["images", "a", "b"], 1, "docker: 'docker images' requires at most 1 argument\n"),
        (["network", "ls", "x"], 1, "docker: 'docker network ls' accepts no arguments\n"),
        (
            ["rm", "--nosuch"],
            125,
            "unknown flag: --nosuch\n\nUsage:  docker rm [OPTIONS] CONTAINER [CONTAINER...]\n",
        ),
        (["-H", "a", "-H", "b", "ps"], 1, "Specify only one -H\n"),
        (
            ["-H", "bad://x", "ps"],
            1,
            "Failed to initialize: unable to resolve docker endpoint: invalid bind address",
        ),
        (
            [*NOWHERE, "ps"],
            1,
            "Cannot connect to the Docker daemon at unix:///nowhere/at.all. Is the docker daemon",
        ),
    ],
)
def test_what_goes_wrong_is_told(
    words: list[str], code: int, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words, "docker") == code
    told = capsys.readouterr()
    assert told.err.startswith(complaint)
    assert told.out == ""


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-v"]) == 0
    assert capsys.readouterr().out.startswith("Fairlead version ")


@pytest.mark.parametrize(
    ("environment", "hosts", "expected"),
    [
        ({}, [], "unix:///run/fairlead.sock"),
        ({"DOCKER_HOST": "d"}, [], "d"),
        ({"DOCKER_HOST": "d", "FAIRLEAD_HOST": "f"}, [], "f"),
        ({"DOCKER_HOST": "d", "FAIRLEAD_HOST": "f"}, ["h"], "h"),
    ],
)
def test_which_daemon_is_asked(environment: dict[str, str], hosts: list[str], expected: str) -> None:
    session = Session(environment=environment)
    session.hosts = hosts
    assert session.host == expected


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    def end(problem: BaseException) -> int:
        @click.command("fail")
        def fail() -> None:
            raise problem

        monkeypatch.setattr(Place, "load", lambda _: fail)
        return run(["ps"])

    return end


@pytest.mark.parametrize(
    ("problem", "code", "told"),
    [
        (Ending(7, "said"), 7, "said\n"),
        (Ending(3), 3, ""),
        (Refused(404, "No such container: x"), 1, "Error response from daemon: No such container: x\n"),
        (KeyboardInterrupt(), 130, ""),
        (FileNotFoundError(2, "No such file or directory", "/x"), 1, "/x: no such file or directory\n"),
        (click.UsageError("wrong"), 2, "Error: wrong\n"),
        (ValueError("odd"), 1, "fairlead: odd (-D says where)\n"),
    ],
)
def test_every_problem_has_an_exit_code(
    problem: BaseException,
    code: int,
    told: str,
    ended: Callable[[BaseException], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended(problem) == code
    assert capsys.readouterr().err.endswith(told)


def test_every_command_of_the_table_is_there() -> None:
    for name, place in table.COMMANDS.items():
        found = place.load()
        if isinstance(found, Group):
            for inner, at in found.places.items():
                command = at.load()
                assert isinstance(command, Command)
                assert at.hidden or command.name == inner
        else:
            assert isinstance(found, Command)
            assert found.name == name


def test_a_list_of_networks_imports_nothing_that_it_does_not_need() -> None:
    script = (
        "import sys; sys.argv = ['fairlead', '-H', 'unix:///nowhere', 'network', 'ls']\n"
        "from fairlead.__main__ import main\n"
        "try: main()\n"
        "except SystemExit as end: assert end.code == 1\n"
        "print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "fairlead.cli.networks" in imported
    layers = {name.split(".")[1] for name in imported if name.startswith("fairlead.")}
    assert layers == {"__main__", "cli", "client"}
    assert not imported & {"rich", "asyncio", "aiohttp", "pyroute2", "subprocess", "shutil", "fractions"}
    assert "fairlead.cli.template" not in imported
    assert "fairlead.cli.containers" not in imported
