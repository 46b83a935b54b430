"""Reports: sales by shop and day, sales by SKU, and the daily reconciliation."""

from blueprints.reports import routes

blueprints = [routes.bp]

__all__ = ["blueprints"]
