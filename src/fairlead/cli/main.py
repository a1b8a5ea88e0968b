"""The fairlead command."""


def main() -> None:
    """Run the command line."""
