"""Orders: the list, one order, shipping, held orders, and where an order is."""

from blueprints.orders import held, lookup, page, routes, shipping

blueprints = [each.bp for each in (routes, page, shipping, held, lookup)]

__all__ = ["blueprints"]
