"""Every option of Docker's client is one of ours, under the same name, with the same letter and kind."""

import re
import shutil
import subprocess
from collections.abc import Iterator

import click
import pytest

from fairlead.cli.commands import Command, Group
from fairlead.cli.table import COMMANDS

DOCKER = shutil.which("docker")

# What speaks of swarm, of Windows, of Docker's own services, or of checkpoints.
NOT_OURS = {
    ("*", "checkpoint"),
    ("*", "checkpoint-dir"),
    ("*", "use-api-socket"),
    ("images", "tree"),
    ("image ls", "tree"),
    ("volume ls", "cluster"),
    *(
        ("volume create", name)
        for name in (
            "availability group limit-bytes required-bytes scope secret sharing topology-preferred "
            "topology-required type"
        ).split()
    ),
}


def commands() -> Iterator[tuple[str, Command]]:
    for name, place in COMMANDS.items():
        found = place.load()
        if isinstance(found, Command):
            yield name, found
        elif isinstance(found, Group):
            yield from (
                (f"{name} {inner}", _command(at.load()))
                for inner, at in found.places.items()
                if not at.hidden
            )


def _command(found: click.Command) -> Command:
    assert isinstance(found, Command)
    return found


def theirs(name: str) -> str:
    assert DOCKER
    done = subprocess.run(
        [DOCKER, *name.split(), "--help"],
        capture_output=True,
        text=True,
        check=False,
        env={"DOCKER_HOST": "unix:///nowhere.sock", "PATH": "/usr/bin", "DOCKER_BUILDKIT": "0"},
    )
    return done.stdout


ALL = dict(commands())
OURS = ("completion", "doctor", "explain", "overlay")  # commands that Docker has not, or otherwise


@pytest.mark.skipif(not DOCKER, reason="there is no docker client to compare with")
@pytest.mark.parametrize("name", [name for name in ALL if name.partition(" ")[0] not in OURS])
def test_no_option_is_missing(name: str) -> None:
    ours = {flag.name: flag for flag in ALL[name].flags}
    text = theirs(name)
    assert f"Usage:  docker {name}" in text
    found = re.findall(r"^ +(?:-(\w), )?--([\w-]+)(?: (\S+))? ", text, re.MULTILINE)
    assert found or "Options:" not in text
    for short, option, kind in found:
        if option == "help" or ("*", option) in NOT_OURS or (name, option) in NOT_OURS:
            continue
        assert option in ours, f"--{option} is missing"
        assert ours[option].short == short
        # "strings" is a list too: with commas between.
        if kind and ours[option].kind.word:
            assert ours[option].kind.word == kind or {ours[option].kind.word, kind} <= {
                "string",
                "strings",
                "list",
            }
        assert bool(ours[option].kind.word) == bool(kind), f"--{option} {kind}"


@pytest.mark.skipif(not DOCKER, reason="there is no docker client to compare with")
@pytest.mark.parametrize("name", [name for name in ALL if name.partition(" ")[0] not in OURS])
def test_usage_and_summary_are_the_same(name: str) -> None:
    lines = theirs(name).splitlines()
    # Docker calls `container cp` by its short name in the second line.
    usage = "\n".join(line.strip() for line in lines[: lines.index("")]).replace(
        "\ndocker cp", f"\ndocker {name}"
    )
    path = f"docker {name}"
    assert usage.removeprefix("Usage:  ") == "\n".join(
        f"{path} {line}".strip() for line in ALL[name].usage.split("\n")
    )
    assert lines[lines.index("") + 1].strip() in (ALL[name].help, ALL[name].more)
