"""Reports: sales by shop and day, by SKU, and the daily receipts."""

from blueprints.reports.routes import bp

blueprints = [bp]

__all__ = ["blueprints"]
