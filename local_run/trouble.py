"""The one exception of this package."""


class CannotRun(Exception):
    """One sentence on why nothing can be started, for a person."""
