"""Stock: the list, one item, and files of quantities."""

from blueprints.stock import files, routes

blueprints = [each.bp for each in (routes, files)]

__all__ = ["blueprints"]
