"""Activity: sync runs, live and past, one run with its rows, and the audit trail."""

from blueprints.activity import run
from blueprints.activity.routes import bp

blueprints = [bp, run.bp]

__all__ = ["blueprints"]
