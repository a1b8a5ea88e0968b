"""`fairlead api`: what the engine's API is, for programs, without a daemon."""

import json

import click


def run() -> None:
    """Print the OpenAPI description of the API that `fairlead daemon` serves.

    The daemon serves the same at /fairlead/openapi.json.
    """
    from fairlead.api.description import describe

    click.echo(json.dumps(describe(), indent=2, ensure_ascii=False))


command = click.Command("api", callback=run, help=run.__doc__)
