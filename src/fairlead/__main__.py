"""`fairlead` and `python -m fairlead`: the command line, joined with the commands of the other layers.

Those are named here and imported only when they run: `fairlead network ls` loads no engine.
"""

from typing import NoReturn

from fairlead.cli.commands import Place
from fairlead.cli.main import main as run_command_line

FURTHER = {
    "api": Place("fairlead.daemon.describing:command", "Print the OpenAPI description of the engine's API"),
    "daemon": Place("fairlead.daemon.main:command", "Start the engine", "Management Commands"),
    "lab": Place(
        "fairlead.lab.commands:command", "Manage virtual hosts on this machine", "Management Commands"
    ),
}


def main() -> NoReturn:
    """Run the command line and leave."""
    run_command_line(FURTHER)


if __name__ == "__main__":
    main()
