"""Stock: the list, one stock item, and importing stock from a CSV file."""

from blueprints.stock import files, routes

blueprints = [routes.bp, files.bp]

__all__ = ["blueprints"]
