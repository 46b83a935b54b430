"""What the tests of operating share with those of the commands."""

from tests.cli.conftest import commands

__all__ = ["commands"]
