"""Who gives a command."""

from __future__ import annotations

import getpass
import os

from cli.output import printable


def actor() -> str:
    """The actor of what this command does: ``cli:`` and the login name."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):
        # In a container the user id may have no name.
        name = str(os.getuid())
    return f"cli:{printable(name) or 'unknown'}"[:100]
