"""Settings → Sales channel integration."""

from blueprints.sales_channels import desk, integration, preview, reauthorise, removal, routes, settings, wizard

blueprints = [each.bp for each in (routes, wizard, integration, settings, reauthorise, removal, preview, desk)]

__all__ = ["blueprints"]
