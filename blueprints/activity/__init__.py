"""Activity: sync runs, live and past."""

from blueprints.activity.routes import bp

__all__ = ["bp"]
