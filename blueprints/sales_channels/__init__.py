"""Settings → Sales channel integration."""

from blueprints.sales_channels.routes import bp

__all__ = ["bp"]
