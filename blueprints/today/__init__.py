"""Today: what needs a person now."""

from blueprints.today import entries, routes

entries.register()
blueprints = [routes.bp]

__all__ = ["blueprints"]
