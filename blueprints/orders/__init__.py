"""Orders: the list, one order, held orders, finding an order, and printing."""

from blueprints.orders import held, lookup, order, printing, routes, seller

blueprints = [routes.bp, order.bp, held.bp, lookup.bp, printing.bp, seller.bp]

__all__ = ["blueprints"]
