"""Orders: the list, one order, held orders, and finding an order."""

from blueprints.orders import held, lookup, order, routes

blueprints = [routes.bp, order.bp, held.bp, lookup.bp]

__all__ = ["blueprints"]
