"""Orders: the list, one order, held orders, finding an order, notes and tags, and printing."""

from blueprints.orders import held, lookup, notes, order, printing, routes, seller

blueprints = [routes.bp, order.bp, held.bp, lookup.bp, notes.bp, notes.several, printing.bp, seller.bp]

__all__ = ["blueprints"]
