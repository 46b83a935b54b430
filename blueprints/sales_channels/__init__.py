"""Settings → Sales channel integration."""

from blueprints.sales_channels import integration, preview, reauthorise, removal, routes, settings, wizard

blueprints = [each.bp for each in (routes, wizard, integration, settings, reauthorise, removal, preview)]

__all__ = ["blueprints"]
