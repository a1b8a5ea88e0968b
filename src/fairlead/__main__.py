"""`fairlead` and `python -m fairlead`: the daemon, the lab, and the client's commands.

Each is imported only when it is asked for: the client must answer at once, and none of the
three knows the others.
"""

import importlib
import sys

import click

BESIDE_THE_CLIENT = {"daemon": "fairlead.daemon.main", "lab": "fairlead.lab.commands"}


def main() -> None:
    """Run the command line."""
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    if word in BESIDE_THE_CLIENT:
        command = importlib.import_module(BESIDE_THE_CLIENT[word]).command
        assert isinstance(command, click.Command)
        command.main(sys.argv[2:], prog_name=f"fairlead {word}")
    from fairlead.cli.main import main as client

    client()


if __name__ == "__main__":
    main()
