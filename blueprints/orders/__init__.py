"""Orders: the list, one order, held orders, finding an order, notes and tags, exports, and printing."""

from blueprints.orders import export_deliveries, exports, held, lookup, notes, order, printing, routes, seller

blueprints = [
    exports.bp,
    export_deliveries.bp,
    routes.bp,
    order.bp,
    held.bp,
    lookup.bp,
    notes.bp,
    notes.several,
    printing.bp,
    seller.bp,
]

__all__ = ["blueprints"]
