"""Sync runs: the list, and one run with its rows. The pages call this Activity."""

from blueprints.runs import routes, run

blueprints = [routes.bp, run.bp]

__all__ = ["blueprints"]
