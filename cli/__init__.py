"""The ``flask`` commands: thin over services and jobs. Exit codes: 0 done, 1 failed with one sentence, 2 wrong usage."""

from flask import Flask


def register(app: Flask) -> None:
    """Hook every group of commands into ``flask``."""
