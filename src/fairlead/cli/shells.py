"""`fairlead completion`: the script that makes a shell complete our commands, options and names."""

import click

from fairlead.cli.commands import Arguments, command
from fairlead.cli.flags import Values
from fairlead.cli.problems import Ending
from fairlead.cli.session import Session

_SHELLS = ("bash", "zsh", "fish")


@command(
    "completion bash|zsh|fish",
    arguments=Arguments(1, 1),
    more="To use it in this shell:   source <(fairlead completion bash)\n"
    "in fish:                   fairlead completion fish | source",
)
def completion(session: Session, values: Values, words: list[str]) -> None:
    """Write the script."""
    if words[0] not in _SHELLS:
        raise Ending(1, f"cannot complete for {words[0]}: known shells are {', '.join(_SHELLS)}")
    from click.shell_completion import get_completion_class

    root = click.get_current_context().find_root().command
    variable = f"_{session.program.replace('-', '_').upper()}_COMPLETE"
    shell = get_completion_class(words[0])
    assert shell is not None
    session.line(shell(root, {}, session.program, variable).source())
