"""Stock: the list, one stock item, and importing stock from a CSV file."""

from blueprints.stock import files, history, routes

blueprints = [routes.bp, files.bp, history.bp]

__all__ = ["blueprints"]
