"""``flask version``: which version of Cartlink this is."""

from __future__ import annotations

import click

from cli.output import say
from config import VERSION


@click.command("version")
def command() -> None:
    """Print the version of Cartlink."""
    say(f"Cartlink {VERSION}")
