"""Settings → Sales channel integration: the list, one integration with its settings, and its removal."""

from blueprints.integrations import integration, removal, routes, settings

blueprints = [routes.bp, integration.bp, settings.bp, removal.bp]

__all__ = ["blueprints"]
